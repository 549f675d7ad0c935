// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/shipping/topic_shipper.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <random>
#include <stdexcept>

#include "base/kafka/partition.h"
#include "sidecar/monitor/shipping/delivery.h"
#include "truth/api/topic_labels.h"
#include "truth/codec.h"
#include "truth/topic_record.h"

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;

constexpr Duration sync_every = 1s;
constexpr std::size_t prediction_bytes_max = 900 << 10;  // A broker takes 1 MiB unless it is told.
constexpr Duration send_timeout = 30s;
constexpr Duration label_timeout = 10s;
constexpr Duration ask_timeout = 5s;

remote_write::Queue::Settings queue_settings(const ShippingOptions& options,
                                             const std::filesystem::path& folder) {
  remote_write::Queue::Settings made;
  made.folder = folder / "topic";
  made.bytes_max = static_cast<std::uint64_t>(options.queue_bytes_max);
  made.age_max = options.queue_age_max;
  return made;
}

std::unique_ptr<truth::AcceptedCounter> open_queued(const std::filesystem::path& folder,
                                                    std::uint64_t numbered) {
  std::error_code error;
  const bool is_new = !std::filesystem::exists(folder / "queued", error);
  auto counter = truth::AcceptedCounter::open(folder / "queued");
  if (!counter) throw std::runtime_error(counter.error().message);
  if (is_new) (*counter)->set(numbered);
  return std::move(*counter);
}

}  // namespace

void append_topic_item(std::string& batch, std::span<const std::string> keys,
                       std::string_view record) {
  truth::append_varint(batch, keys.size());
  for (const std::string& key : keys) truth::append_text(batch, key);
  truth::append_text(batch, record);
}

std::vector<TopicItem> read_topic_items(std::string_view batch) {
  std::vector<TopicItem> items;
  truth::ByteReader in(batch);
  while (in.ok() && !in.rest().empty()) {
    TopicItem item;
    const std::uint64_t keys = in.varint();
    for (std::uint64_t i = 0; i < keys && in.ok(); ++i) item.keys.push_back(in.text());
    item.record = in.text();
    if (in.ok()) items.push_back(std::move(item));
  }
  return items;
}

TopicShipper::TopicShipper(const ShippingOptions& options, const truth::Sample& sample,
                           const std::filesystem::path& folder, RuleOf rule_of, const Clock& clock)
    : options_(options),
      rule_of_(std::move(rule_of)),
      clock_(clock),
      folder_(folder, clock.now()),
      gatherer_(folder_, prediction_bytes_max),
      queued_(open_queued(folder, folder_.next())),
      queue_(queue_settings(options, folder), clock),
      publisher_(options.kafka,
                 std::make_shared<kafka::Troubles>("Kafka, topic " + options.kafka.topic)),
      backoff_({.initial = 100ms, .max = 10s}) {
  if (auto ok = options_.check(); !ok) throw std::runtime_error(ok.error().message);
  identity_ = identity_of(options_, sample, folder_);
  counts_.crash = folder_.next() - std::min(folder_.next(), queued_->value());
  queued_->set(folder_.next());
  spdlog::info("predictions go to the topic {} of Kafka", options_.kafka.topic);
  gathering_ = std::jthread([this](const std::stop_token& stop) { gather(stop); });
  delivering_ = std::jthread([this](const std::stop_token& stop) { deliver(stop); });
}

TopicShipper::~TopicShipper() {
  stop(Duration::zero());
}

bool TopicShipper::append(const truth::PredictionView& prediction, std::uint64_t feature_set) {
  if (prediction.rows.empty()) return true;
  // A label comes by the name that the record is keyed by; others would lead elsewhere.
  truth::PredictionView named = prediction;
  named.aliases = {};
  return gatherer_.append(named, feature_set, truth::topic_keys(named));
}

void TopicShipper::gather(const std::stop_token& stop) {
  std::chrono::steady_clock::time_point synced{};
  gatherer_.run(stop, [&] {
    cut();
    const auto now = std::chrono::steady_clock::now();
    if (now - synced < sync_every) return;
    synced = now;
    queue_.sync();
  });
}

// What came so far goes to disk: a record for each prediction, in batches.
void TopicShipper::cut() {
  truth::ShipmentHead head = identity_;
  head.complete_until = clock_.now();
  gatherer_.take([&](Gatherer::Gathered& some) {
    std::string batch;
    std::uint64_t rows = 0;
    const auto put = [&] {
      if (rows > 0) queue_.append(batch, {.samples = rows}, to_unix_ms(clock_.now()));
      batch.clear();
      rows = 0;
    };
    const auto bodies = some.writer.finish(head, rule_of_, 0);
    for (std::size_t i = 0; i < bodies.size() && i < some.keys.size(); ++i) {
      append_topic_item(batch, some.keys[i], truth::write_topic_prediction(bodies[i].bytes));
      rows += bodies[i].rows;
      if (batch.size() > Gatherer::cut_bytes) put();
    }
    put();
    queued_->set(some.next);
  });
}

void TopicShipper::deliver(const std::stop_token& stop) {
  std::random_device random;
  while (!stop.stop_requested()) {
    Duration pause = 50ms;
    if (queue_.figures().records_pending == 0) {
      (void)publisher_.send({}, Duration::zero(), nullptr);  // Hears of brokers that went.
    } else if (deliver_one()) {
      backoff_.reset();
      pause = Duration::zero();
    } else {
      pause = backoff_.next(std::generate_canonical<double, 24>(random));
    }
    std::mutex mutex;
    std::unique_lock lock(mutex);
    std::condition_variable_any().wait_for(lock, stop, pause, [] { return false; });
  }
}

// False: it is tried again.
bool TopicShipper::deliver_one() {
  const auto batch = queue_.front();
  if (!batch) return true;
  const auto fail_batch = [&] {
    queue_.keep(*batch);
    ++counts_.failed_batches;
    sending_.up = false;
    return false;
  };
  const auto count = publisher_.partitions(ask_timeout);
  if (!count) return fail_batch();
  std::vector<kafka::Message> messages;
  for (const TopicItem& item : read_topic_items(batch->payload)) {
    std::vector<std::int32_t> there;
    for (const std::string_view key : item.keys) {
      const std::int32_t partition = kafka::partition_of(key, *count);
      if (std::find(there.begin(), there.end(), partition) != there.end()) continue;
      there.push_back(partition);
      messages.push_back({partition, std::string(key), std::string(item.record)});
    }
  }
  const auto fates = publisher_.send(messages, send_timeout, &sending_.cancelled);
  if (!fates || std::find(fates->begin(), fates->end(), kafka::Fate::failed) != fates->end())
    return fail_batch();
  counts_.refused +=
      static_cast<std::uint64_t>(std::count(fates->begin(), fates->end(), kafka::Fate::refused));
  counts_.sent += batch->header.counts.samples;
  sending_.up = true;
  queue_.release(*batch);
  return true;
}

bool TopicShipper::stop(Duration limit) {
  if (gathering_.joinable()) {
    gathering_.request_stop();
    gathering_.join();
    cut();
  }
  const auto empty = [this] { return queue_.figures().records_pending == 0; };
  const auto deadline = std::chrono::steady_clock::now() + limit;
  while (delivering_.joinable() && !empty() && std::chrono::steady_clock::now() < deadline)
    std::this_thread::sleep_for(10ms);
  sending_.cancelled = true;
  if (delivering_.joinable()) {
    delivering_.request_stop();
    delivering_.join();
    queue_.sync();
  }
  return empty();
}

net::HttpResponse TopicShipper::relay(const net::HttpRequest& request) {
  const truth::Scope scope{.cluster = options_.cluster,
                           .name_space = options_.name_space,
                           .workload = options_.workload};
  return truth::publish_labels(request, scope,
                               [this](const std::vector<truth::KeyedRecord>& records) {
                                 std::vector<kafka::Publisher::Keyed> keyed;
                                 for (const truth::KeyedRecord& one : records)
                                   keyed.emplace_back(one.key, one.value);
                                 return publisher_.publish(keyed, label_timeout);
                               });
}

net::HttpResponse TopicShipper::erase(const net::HttpRequest&) {
  return net::error_response(
      409, "kept_by_the_agents",
      "this sidecar's predictions go to a topic (truth.kafka): send it to each agent that reads "
      "the topic, and see docs/kafka.md for what the topic itself still has");
}

void TopicShipper::collect(wire::MetricSink& sink) {
  gatherer_.collect(sink, {{"crash", counts_.crash}});
  const Delivery delivery{.agent = "kafka:" + options_.kafka.topic,
                          .queue = queue_.figures(),
                          .sent = counts_.sent,
                          .failed = counts_.failed_batches,
                          .up = sending_.up,
                          .refused = {{"too_large", counts_.refused}}};
  collect_deliveries(sink, std::span(&delivery, 1));
  sink.family({"outrider_kafka_errors_total", wire::MetricType::counter,
               "What went wrong between this program and the brokers, by reason."});
  const auto troubles = publisher_.troubles().counts();
  for (std::size_t i = 0; i < troubles.size(); ++i) {
    sink.value(wire::SeriesKey({{"reason", std::string(kafka::Troubles::words[i])}}),
               static_cast<double>(troubles[i]));
  }
}

wire::Json TopicShipper::status() const {
  return {{"topic", options_.kafka.topic},
          {"up", sending_.up.load()},
          {"sent", counts_.sent.load()},
          {"pending", queue_.figures().pending.samples}};
}

}  // namespace outrider::monitor
