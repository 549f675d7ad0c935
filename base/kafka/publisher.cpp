// SPDX-License-Identifier: Apache-2.0
#include "base/kafka/publisher.h"

#include <algorithm>

#include "base/kafka/partition.h"

namespace outrider::kafka {

Result<std::shared_ptr<Producer>> Publisher::producer() {
  const std::lock_guard hold(mutex_);
  if (producer_) return producer_;
  auto made = Producer::open(options_, troubles_);
  if (!made) {
    troubles_->note(
        made.error().code == "kafka_password" ? Troubles::authentication : Troubles::protocol,
        made.error().message);
    return fail(made);
  }
  producer_ = std::move(*made);
  return producer_;
}

void Publisher::forget(const std::shared_ptr<Producer>& failed) {
  const std::lock_guard hold(mutex_);
  if (producer_ == failed) producer_.reset();
}

Result<std::int32_t> Publisher::partitions(Duration timeout) {
  const auto used = producer();
  if (!used) return fail(used);
  auto count = (*used)->partitions(timeout);
  if (!count) forget(*used);
  return count;
}

Result<std::vector<Fate>> Publisher::send(std::span<const Message> messages, Duration timeout,
                                          const std::atomic<bool>* cancelled) {
  const auto used = producer();
  if (!used) return fail(used);
  auto fates = (*used)->send(messages, timeout, cancelled);
  if (std::find(fates.begin(), fates.end(), Fate::failed) != fates.end()) forget(*used);
  return fates;
}

Result<void> Publisher::publish(std::span<const Keyed> records, Duration timeout) {
  const auto count = partitions(std::min<Duration>(timeout, std::chrono::seconds(5)));
  if (!count) return fail(count);
  std::vector<Message> messages;
  for (const auto& [key, value] : records)
    messages.push_back({partition_of(key, *count), std::string(key), std::string(value)});
  const auto fates = send(messages, timeout, nullptr);
  if (!fates) return fail(fates);
  const auto any = [&](Fate fate) {
    return std::find(fates->begin(), fates->end(), fate) != fates->end();
  };
  if (any(Fate::failed)) {
    return fail("kafka_unavailable", "the brokers did not take everything in time (" +
                                         troubles_->last() + "); send it again, which is safe");
  }
  if (any(Fate::refused)) return fail("kafka_refused", "the topic refuses: " + troubles_->last());
  return {};
}

}  // namespace outrider::kafka
