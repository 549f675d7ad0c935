// SPDX-License-Identifier: Apache-2.0
#include "truth/log/log_inbox.h"

#include <chrono>
#include <numeric>
#include <utility>

#include "base/core/text.h"

namespace outrider::truth {
namespace {

constexpr std::size_t erasures_max = 10'000;  // Wishes that wait for the owner.

}  // namespace

std::optional<AppendDrop> LogInbox::append(const Uuid& id, std::uint32_t rows,
                                           std::string_view group,
                                           const std::vector<AppendName>& names) {
  const MutexLock lock(mutex_);
  if (!open_ || ended_) return AppendDrop::unavailable;
  if (disk_full_) return AppendDrop::disk_full;
  if (filling_.footprint() + group.size() > settings_.append_bytes_max) {
    return AppendDrop::queue_full;
  }
  accepted_->add(rows);
  filling_.add(id, rows, group, names);
  return std::nullopt;
}

// Waits until the owner has answered, or the deadline has passed.
template <class Caller>
auto LogInbox::hand_over(Waiting<Caller> LogInbox::*queue_of, std::shared_ptr<Caller> caller,
                         std::size_t weight, std::size_t weight_max, const Words& words)
    -> decltype(caller->answer.get_future().get()) {
  auto answer = caller->answer.get_future();
  {
    const MutexLock lock(mutex_);
    if (auto ok = usable(); !ok) return fail(ok);
    Waiting<Caller>& queue = this->*queue_of;
    if (!queue.has_room_for(weight, weight_max)) {
      return fail("log_busy", words.waiting(queue.weight()) + words.again);
    }
    queue.push(caller, weight);
  }
  work_.notify_one();
  if (answer.wait_for(settings_.join_deadline) == std::future_status::ready) return answer.get();

  const MutexLock lock(mutex_);
  (this->*queue_of).give_up(caller);
  return fail("log_busy", std::string(words.late) + " within " +
                              format_duration(settings_.join_deadline) + words.late_again);
}

// Under the lock: whether what is handed over now can be written.
Result<void> LogInbox::usable() const {
  if (stopping_) return fail("log_unavailable", "this program is stopping; send it again later");
  if (!open_) return fail("log_unavailable", closed_because_);
  if (!disk_full_) return {};
  return fail("log_unavailable", "less than " + format_bytes(settings_.free_bytes_min) +
                                     " are free where the prediction log is, in " +
                                     settings_.folder.string() + "; free some, and send it again");
}

Result<std::vector<LabelAnswer>> LogInbox::join(std::vector<GroundTruth> labels,
                                                JoinOptions options, Time arrived) {
  const auto caller = std::make_shared<LabelCaller>();
  const std::size_t count = labels.size();
  caller->labels = std::move(labels);
  caller->options = std::move(options);
  caller->arrived = arrived;
  const auto waiting = [](std::size_t weight) {
    return std::to_string(weight) + " labels are waiting to be written";
  };
  return hand_over(&LogInbox::labels_, caller, count, settings_.queued_labels_max,
                   {waiting, "; send the labels again later", "the disk did not take the labels",
                    "; send the labels again later"});
}

Result<std::vector<ShipmentTaken>> LogInbox::take_all(std::vector<DecodedShipment> shipments) {
  std::vector<std::shared_ptr<ShipmentCaller>> callers;
  std::vector<std::size_t> bytes;
  bool is_first = false;
  for (DecodedShipment& shipment : shipments) {
    bytes.push_back(shipment.predictions.footprint());
    callers.push_back(std::make_shared<ShipmentCaller>());
    callers.back()->shipment = std::move(shipment);
  }
  {
    const MutexLock lock(mutex_);
    if (auto ok = usable(); !ok) return fail(ok);
    const std::size_t sum = std::accumulate(bytes.begin(), bytes.end(), std::size_t{0});
    if (!shipments_.has_room_for(sum, settings_.queued_shipment_bytes_max)) {
      return fail("log_busy",
                  format_bytes(shipments_.weight()) +
                      " of predictions are waiting to be written; send them again later");
    }
    is_first = shipments_.empty();
    for (std::size_t i = 0; i < callers.size(); ++i) shipments_.push(callers[i], bytes[i]);
  }
  if (is_first) work_.notify_one();  // Else the owner is busy, or gathers them.
  std::vector<ShipmentTaken> answers;
  const auto deadline = std::chrono::steady_clock::now() + settings_.join_deadline;
  for (const auto& caller : callers) {
    auto answer = caller->answer.get_future();
    if (answer.wait_until(deadline) != std::future_status::ready) break;
    auto taken = answer.get();
    if (!taken) return fail(taken);
    answers.push_back(*taken);
  }
  if (answers.size() == callers.size()) return answers;

  const MutexLock lock(mutex_);
  for (const auto& caller : callers) shipments_.give_up(caller);
  return fail("log_busy", "the disk did not take the predictions within " +
                              format_duration(settings_.join_deadline) + "; send them again later");
}

Result<std::vector<Erased>> LogInbox::erase(std::vector<EraseWish> wishes) {
  const auto caller = std::make_shared<EraseCaller>();
  const std::size_t count = wishes.size();
  caller->wishes = std::move(wishes);
  const auto waiting = [](std::size_t) { return std::string("other names are being erased"); };
  return hand_over(&LogInbox::erasures_, caller, count, erasures_max,
                   {waiting, "; ask again later", "the disk did not answer",
                    "; some may be erased already, ask again"});
}

bool LogInbox::flush(Duration deadline) {
  MutexLock lock(mutex_);
  if (ended_) return false;
  const std::uint64_t wanted = ++flushes_.wanted;
  work_.notify_one();
  return flushed_.wait_for(lock, deadline,
                           [&]() REQUIRES(mutex_) { return flushes_.done >= wanted; });
}

LogInbox::Waits LogInbox::waits() const {
  const MutexLock lock(mutex_);
  return {.labels = labels_.weight(),
          .prediction_bytes = filling_.footprint(),
          .open = open_ && !disk_full_};
}

std::string LogInbox::closed_because() const {
  const MutexLock lock(mutex_);
  return closed_because_;
}

LogInbox::Work LogInbox::wait(AppendBuffer& predictions,
                              std::chrono::steady_clock::time_point gathered_at) {
  MutexLock lock(mutex_);
  const auto is_urgent = [this]() REQUIRES(mutex_) {
    return stopping_ || !labels_.empty() || !erasures_.empty() || flushes_.wanted > flushes_.done;
  };
  work_.wait_for(lock, settings_.commit_interval,
                 [&]() REQUIRES(mutex_) { return is_urgent() || !shipments_.empty(); });
  if (!shipments_.empty()) work_.wait_until(lock, gathered_at, is_urgent);
  std::swap(filling_, predictions);
  return {.labels = labels_.take(settings_.group_labels_max),
          .shipments = shipments_.take(settings_.queued_shipment_bytes_max / 4),
          .erasures = erasures_.take(erasures_max),
          .flush = flushes_.wanted > flushes_.done ? flushes_.wanted : 0,
          .stopping = stopping_};
}

void LogInbox::finish_flush(std::uint64_t flush) {
  if (flush == 0) return;
  const MutexLock lock(mutex_);
  flushes_.done = flush;
  flushed_.notify_all();
}

bool LogInbox::is_empty() const {
  const MutexLock lock(mutex_);
  return labels_.empty() && shipments_.empty() && erasures_.empty();
}

void LogInbox::open() {
  const MutexLock lock(mutex_);
  open_ = true;
}

void LogInbox::close(std::string why) {
  const MutexLock lock(mutex_);
  open_ = false;
  closed_because_ = std::move(why);
}

void LogInbox::set_disk_full(bool full) {
  const MutexLock lock(mutex_);
  disk_full_ = full;
}

void LogInbox::stop() {
  {
    const MutexLock lock(mutex_);
    stopping_ = true;
  }
  work_.notify_one();
}

void LogInbox::end() {
  const MutexLock lock(mutex_);
  ended_ = true;
  open_ = false;
  closed_because_ = "the prediction log is closed";
}

bool LogInbox::has_ended() const {
  const MutexLock lock(mutex_);
  return ended_;
}

void LogInbox::set_accepted(std::unique_ptr<AcceptedCounter> accepted) {
  const MutexLock lock(mutex_);
  accepted_ = std::move(accepted);
}

void LogInbox::note_written(std::uint64_t lifetime_rows) {
  const MutexLock lock(mutex_);
  accepted_->set(lifetime_rows + filling_.rows);
}

void LogInbox::take_back(std::uint64_t rows) {
  const MutexLock lock(mutex_);
  accepted_->set(accepted_->value() - rows);
}

}  // namespace outrider::truth
