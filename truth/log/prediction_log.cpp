// SPDX-License-Identifier: Apache-2.0
#include "truth/log/prediction_log.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <random>
#include <thread>

#include "base/core/backoff.h"
#include "base/core/mutex.h"
#include "truth/label_metrics.h"
#include "truth/log/log_figures.h"
#include "truth/log/log_inbox.h"
#include "truth/log/store.h"
#include "truth/truth_join.h"

namespace outrider::truth {
namespace {

using Steady = std::chrono::steady_clock;

constexpr Duration maintenance_interval = std::chrono::seconds(1);

}  // namespace

std::string_view to_string(AppendDrop reason) {
  static constexpr std::string_view words[append_drop_count] = {
      "queue_full", "disk_full", "unavailable", "too_large", "invalid_id", "crash"};
  return words[static_cast<std::size_t>(reason)];
}

// The one thread that has the store open: it takes what callers handed over, lets the join decide
// and write, answers, and publishes the figures.
class PredictionLog::Owner final : public wire::Collector {
 public:
  Owner(LogSettings settings, TruthConsumer& consumer, const Clock& clock)
      : settings_(std::move(settings)), consumer_(consumer), clock_(clock) {
    metrics_.announce(settings_.model_name, "unknown");
  }
  ~Owner() override { close(); }

  Result<void> start();
  void close();

  bool append(const PredictionView& prediction);
  Result<std::vector<LabelAnswer>> join(std::vector<GroundTruth> labels, JoinOptions options) {
    if (labels.empty()) return std::vector<LabelAnswer>();
    return inbox_.join(std::move(labels), std::move(options), clock_.now());
  }
  LogInbox& inbox() { return inbox_; }
  LabelMetrics& metrics() { return metrics_; }

  Result<std::shared_ptr<const Store>> scanned_store() const;
  std::vector<std::string> feature_names() const;
  void collect(wire::MetricSink& sink) override {
    metrics_.collect(sink);
    published_.collect(figures(), sink);
  }
  Figures figures() const;
  const LogSettings& settings() const { return settings_; }

 private:
  Result<void> open_store();
  void try_to_open();
  void close_store(const Error& why);
  void refuse_all(LogInbox::Work& work);
  void run();
  void step(LogInbox::Work& work, bool flushing);
  Result<void> write_buffer();
  Result<void> write_shipments(Waiting<ShipmentCaller>::Callers& callers);
  Result<void> join_labels(Waiting<LabelCaller>::Callers& callers);
  Result<void> erase_wished(Waiting<EraseCaller>::Callers& callers);
  Result<void> keep_house(bool now);
  void publish();
  void publish_streams();

  const LogSettings settings_;
  TruthConsumer& consumer_;
  const Clock& clock_;
  LabelMetrics metrics_{settings_.models_max};
  LogInbox inbox_{settings_};
  LogFigures published_{settings_};

  // Of those who scan, beside the owner.
  struct Scans {
    mutable Mutex mutex;
    std::shared_ptr<Store> store GUARDED_BY(mutex);  // Null while it is closed.
    std::vector<std::string> feature_names GUARDED_BY(mutex);
  } scans_;

  // The owner thread's.
  std::shared_ptr<Store> store_;
  std::unique_ptr<TruthJoin> join_;  // Over the store, or null.
  AppendBuffer writing_;
  Figures figures_;
  // Of the joins before this one.
  struct {
    std::uint64_t evicted = 0, expired = 0, early_refused = 0;
  } before_;
  struct {
    bool unsynced = false;
    Steady::time_point last_sync{}, last_housekeeping{};
  } pace_;
  struct {
    Steady::time_point next{};
    Backoff backoff{{.initial = std::chrono::milliseconds(200), .max = std::chrono::seconds(10)}};
    std::minstd_rand random{1};
    void later() {
      next = Steady::now() + backoff.next(std::generate_canonical<double, 24>(random));
    }
  } reopening_;

  std::thread thread_;
};

Result<void> PredictionLog::Owner::start() {
  if (auto ok = open_store(); !ok) return ok;
  auto accepted = AcceptedCounter::open(settings_.folder / "accepted");
  if (!accepted) return fail(accepted);
  const std::uint64_t written = join_->retention().lifetime_written();
  if ((*accepted)->value() > written) {
    const std::uint64_t lost = (*accepted)->value() - written;
    published_.drop(AppendDrop::crash, lost);
    spdlog::warn("prediction log: {} predictions were lost when the last process ended", lost);
  }
  inbox_.set_accepted(std::move(*accepted));
  publish();
  thread_ = std::thread([this] { run(); });
  return {};
}

Result<void> PredictionLog::Owner::open_store() {
  auto opened = Store::open(settings_);
  if (!opened) return fail(opened);
  std::shared_ptr<Store> store = std::move(*opened);
  auto kept = store->load();
  if (!kept) return fail(kept);
  join_ = std::make_unique<TruthJoin>(settings_, *store, std::move(*kept), consumer_, metrics_,
                                      clock_.now());
  store_ = std::move(store);
  {
    const MutexLock lock(scans_.mutex);
    scans_.store = store_;
    scans_.feature_names = join_->feature_names();
  }
  inbox_.open();
  return {};
}

// Everything in memory that came from the store goes with it: what is on disk is what is true.
void PredictionLog::Owner::close_store(const Error& why) {
  spdlog::error("prediction log: {}; it is closed and will be opened again", why.message);
  metrics_.roll_back();
  inbox_.close(why.message);
  {
    const MutexLock lock(scans_.mutex);
    scans_.store.reset();
  }
  before_.evicted += join_->retention().evicted();
  before_.expired += join_->retention().expired();
  before_.early_refused += join_->not_held();
  store_->begin_close();
  join_.reset();
  store_.reset();
  pace_.unsynced = false;
  reopening_.later();
}

bool PredictionLog::Owner::append(const PredictionView& prediction) {
  const std::uint64_t rows = prediction.rows.size();
  if (rows == 0) return true;
  const auto drop = [&](AppendDrop reason) {
    published_.drop(reason, rows);
    return false;
  };
  const auto id = parse_uuid7(prediction.id);
  if (!id) return drop(AppendDrop::invalid_id);

  // Encoded before the lock is taken; the memory is used again and again.
  thread_local std::string group;
  thread_local std::vector<AppendName> names;
  encode_prediction(*id, prediction, settings_.keep_features, group, names);
  if (group.size() > group_bytes_max) {
    group.shrink_to_fit();
    return drop(AppendDrop::too_large);
  }
  const auto refused = inbox_.append(*id, static_cast<std::uint32_t>(rows), group, names);
  return refused ? drop(*refused) : true;
}

Result<std::shared_ptr<const Store>> PredictionLog::Owner::scanned_store() const {
  const MutexLock lock(scans_.mutex);
  if (!scans_.store) return fail("log_unavailable", inbox_.closed_because());
  return scans_.store;
}

std::vector<std::string> PredictionLog::Owner::feature_names() const {
  const MutexLock lock(scans_.mutex);
  return scans_.feature_names;
}

void PredictionLog::Owner::close() {
  if (inbox_.has_ended()) return;
  inbox_.stop();
  if (thread_.joinable()) thread_.join();
  inbox_.end();
  const MutexLock lock(scans_.mutex);
  if (scans_.store) scans_.store->begin_close();
  scans_.store.reset();
  join_.reset();
  store_.reset();
}

void PredictionLog::Owner::run() {
  for (;;) {
    LogInbox::Work work = inbox_.wait(writing_);
    step(work, work.stopping || work.flush > 0);
    if (join_) inbox_.finish_flush(work.flush);
    if (work.stopping && inbox_.is_empty()) return;
  }
}

void PredictionLog::Owner::try_to_open() {
  if (auto ok = open_store(); !ok) {
    reopening_.later();
    inbox_.close(ok.error().message);
    return;
  }
  published_.count_reopened();
  reopening_.backoff.reset();
  spdlog::info("prediction log: open again");
}

void PredictionLog::Owner::step(LogInbox::Work& work, bool flushing) {
  if (!join_ && Steady::now() >= reopening_.next) try_to_open();
  if (join_) {
    Result<void> done = write_buffer();
    if (done) done = write_shipments(work.shipments);
    if (done) done = join_labels(work.labels);
    if (done) done = erase_wished(work.erasures);
    if (done) done = keep_house(flushing);
    if (!done) close_store(done.error());
  }
  if (!join_) refuse_all(work);
  writing_.clear();
  publish();
}

void PredictionLog::Owner::refuse_all(LogInbox::Work& work) {
  published_.drop(AppendDrop::unavailable, writing_.rows);
  inbox_.take_back(writing_.rows);  // Not to be counted as a crash's loss, too.
  const Error why{"log_unavailable", inbox_.closed_because()};
  refuse(work.labels, why);
  refuse(work.shipments, why);
  refuse(work.erasures, why);
}

Result<void> PredictionLog::Owner::write_buffer() {
  if (writing_.entries.empty()) return {};
  auto written = join_->write_predictions(writing_);
  if (!written) return fail(written);
  figures_.stored += *written;
  writing_.clear();
  pace_.unsynced = true;
  return {};
}

Result<void> PredictionLog::Owner::write_shipments(Waiting<ShipmentCaller>::Callers& callers) {
  if (callers.empty()) return {};
  std::vector<const DecodedShipment*> shipments;
  for (const auto& caller : callers) shipments.push_back(&caller->shipment);
  const auto taken = join_->take(shipments, clock_.now());
  if (!taken) return fail(taken);
  for (std::size_t i = 0; i < taken->size(); ++i) {
    if (callers[i]->shipment.sender.workload.name == probe_workload) continue;
    figures_.shipped += (*taken)[i].rows;
    figures_.shipped_again += (*taken)[i].rows_again;
    figures_.lost += (*taken)[i].lost;
  }
  publish();  // Whoever has an answer finds it counted.
  for (std::size_t i = 0; i < taken->size(); ++i) callers[i]->answer.set_value((*taken)[i]);
  callers.clear();
  return {};
}

Result<void> PredictionLog::Owner::join_labels(Waiting<LabelCaller>::Callers& callers) {
  if (callers.empty() && !join_->has_ready_labels()) return {};
  std::vector<JoinItem> items;
  for (const auto& caller : callers) {
    const JoinOptions& options = caller->options;
    const auto holds = [](const std::vector<bool>& each, std::size_t i) {
      return i < each.size() && each[i];
    };
    for (std::size_t i = 0; i < caller->labels.size(); ++i) {
      items.push_back({.label = &caller->labels[i],
                       .fan_out = options.fan_out,
                       .arrived = caller->arrived,
                       .held = std::nullopt,
                       .last_chance = false,
                       .passed = options.passed || holds(options.each_passed, i),
                       .claimed = holds(options.claimed, i),
                       .asked = options.asked,
                       .scope = options.scope.any() ? nullptr : &options.scope});
    }
  }
  auto answers = join_->join(items, clock_.now());
  if (!answers) return fail(answers);
  pace_.unsynced = false;  // The labels' sync took the predictions before them along.
  pace_.last_sync = Steady::now();
  publish();  // Whoever has an answer finds it counted.
  auto from = answers->begin();
  for (const auto& caller : callers) {
    const auto to = from + static_cast<std::ptrdiff_t>(caller->labels.size());
    caller->answer.set_value(
        std::vector<LabelAnswer>(std::make_move_iterator(from), std::make_move_iterator(to)));
    from = to;
  }
  callers.clear();
  return {};
}

Result<void> PredictionLog::Owner::erase_wished(Waiting<EraseCaller>::Callers& callers) {
  for (const auto& caller : callers) {
    auto erased = join_->erase(caller->wishes, clock_.now());
    if (!erased && erased.error().code != "erase_full") return fail(erased);
    if (erased) pace_.unsynced = false;
    caller->answer.set_value(std::move(erased));
  }
  callers.clear();
  return {};
}

Result<void> PredictionLog::Owner::keep_house(bool now) {
  const auto time = Steady::now();
  if (now || time - pace_.last_housekeeping >= maintenance_interval) {
    pace_.last_housekeeping = time;
    if (auto ok = join_->maintain(clock_.now()); !ok) return ok;
    std::error_code error;
    const auto space = std::filesystem::space(settings_.folder, error);
    inbox_.set_disk_full(!error && space.available < settings_.free_bytes_min);
  }
  if (pace_.unsynced && (now || time - pace_.last_sync >= settings_.sync_interval)) {
    if (auto ok = store_->sync(); !ok) return ok;
    pace_.unsynced = false;
    pace_.last_sync = time;
  }
  return {};
}

void PredictionLog::Owner::publish() {
  if (join_) {
    const Retention& retention = join_->retention();
    figures_.evicted = before_.evicted + retention.evicted();
    figures_.expired = before_.expired + retention.expired();
    figures_.pending = join_->pending();
    figures_.disk_bytes = retention.disk_bytes();
    figures_.early_held = join_->held().size();
    figures_.early_bytes = join_->held().bytes();
    figures_.early_refused = before_.early_refused + join_->not_held();
    inbox_.note_written(retention.lifetime_written());
    if (settings_.shipped) publish_streams();
    const MutexLock lock(scans_.mutex);
    if (join_->feature_names().size() != scans_.feature_names.size()) {
      scans_.feature_names = join_->feature_names();
    }
  }
  published_.publish(figures_);
}

void PredictionLog::Owner::publish_streams() {
  const Time now = clock_.now();
  const auto& streams = join_->streams();
  figures_.streams = static_cast<std::size_t>(
      std::count_if(streams.all().begin(), streams.all().end(),
                    [](const auto& entry) { return !entry.second.sender.closed; }));
  const auto complete = streams.complete_until(now, settings_.early_hold);
  figures_.shipping_lag = complete ? std::max<Duration>(now - *complete, Duration{}) : Duration{};
}

PredictionLog::Figures PredictionLog::Owner::figures() const {
  Figures figures = published_.get();
  const LogInbox::Waits waits = inbox_.waits();
  figures.queued_labels = waits.labels;
  figures.queued_bytes = waits.prediction_bytes;
  figures.available = waits.open;
  figures.labels = metrics_.totals();
  return figures;
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
  return owner_->join(std::move(labels), std::move(options));
}
Result<ShipmentTaken> PredictionLog::take(DecodedShipment shipment) {
  std::vector<DecodedShipment> one;
  one.push_back(std::move(shipment));
  const auto taken = take_all(std::move(one));
  if (!taken) return fail(taken);
  return taken->front();
}
Result<std::vector<ShipmentTaken>> PredictionLog::take_all(std::vector<DecodedShipment> shipments) {
  return owner_->inbox().take_all(std::move(shipments));
}
Result<std::vector<Erased>> PredictionLog::erase(std::vector<EraseWish> wishes) {
  return owner_->inbox().erase(std::move(wishes));
}
Result<void> PredictionLog::for_each_slot(std::uint64_t first, std::uint64_t end,
                                          const OnSlot& on_slot) const {
  const auto store = owner_->scanned_store();
  return store ? (*store)->scan_slots(first, end, on_slot) : fail(store);
}
void PredictionLog::count_invalid(std::size_t labels) {
  owner_->metrics().count_now(settings().model_name, "unknown", LabelResult::invalid, labels);
}
void PredictionLog::announce(std::string_view model_name, std::string_view model_version) {
  owner_->metrics().announce(model_name, model_version);
}
Result<void> PredictionLog::for_each_joined(
    Time since, const std::function<bool(const JoinedRow&)>& on_row) const {
  const auto store = owner_->scanned_store();
  return store ? (*store)->scan_joined(since, on_row) : fail(store);
}
std::vector<std::string> PredictionLog::feature_names() const {
  return owner_->feature_names();
}
bool PredictionLog::flush(Duration deadline) {
  return owner_->inbox().flush(deadline);
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
