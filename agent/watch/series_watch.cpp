// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/series_watch.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <utility>

#include "agent/watch/anomaly_alert.h"
#include "agent/watch/state_file.h"
#include "base/core/series.h"
#include "base/core/text.h"

namespace outrider::watch {
namespace {

using namespace std::chrono_literals;
using detectors::SnapshotReader;
using detectors::SnapshotWriter;
using series::Finding;
using series::News;

constexpr std::string_view budget_kind = "SERA";
constexpr Duration restored_after = 24h;

SeriesBoards::Settings board_settings(const SeriesWatch::Settings& settings) {
  return {settings.partitions, settings.watched_max, settings.histograms_max, settings.quiet};
}

// The series' labels with its metric as a label, as the score is a metric of its own. Labels by our
// names are renamed as Prometheus does it, so that no two series come to share a score.
Labels score_labels(const Finding& finding) {
  Labels labels = finding.labels;
  for (const std::string_view ours : {"metric", "quantity"}) {
    std::string value(labels.get(ours));
    std::string name(ours);
    while (!labels.get(name).empty()) name = "exported_" + name;
    labels.set(name, value);
  }
  labels.set("__name__", "outrider_anomaly_score");
  labels.set("metric", finding.labels.get("__name__"));
  labels.set("quantity", finding.quantity);
  return labels;
}

}  // namespace

SeriesWatch::SeriesWatch(const Settings& settings, series::WatchRules rules, const Clock& clock,
                         Dependencies dependencies)
    : settings_(settings),
      clock_(clock),
      dependencies_(std::move(dependencies)),
      boards_(board_settings(settings), std::move(rules)),
      inbox_(settings.findings_max),
      book_({settings.alerts_a_week, settings.shown_max, settings.shown_for}, clock.now()) {
  own_.started_at = own_.written_at = own_.saved_at = clock_.now();
  restore();
  if (dependencies_.open_anomalies) {
    for (const Labels& labels : dependencies_.open_anomalies()) book_.expect(labels);
  }
  boards_.set_threshold(book_.budget().threshold(own_.started_at));
}

SeriesWatch::~SeriesWatch() {
  stop();
}

void SeriesWatch::stop() {
  if (std::exchange(stopped_, true)) return;
  {
    std::lock_guard lock(wake_.mutex);
    wake_.stopping = true;
  }
  wake_.condition.notify_all();
  if (thread_.joinable()) thread_.join();
  try {
    save();
  } catch (const std::exception& error) {
    spdlog::error("the state of the series is not saved: {}", error.what());
  }
}

void SeriesWatch::start() {
  thread_ = std::thread([this] { run(); });
}

void SeriesWatch::run() {
  std::unique_lock lock(wake_.mutex);
  while (!wake_.condition.wait_for(lock, 1s, [this] { return wake_.stopping; })) {
    lock.unlock();
    round();
    lock.lock();
  }
}

void SeriesWatch::take(std::size_t partition, std::span<const series::IncomingSeries> series) {
  inbox_.put(boards_.take(partition, series, directory_(partition)));
}

void SeriesWatch::forget(std::size_t partition, std::uint32_t slot) {
  boards_.forget(partition, slot);
}

void SeriesWatch::round() {
  const Time now = clock_.now();
  inbox_.put(boards_.tick(now));
  if (now - own_.started_at > restored_after) boards_.forget_restored();
  auto& alerts = own_.undelivered.alerts;
  std::ranges::move(judge(inbox_.take(), now).alerts, std::back_inserter(alerts));
  deliver();
  if (dependencies_.write && now - own_.written_at >= settings_.write_every) {
    own_.written_at = now;
    write_scores(now);
  }
  save_now_and_then(now);
}

void SeriesWatch::save_now_and_then(Time now) {
  if (now - own_.saved_at < settings_.save_every) return;
  own_.saved_at = now;
  try {
    save();
  } catch (const std::exception& error) {
    ++saves_failed_;
    spdlog::error("the state of the series is not saved: {}", error.what());
  }
}

// What people are told.
wire::AlertWebhook SeriesWatch::judge(const FindingsInbox::Content& found, Time now) {
  wire::AlertWebhook webhook;
  const std::size_t watched = boards_.watched();
  std::lock_guard lock(mutex_);
  series::AlertBudget& budget = book_.budget();
  budget.set_series(watched);
  for (const auto& [score, times] : found.scores) {
    budget.observe(score, now, static_cast<double>(times));
  }
  for (const Finding& finding : found.findings) {
    if (is_told(book_.judge(finding, now))) webhook.alerts.push_back(make_alert(finding));
  }
  for (Labels& labels : book_.end_orphans(now)) {
    wire::WebhookAlert alert;
    alert.labels = std::move(labels);
    alert.starts_at = alert.ends_at.emplace(now);
    webhook.alerts.push_back(std::move(alert));
  }
  book_.forget_old(now);
  boards_.set_threshold(budget.threshold(now));
  return webhook;
}

void SeriesWatch::deliver() {
  if (own_.undelivered.alerts.empty()) return;
  try {
    dependencies_.alerts(own_.undelivered);
    own_.undelivered.alerts.clear();
  } catch (const std::exception& error) {
    spdlog::error("{} anomalies wait for the journal: {}", own_.undelivered.alerts.size(),
                  error.what());
    drop_undelivered();
  }
}

// The oldest, and ends last: without its end an incident stays open for ever.
void SeriesWatch::drop_undelivered() {
  auto& alerts = own_.undelivered.alerts;
  for (const bool firing : {true, false}) {
    if (alerts.size() <= settings_.undelivered_max) return;
    std::size_t surplus = alerts.size() - settings_.undelivered_max;
    alerts_dropped_ += std::erase_if(alerts, [&](const wire::WebhookAlert& alert) {
      if (alert.firing != firing || surplus == 0) return false;
      --surplus;
      return true;
    });
  }
}

// The scores at hand, and the mark of an end for those that are no more.
void SeriesWatch::write_scores(Time now) {
  std::vector<remote_write::WriteSeries> list;
  {
    std::lock_guard lock(mutex_);
    const std::int64_t now_ms = to_unix_ms(now);
    const remote_write::Metadata metadata{
        wire::MetricType::gauge, "How unusual the series is, from 0 to 1, at its last episode.",
        ""};
    std::map<std::string, Labels> written;
    for (const auto& [series, shown] : book_.shown()) {
      Labels labels = score_labels(shown.finding);
      own_.written.erase(series);
      written[series] = labels;
      list.push_back(
          {std::move(labels), {{now_ms, shown.finding.observed.score.score}}, {}, metadata});
    }
    for (auto& [series, labels] : own_.written) {
      list.push_back({std::move(labels), {{now_ms, stale_marker()}}, {}, metadata});
    }
    own_.written = std::move(written);
  }
  if (!list.empty()) dependencies_.write(std::move(list));
}

void SeriesWatch::save() {
  if (settings_.state_file.empty()) return;
  StateWriter writer(settings_.state_file);
  boards_.save(writer);
  SnapshotWriter out(budget_kind, SeriesBoards::state_version);
  {
    std::lock_guard lock(mutex_);
    book_.budget().save(out);
  }
  writer.put(out.finish());
  writer.commit();
}

void SeriesWatch::restore() {
  if (settings_.state_file.empty()) return;
  const auto read =
      read_state(settings_.state_file, [this](std::string_view chunk) -> Result<void> {
        auto in = SnapshotReader::open(chunk, budget_kind, SeriesBoards::state_version);
        if (!in) return boards_.restore(chunk);
        if (auto budget = book_.budget().load(*in); !budget) return fail(budget);
        return in->finish();
      });
  if (const auto unread = boards_.unread(); unread > 0) {
    spdlog::warn("{} states are past the limit, and forgotten", unread);
  }
  if (read) return;
  spdlog::error("{}: the series start afresh, the file is put aside as .refused",
                read.error().message);
  boards_.forget_restored();
  book_.budget() = series::AlertBudget(settings_.alerts_a_week);
  std::error_code ignored;
  std::filesystem::rename(settings_.state_file, settings_.state_file + ".refused", ignored);
}

wire::Json SeriesWatch::anomalies() const {
  std::lock_guard lock(mutex_);
  const Time now = clock_.now();
  wire::Json list = wire::Json::array();
  for (const auto* one : book_.by_score()) {
    const Finding& finding = one->second.finding;
    const auto& score = finding.observed.score;
    wire::Json labels = wire::Json::object();
    for (const Label& label : finding.labels) labels[label.name] = label.value;
    list.push_back({{"series", one->first},
                    {"labels", std::move(labels)},
                    {"quantity", finding.quantity},
                    {"at", format_rfc3339(from_unix_ms(finding.timestamp_ms))},
                    {"score", score.score},
                    {"evidence", score.evidence},
                    {"question", detectors::name(score.question)},
                    {"direction", score.up ? "up" : "down"},
                    {"value", finding.observed.value},
                    {"expected", score.expected},
                    {"anomaly", finding.observed.news != News::none},
                    {"open", book_.is_open(one->first)},
                    {"held_back", one->second.is_held_back()}});
  }
  return {{"threshold", boards_.threshold()},
          {"alerts_a_week", settings_.alerts_a_week},
          {"allowance", book_.budget().allowance(now)},
          {"anomalies", std::move(list)}};
}

void SeriesWatch::collect(wire::MetricSink& sink) {
  using wire::MetricType;
  const series::SeriesBoard::Census all = boards_.census();
  const auto state = [](std::string_view value) {
    return wire::SeriesKey(Labels{{"state", std::string(value)}});
  };
  const auto count = [](auto value) { return static_cast<double>(value); };
  sink.family({"outrider_series_watched", MetricType::gauge,
               "Series known to the agent, by whether they are watched."});
  sink.value(state("watched"), count(all.watched));
  sink.value(state("bucket"), count(all.buckets));
  sink.value(state("not_selected"), count(all.not_selected));
  sink.value(state("no_room"), count(all.no_room));
  const auto single = [&](std::string name, MetricType type, std::string help, double value) {
    sink.family({std::move(name), type, std::move(help)});
    sink.value(wire::SeriesKey(), value);
  };
  single("outrider_series_evicted_total", MetricType::counter,
         "Watched series that made room for another after an hour of silence.", count(all.evicted));
  single("outrider_series_native_histograms_skipped_total", MetricType::counter,
         "Native histograms, which are not scored.", count(all.native_skipped));
  single("outrider_series_buckets_left_out_total", MetricType::counter,
         "Samples of buckets past the 128th of a histogram, which its quantiles do without.",
         count(boards_.buckets_left_out()));
  single("outrider_series_samples_scored_total", MetricType::counter, "Samples that got a score.",
         count(inbox_.scored()));
  single("outrider_anomalies_dropped_total", MetricType::counter,
         "Findings that were lost because too many waited.",
         count(inbox_.dropped() + alerts_dropped_.load()));
  std::lock_guard lock(mutex_);
  single("outrider_series_saves_failed_total", MetricType::counter,
         "How often the state could not be written to disk.", count(saves_failed_.load()));
  sink.family(
      {"outrider_anomalies_total", MetricType::counter,
       "Episodes by what became of them: raised (a new incident), joined (an open one), grew, "
       "held_back (the alert budget was spent), ended."});
  for (std::size_t i = 0; i < series::outcome_names.size(); ++i) {
    sink.value(wire::SeriesKey(Labels{{"outcome", std::string(series::outcome_names[i])}}),
               count(book_.count(static_cast<series::Outcome>(i))));
  }
  single("outrider_anomaly_threshold", MetricType::gauge,
         "The score from which on a sample is an anomaly, as the alert budget has it.",
         boards_.threshold());
  single("outrider_anomaly_allowance", MetricType::gauge, "What is left of the alert budget.",
         book_.budget().allowance(clock_.now()));
}

void SeriesWatch::collect_scores(wire::MetricSink& sink) const {
  std::lock_guard lock(mutex_);
  auto top = book_.by_score();
  if (top.size() > settings_.exported_max) top.resize(settings_.exported_max);
  sink.family({"outrider_anomaly_score", wire::MetricType::gauge,
               "How unusual a series is, from 0 to 1, at its last episode; the highest only."});
  for (const auto* one : top) {
    const Finding& finding = one->second.finding;
    Labels labels = score_labels(finding);
    labels.set("__name__", "");
    sink.value(wire::SeriesKey(std::move(labels)), finding.observed.score.score);
  }
}

}  // namespace outrider::watch
