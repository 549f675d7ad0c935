// SPDX-License-Identifier: Apache-2.0
#include "truth/prediction_log.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <deque>
#include <future>
#include <mutex>
#include <random>
#include <thread>

#include "base/core/backoff.h"
#include "base/core/text.h"
#include "truth/accepted_counter.h"
#include "truth/truth_join.h"

namespace outrider::truth {
namespace {

using Steady = std::chrono::steady_clock;

constexpr Duration maintenance_interval = std::chrono::seconds(1);

// Labels of one caller of join(), on their way through the owner.
struct Request {
  std::vector<GroundTruth> labels;
  JoinOptions options;
  Time arrived{};
  std::promise<Result<std::vector<LabelAnswer>>> answer;
};

// A shipment, likewise.
struct Arrival {
  DecodedShipment shipment;
  std::promise<Result<ShipmentTaken>> answer;
};

Failure busy(const std::string& why) {
  return fail("log_busy", why + "; send the labels again later");
}

// A queue of callers that wait for the owner. What each of them brings is weighed, and the sum of
// it bounded; one alone is always taken. Its user locks.
template <class Caller>
class Waiting {
 public:
  bool has_room_for(std::size_t weight, std::size_t max) const {
    return weight_ == 0 || weight_ + weight <= max;
  }
  void push(std::shared_ptr<Caller> caller, std::size_t weight) {
    weight_ += weight;
    callers_.emplace_back(std::move(caller), weight);
  }
  // Takes callers from the front while they weigh no more than `max` together; one at least.
  std::vector<std::shared_ptr<Caller>> take(std::size_t max) {
    std::vector<std::shared_ptr<Caller>> taken;
    std::size_t sum = 0;
    while (!callers_.empty()) {
      const std::size_t weight = callers_.front().second;
      if (!taken.empty() && sum + weight > max) break;
      sum += weight;
      weight_ -= weight;
      taken.push_back(std::move(callers_.front().first));
      callers_.pop_front();
    }
    return taken;
  }
  void give_up(const std::shared_ptr<Caller>& caller) {
    const auto place = std::find_if(callers_.begin(), callers_.end(),
                                    [&](const auto& one) { return one.first == caller; });
    if (place == callers_.end()) return;
    weight_ -= place->second;
    callers_.erase(place);
  }
  bool empty() const { return callers_.empty(); }
  std::size_t weight() const { return weight_; }

 private:
  std::deque<std::pair<std::shared_ptr<Caller>, std::size_t>> callers_;
  std::size_t weight_ = 0;
};

template <class Caller>
void refuse(std::vector<std::shared_ptr<Caller>>& callers, const Error& why) {
  for (const auto& caller : callers) caller->answer.set_value(Failure(why));
  callers.clear();
}

wire::SeriesKey reason_key(AppendDrop reason) {
  return wire::SeriesKey({{"reason", std::string(to_string(reason))}});
}

}  // namespace

std::string_view to_string(AppendDrop reason) {
  static constexpr std::string_view words[append_drop_count] = {
      "queue_full", "disk_full", "unavailable", "too_large", "invalid_id", "crash"};
  return words[static_cast<std::size_t>(reason)];
}

class PredictionLog::Owner final : public wire::Collector {
 public:
  Owner(LogSettings settings, TruthConsumer& consumer, const Clock& clock)
      : settings_(std::move(settings)), consumer_(consumer), clock_(clock) {
    metrics_.announce(settings_.model_name, "unknown");
  }
  ~Owner() override { close(); }

  Result<void> start();
  bool append(const PredictionView& prediction);
  Result<std::vector<LabelAnswer>> join(std::vector<GroundTruth> labels, JoinOptions options);
  Result<ShipmentTaken> take(DecodedShipment shipment);
  void count_invalid(std::size_t labels) {
    metrics_.count_now(settings_.model_name, "unknown", LabelResult::invalid, labels);
  }
  void announce(std::string_view model_name, std::string_view model_version) {
    metrics_.announce(model_name, model_version);
  }
  Result<void> for_each_joined(Time since,
                               const std::function<bool(const JoinedRow&)>& on_row) const;
  std::vector<std::string> feature_names() const;
  bool flush(Duration deadline);
  void close();
  void collect(wire::MetricSink& sink) override;
  Figures figures() const;
  const LogSettings& settings() const { return settings_; }

 private:
  using Requests = std::vector<std::shared_ptr<Request>>;
  using Arrivals = std::vector<std::shared_ptr<Arrival>>;
  // What a turn of the owner has to do.
  struct Work {
    Requests requests;
    Arrivals arrivals;
    std::uint64_t flushes = 0;
  };

  Result<void> open_store();
  void close_store(const Error& why);
  bool drop(AppendDrop reason, std::uint64_t rows);
  void run();
  bool wait_for_work(Work& work);
  void step(Work& work, bool flushing);
  Result<void> usable() const;
  Result<void> write_arrivals(Arrivals& arrivals);
  Result<void> write_buffer();
  Result<void> join_requests(Requests& requests);
  Result<void> keep_house(bool now);
  void publish();
  void collect_streams(wire::MetricSink& sink, const Figures& now) const;

  const LogSettings settings_;
  TruthConsumer& consumer_;
  const Clock& clock_;
  LabelMetrics metrics_{settings_.models_max};
  std::unique_ptr<AcceptedCounter> accepted_;

  // Shared with the callers.
  mutable std::mutex mutex_;
  std::condition_variable work_;
  std::condition_variable flushed_;
  AppendBuffer filling_;
  Waiting<Request> requests_;  // Weighed by labels.
  Waiting<Arrival> arrivals_;  // Weighed by bytes.
  std::uint64_t flushes_wanted_ = 0, flushes_done_ = 0;
  bool stop_ = false;
  bool closed_ = false;
  bool disk_full_ = false;
  bool available_ = false;
  std::string unavailable_because_;
  std::shared_ptr<Store> scanned_store_;
  std::vector<std::string> feature_names_;
  Figures figures_;
  std::uint64_t reopened_ = 0;
  std::array<std::atomic<std::uint64_t>, append_drop_count> dropped_{};

  // The owner thread's.
  std::unique_ptr<TruthJoin> join_;
  AppendBuffer writing_;
  std::uint64_t stored_ = 0, evicted_before_ = 0, expired_before_ = 0, early_refused_before_ = 0;
  bool unsynced_ = false;
  Steady::time_point last_sync_{}, last_housekeeping_{}, next_open_{};
  Backoff open_backoff_{
      {.initial = std::chrono::milliseconds(200), .max = std::chrono::seconds(10)}};
  std::minstd_rand random_{1};

  std::thread thread_;
};

Result<void> PredictionLog::Owner::start() {
  if (auto ok = open_store(); !ok) return ok;
  auto accepted = AcceptedCounter::open(settings_.folder / "accepted");
  if (!accepted) return fail(accepted);
  accepted_ = std::move(*accepted);
  const std::uint64_t written = join_->lifetime_written();
  if (accepted_->value() > written) {
    const std::uint64_t lost = accepted_->value() - written;
    drop(AppendDrop::crash, lost);
    spdlog::warn("prediction log: {} predictions were lost when the last process ended", lost);
  }
  accepted_->set(written);
  publish();
  thread_ = std::thread([this] { run(); });
  return {};
}

Result<void> PredictionLog::Owner::open_store() {
  auto store = Store::open(settings_);
  if (!store) return fail(store);
  auto kept = (*store)->load();
  if (!kept) return fail(kept);
  join_ = std::make_unique<TruthJoin>(settings_, std::move(*store), std::move(*kept), consumer_,
                                      metrics_, clock_.now());
  const std::lock_guard lock(mutex_);
  scanned_store_ = join_->store();
  feature_names_ = join_->feature_names();
  available_ = true;
  return {};
}

// Everything in memory that came from the store goes with it: what is on disk is what is true.
void PredictionLog::Owner::close_store(const Error& why) {
  spdlog::error("prediction log: {}; it is closed and will be opened again", why.message);
  metrics_.roll_back();
  {
    const std::lock_guard lock(mutex_);
    available_ = false;
    unavailable_because_ = why.message;
    scanned_store_.reset();
  }
  evicted_before_ += join_->evicted();
  expired_before_ += join_->expired();
  early_refused_before_ += join_->not_held();
  join_->store()->begin_close();
  join_.reset();
  unsynced_ = false;
  next_open_ = Steady::now() + open_backoff_.next(std::generate_canonical<double, 24>(random_));
}

bool PredictionLog::Owner::drop(AppendDrop reason, std::uint64_t rows) {
  dropped_[static_cast<std::size_t>(reason)].fetch_add(rows, std::memory_order_relaxed);
  return false;
}

bool PredictionLog::Owner::append(const PredictionView& prediction) {
  const std::uint64_t rows = prediction.rows.size();
  if (rows == 0) return true;
  const auto id = parse_uuid7(prediction.id);
  if (!id) return drop(AppendDrop::invalid_id, rows);

  // Encoded before the lock is taken; the memory is used again and again.
  thread_local std::string group;
  thread_local std::vector<AppendName> names;
  encode_prediction(*id, prediction, settings_.keep_features, group, names);
  if (group.size() > group_bytes_max) {
    group.shrink_to_fit();
    return drop(AppendDrop::too_large, rows);
  }

  const std::lock_guard lock(mutex_);
  if (!available_ || closed_) return drop(AppendDrop::unavailable, rows);
  if (disk_full_) return drop(AppendDrop::disk_full, rows);
  if (filling_.footprint() + group.size() > settings_.append_bytes_max) {
    return drop(AppendDrop::queue_full, rows);
  }
  accepted_->add(rows);
  filling_.add(*id, static_cast<std::uint32_t>(rows), group, names);
  return true;
}

Result<std::vector<LabelAnswer>> PredictionLog::Owner::join(std::vector<GroundTruth> labels,
                                                            JoinOptions options) {
  if (labels.empty()) return std::vector<LabelAnswer>();
  const auto request = std::make_shared<Request>();
  const std::size_t count = labels.size();
  request->labels = std::move(labels);
  request->options = options;
  request->arrived = clock_.now();
  auto answer = request->answer.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (auto ok = usable(); !ok) return fail(ok);
    if (!requests_.has_room_for(count, settings_.queued_labels_max)) {
      return busy(std::to_string(requests_.weight()) + " labels are waiting to be written");
    }
    requests_.push(request, count);
  }
  work_.notify_one();
  if (answer.wait_for(settings_.join_deadline) == std::future_status::ready) return answer.get();

  const std::lock_guard lock(mutex_);
  requests_.give_up(request);
  return busy("the disk did not take the labels within " +
              format_duration(settings_.join_deadline));
}

// Under the lock: whether what is handed over now can be written.
Result<void> PredictionLog::Owner::usable() const {
  if (stop_) return fail("log_unavailable", "this program is stopping; send it again later");
  if (!available_) return fail("log_unavailable", unavailable_because_);
  if (!disk_full_) return {};
  return fail("log_unavailable", "less than " + format_bytes(settings_.free_bytes_min) +
                                     " are free where the prediction log is, in " +
                                     settings_.folder.string() + "; free some, and send it again");
}

Result<ShipmentTaken> PredictionLog::Owner::take(DecodedShipment shipment) {
  const auto arrival = std::make_shared<Arrival>();
  const std::size_t bytes = shipment.predictions.footprint();
  arrival->shipment = std::move(shipment);
  auto answer = arrival->answer.get_future();
  {
    const std::lock_guard lock(mutex_);
    if (auto ok = usable(); !ok) return fail(ok);
    if (!arrivals_.has_room_for(bytes, settings_.queued_shipment_bytes_max)) {
      return fail("log_busy",
                  format_bytes(arrivals_.weight()) +
                      " of predictions are waiting to be written; send them again later");
    }
    arrivals_.push(arrival, bytes);
  }
  work_.notify_one();
  if (answer.wait_for(settings_.join_deadline) == std::future_status::ready) return answer.get();

  const std::lock_guard lock(mutex_);
  arrivals_.give_up(arrival);
  return fail("log_busy", "the disk did not take the predictions within " +
                              format_duration(settings_.join_deadline) + "; send them again later");
}

Result<void> PredictionLog::Owner::for_each_joined(
    Time since, const std::function<bool(const JoinedRow&)>& on_row) const {
  std::shared_ptr<Store> store;
  {
    const std::lock_guard lock(mutex_);
    if (!scanned_store_) return fail("log_unavailable", unavailable_because_);
    store = scanned_store_;
  }
  return store->scan_joined(since, on_row);
}

std::vector<std::string> PredictionLog::Owner::feature_names() const {
  const std::lock_guard lock(mutex_);
  return feature_names_;
}

bool PredictionLog::Owner::flush(Duration deadline) {
  std::unique_lock lock(mutex_);
  if (closed_) return false;
  const std::uint64_t wanted = ++flushes_wanted_;
  work_.notify_one();
  return flushed_.wait_for(lock, deadline, [&] { return flushes_done_ >= wanted; });
}

void PredictionLog::Owner::close() {
  {
    const std::lock_guard lock(mutex_);
    if (closed_) return;
    stop_ = true;
  }
  work_.notify_one();
  if (thread_.joinable()) thread_.join();
  const std::lock_guard lock(mutex_);
  closed_ = true;
  available_ = false;
  unavailable_because_ = "the prediction log is closed";
  if (scanned_store_) scanned_store_->begin_close();
  scanned_store_.reset();
  join_.reset();
}

void PredictionLog::Owner::run() {
  for (;;) {
    Work work;
    const bool stopping = wait_for_work(work);
    step(work, stopping || work.flushes > 0);
    const std::lock_guard lock(mutex_);
    if (work.flushes > 0 && join_) {
      flushes_done_ = work.flushes;
      flushed_.notify_all();
    }
    if (stopping && requests_.empty() && arrivals_.empty()) return;
  }
}

// Takes what waits: predictions always go before the labels. True when we are to stop.
bool PredictionLog::Owner::wait_for_work(Work& work) {
  std::unique_lock lock(mutex_);
  work_.wait_for(lock, settings_.commit_interval, [this] {
    return stop_ || !requests_.empty() || !arrivals_.empty() || flushes_wanted_ > flushes_done_;
  });
  std::swap(filling_, writing_);
  work.requests = requests_.take(settings_.group_labels_max);
  work.arrivals = arrivals_.take(settings_.queued_shipment_bytes_max / 4);
  work.flushes = flushes_wanted_ > flushes_done_ ? flushes_wanted_ : 0;
  return stop_;
}

void PredictionLog::Owner::step(Work& work, bool flushing) {
  if (!join_ && Steady::now() >= next_open_) {
    if (auto ok = open_store(); ok) {
      {
        const std::lock_guard lock(mutex_);
        ++reopened_;
      }
      open_backoff_.reset();
      spdlog::info("prediction log: open again");
    } else {
      next_open_ = Steady::now() + open_backoff_.next(std::generate_canonical<double, 24>(random_));
      const std::lock_guard lock(mutex_);
      unavailable_because_ = ok.error().message;
    }
  }
  Result<void> done;
  if (join_) {
    done = write_buffer();
    if (done) done = write_arrivals(work.arrivals);
    if (done) done = join_requests(work.requests);
    if (done) done = keep_house(flushing);
    if (!done) close_store(done.error());
  }
  if (!join_) {
    const std::lock_guard lock(mutex_);
    drop(AppendDrop::unavailable, writing_.rows);
    accepted_->set(accepted_->value() -
                   writing_.rows);  // Not to be counted as a crash's loss, too.
    refuse(work.requests, {"log_unavailable", unavailable_because_});
    refuse(work.arrivals, {"log_unavailable", unavailable_because_});
  }
  writing_.clear();
  publish();
}

Result<void> PredictionLog::Owner::write_buffer() {
  if (writing_.entries.empty()) return {};
  auto written = join_->write_predictions(writing_);
  if (!written) return fail(written);
  stored_ += *written;
  writing_.clear();
  unsynced_ = true;
  return {};
}

Result<void> PredictionLog::Owner::write_arrivals(Arrivals& arrivals) {
  if (arrivals.empty()) return {};
  std::vector<const DecodedShipment*> shipments;
  for (const auto& arrival : arrivals) shipments.push_back(&arrival->shipment);
  const auto taken = join_->take(shipments, clock_.now());
  if (!taken) return fail(taken);
  {
    const std::lock_guard lock(mutex_);
    for (std::size_t i = 0; i < taken->size(); ++i) {
      figures_.shipped += (*taken)[i].rows;
      figures_.shipped_again += (*taken)[i].rows_again;
      figures_.lost += (*taken)[i].lost;
    }
  }
  for (std::size_t i = 0; i < taken->size(); ++i) arrivals[i]->answer.set_value((*taken)[i]);
  arrivals.clear();
  return {};
}

Result<void> PredictionLog::Owner::join_requests(Requests& requests) {
  if (requests.empty() && !join_->has_ready_labels()) return {};
  std::vector<JoinItem> items;
  for (const auto& request : requests) {
    for (const GroundTruth& label : request->labels) {
      items.push_back({.label = &label,
                       .fan_out = request->options.fan_out,
                       .arrived = request->arrived,
                       .held = std::nullopt,
                       .last_chance = false,
                       .passed = request->options.passed,
                       .scope = request->options.scope.any() ? nullptr : &request->options.scope});
    }
  }
  auto answers = join_->join(items, clock_.now());
  if (!answers) return fail(answers);
  unsynced_ = false;  // The labels' sync took the predictions before them along.
  last_sync_ = Steady::now();
  publish();  // Whoever has an answer finds it counted.
  auto from = answers->begin();
  for (const auto& request : requests) {
    const auto to = from + static_cast<std::ptrdiff_t>(request->labels.size());
    request->answer.set_value(
        std::vector<LabelAnswer>(std::make_move_iterator(from), std::make_move_iterator(to)));
    from = to;
  }
  requests.clear();
  return {};
}

Result<void> PredictionLog::Owner::keep_house(bool now) {
  const auto time = Steady::now();
  if (now || time - last_housekeeping_ >= maintenance_interval) {
    last_housekeeping_ = time;
    if (auto ok = join_->maintain(clock_.now()); !ok) return ok;
    std::error_code error;
    const auto space = std::filesystem::space(settings_.folder, error);
    const std::lock_guard lock(mutex_);
    disk_full_ = !error && space.available < settings_.free_bytes_min;
  }
  if (unsynced_ && (now || time - last_sync_ >= settings_.sync_interval)) {
    if (auto ok = join_->sync(); !ok) return ok;
    unsynced_ = false;
    last_sync_ = time;
  }
  return {};
}

void PredictionLog::Owner::publish() {
  const std::lock_guard lock(mutex_);
  figures_.stored = stored_;
  figures_.evicted = evicted_before_ + (join_ ? join_->evicted() : 0);
  figures_.expired = expired_before_ + (join_ ? join_->expired() : 0);
  if (!join_) return;
  figures_.pending = join_->pending();
  figures_.disk_bytes = join_->disk_bytes();
  figures_.early_held = join_->held();
  figures_.early_bytes = join_->held_bytes();
  figures_.early_refused = early_refused_before_ + join_->not_held();
  if (join_->feature_names().size() != feature_names_.size())
    feature_names_ = join_->feature_names();
  if (accepted_) accepted_->set(join_->lifetime_written() + filling_.rows);
  if (!settings_.shipped) return;
  const Time now = clock_.now();
  const auto& streams = join_->streams();
  figures_.streams = static_cast<std::size_t>(
      std::count_if(streams.all().begin(), streams.all().end(),
                    [](const auto& entry) { return !entry.second.sender.closed; }));
  const auto complete = streams.complete_until(now, settings_.early_hold);
  figures_.shipping_lag = complete ? std::max<Duration>(now - *complete, Duration{}) : Duration{};
}

PredictionLog::Figures PredictionLog::Owner::figures() const {
  const std::lock_guard lock(mutex_);
  Figures figures = figures_;
  figures.queued_labels = requests_.weight();
  figures.queued_bytes = filling_.footprint();
  figures.available = available_ && !disk_full_;
  for (std::size_t i = 0; i < append_drop_count; ++i) figures.dropped[i] = dropped_[i];
  figures.labels = metrics_.totals();
  return figures;
}

void PredictionLog::Owner::collect(wire::MetricSink& sink) {
  using wire::MetricType;
  metrics_.collect(sink);
  const Figures now = figures();
  const auto one = [&sink](std::string name, MetricType type, std::string help,
                           std::uint64_t value) {
    sink.family({std::move(name), type, std::move(help)});
    sink.value(wire::SeriesKey(Labels{}), static_cast<double>(value));
  };
  const auto reopened = [this] {
    const std::lock_guard lock(mutex_);
    return reopened_;
  }();
  sink.family({"outrider_log_dropped_total", MetricType::counter,
               "Predictions that are not in the log, so that their labels are unknown."});
  for (std::size_t i = 0; i < append_drop_count; ++i) {
    sink.value(reason_key(static_cast<AppendDrop>(i)), static_cast<double>(now.dropped[i]));
  }
  one("outrider_log_stored_total", MetricType::counter, "Predictions written to the log.",
      now.stored);
  one("outrider_log_evicted_total", MetricType::counter,
      "Predictions that fell to log.max_bytes without a label.", now.evicted);
  one("outrider_log_expired_total", MetricType::counter,
      "Predictions that passed truth.max_delay without a label.", now.expired);
  one("outrider_log_pending_predictions", MetricType::gauge,
      "Predictions that wait for their label.", now.pending);
  one("outrider_log_bytes", MetricType::gauge, "Bytes of the log on disk.", now.disk_bytes);
  one("outrider_log_max_bytes", MetricType::gauge, "The log's byte cap.", settings_.bytes_max);
  one("outrider_log_held_labels", MetricType::gauge,
      "Labels that came before their prediction and are held.", now.early_held);
  one("outrider_log_held_bytes", MetricType::gauge, "What the held labels take on disk.",
      now.early_bytes);
  one("outrider_log_labels_not_held_total", MetricType::counter,
      "Labels that would have been held for their prediction, were there not too many already: "
      "they "
      "were answered unknown.",
      now.early_refused);
  one("outrider_log_queued_labels", MetricType::gauge, "Labels that wait to be written.",
      now.queued_labels);
  one("outrider_log_queued_bytes", MetricType::gauge, "Predictions that wait to be written.",
      now.queued_bytes);
  one("outrider_log_reopened_total", MetricType::counter,
      "Times the log was opened again after a failed write.", reopened);
  if (settings_.shipped) collect_streams(sink, now);
  one("outrider_log_available", MetricType::gauge, "1 while the log takes predictions and labels.",
      now.available ? 1 : 0);
}

void PredictionLog::Owner::collect_streams(wire::MetricSink& sink, const Figures& now) const {
  using wire::MetricType;
  const auto number = [](std::uint64_t count) { return static_cast<double>(count); };
  sink.family({"outrider_truth_predictions_received_total", MetricType::counter,
               "Predictions that sidecars shipped here: new ones, and ones that were sent again."});
  sink.value(wire::SeriesKey({{"seen", "first"}}), number(now.shipped));
  sink.value(wire::SeriesKey({{"seen", "again"}}), number(now.shipped_again));
  sink.family({"outrider_truth_predictions_lost_total", MetricType::counter,
               "Predictions that never came, by the gaps in their sidecars' numbers: labels for "
               "them are unknown."});
  sink.value(wire::SeriesKey(Labels{}), number(now.lost));
  sink.family({"outrider_truth_streams", MetricType::gauge,
               "Sidecars that ship their predictions here and have not ended."});
  sink.value(wire::SeriesKey(Labels{}), number(now.streams));
  sink.family({"outrider_truth_shipping_lag_seconds", MetricType::gauge,
               "How long ago it is that everything is here of, of the slowest sidecar; labels that "
               "find no prediction are held so long."});
  sink.value(wire::SeriesKey(Labels{}), to_seconds(now.shipping_lag));
}

PredictionLog::PredictionLog(std::unique_ptr<Owner> owner) : owner_(std::move(owner)) {}
PredictionLog::~PredictionLog() = default;

Result<std::unique_ptr<PredictionLog>> PredictionLog::open(LogSettings settings,
                                                           TruthConsumer& consumer,
                                                           const Clock& clock) {
  settings.bytes_max = std::max<std::uint64_t>(settings.bytes_max, log_bytes_min);
  auto owner = std::make_unique<Owner>(std::move(settings), consumer, clock);
  if (auto ok = owner->start(); !ok) return fail(ok);
  return std::unique_ptr<PredictionLog>(new PredictionLog(std::move(owner)));
}

bool PredictionLog::append(const PredictionView& prediction) {
  return owner_->append(prediction);
}
Result<std::vector<LabelAnswer>> PredictionLog::join(std::vector<GroundTruth> labels,
                                                     JoinOptions options) {
  return owner_->join(std::move(labels), options);
}
Result<ShipmentTaken> PredictionLog::take(DecodedShipment shipment) {
  return owner_->take(std::move(shipment));
}
void PredictionLog::count_invalid(std::size_t labels) {
  owner_->count_invalid(labels);
}
void PredictionLog::announce(std::string_view model_name, std::string_view model_version) {
  owner_->announce(model_name, model_version);
}
Result<void> PredictionLog::for_each_joined(
    Time since, const std::function<bool(const JoinedRow&)>& on_row) const {
  return owner_->for_each_joined(since, on_row);
}
std::vector<std::string> PredictionLog::feature_names() const {
  return owner_->feature_names();
}
bool PredictionLog::flush(Duration deadline) {
  return owner_->flush(deadline);
}
void PredictionLog::close() {
  owner_->close();
}
wire::Collector& PredictionLog::collector() {
  return *owner_;
}
const LogSettings& PredictionLog::settings() const {
  return owner_->settings();
}
PredictionLog::Figures PredictionLog::figures() const {
  return owner_->figures();
}

}  // namespace outrider::truth
