// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/series_watch.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <filesystem>
#include <utility>

#include "agent/ingest/series_partition.h"
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
using series::Findings;
using series::News;
using series::Watched;

constexpr std::string_view board_kind = "SERB";
constexpr std::string_view quantile_kind = "SERQ";
constexpr std::string_view budget_kind = "SERA";
// 2: half of a series' surprise is its distance in deviations. What 1 saved lacks those, and is
// refused.
constexpr std::uint16_t state_version = 2;
constexpr std::size_t states_a_chunk = 512;
constexpr std::size_t quantile_shards = 8;
constexpr Duration orphan_after = 1h;
constexpr Duration restored_after = 24h;
constexpr std::array<std::string_view, 5> outcome_words = {"raised", "grew", "joined", "held_back",
                                                           "ended"};

std::string owner_key(const Labels& labels) {
  std::string key;
  for (const Label& label : labels) {
    if (label.name != "anomaly_series") key += label.name + "\xff" + label.value + "\xff";
  }
  return key;
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
      rules_(std::move(rules)),
      clock_(clock),
      dependencies_(std::move(dependencies)),
      budget_(settings.alerts_a_week) {
  for (std::size_t i = 0; i < settings_.partitions; ++i) {
    series::SeriesBoard::Settings board;
    board.watched_max = std::max<std::size_t>(1, settings_.watched_max / settings_.partitions);
    partitions_.push_back(std::make_unique<Partition>(board, rules_));
  }
  for (std::size_t i = 0; i < quantile_shards; ++i) {
    shards_.push_back(
        std::make_unique<Shard>(rules_.quantiles, 1 + settings_.histograms_max / quantile_shards));
  }
  started_at_ = written_at_ = saved_at_ = clock_.now();
  restore();
  if (dependencies_.open_anomalies) {
    for (Labels& labels : dependencies_.open_anomalies()) {
      const std::string series(labels.get("anomaly_series"));
      if (!orphans_.try_emplace(series, labels).second) continue;
      ++owners_[owner_key(labels)];
      open_[series] = std::move(labels);
    }
  }
  threshold_ = budget_.threshold(started_at_);
}

SeriesWatch::~SeriesWatch() {
  stop();
}

void SeriesWatch::stop() {
  if (std::exchange(stopped_, true)) return;
  {
    std::lock_guard lock(wake_mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
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
  std::unique_lock lock(wake_mutex_);
  while (!wake_.wait_for(lock, 1s, [this] { return stopping_; })) {
    lock.unlock();
    round();
    lock.lock();
  }
}

series::WatchTerms SeriesWatch::terms() const {
  series::WatchTerms terms;
  terms.threshold = threshold_;
  terms.quiet = settings_.quiet;
  return terms;
}

void SeriesWatch::take(std::size_t partition, std::span<const series::IncomingSeries> series) {
  Findings findings;
  {
    Partition& mine = *partitions_[partition];
    std::lock_guard lock(mine.mutex);
    mine.board.take(series, directory_(partition), partition, terms(), *this, findings);
  }
  hand_over(std::move(findings));
}

void SeriesWatch::forget(std::size_t partition, std::uint32_t slot) {
  Partition& mine = *partitions_[partition];
  std::lock_guard lock(mine.mutex);
  mine.board.forget(slot, *this);
}

std::optional<std::uint64_t> SeriesWatch::bind(std::span<const LabelView> labels) {
  const std::size_t shard = series::QuantileBoard::hash_of(labels) % quantile_shards;
  std::lock_guard lock(shards_[shard]->mutex);
  const auto histogram = shards_[shard]->board.bind(labels);
  if (!histogram) return std::nullopt;
  return static_cast<std::uint64_t>(shard) << 32 | *histogram;
}

void SeriesWatch::release(std::uint64_t histogram) {
  Shard& shard = *shards_[histogram >> 32];
  std::lock_guard lock(shard.mutex);
  shard.board.release(static_cast<std::uint32_t>(histogram));
}

void SeriesWatch::take(std::uint64_t histogram, double bound, std::span<const Sample> samples,
                       Findings& findings) {
  Shard& shard = *shards_[histogram >> 32];
  std::lock_guard lock(shard.mutex);
  for (const Sample& sample : samples) {
    shard.board.take(static_cast<std::uint32_t>(histogram), bound, sample, terms(), findings);
  }
}

void SeriesWatch::hand_over(Findings findings) {
  scored_ += findings.scored;
  if (findings.list.empty() && findings.scores.empty()) return;
  std::lock_guard lock(findings_mutex_);
  for (const double score : findings.scores) ++scores_seen_[score];
  for (Finding& finding : findings.list) {
    // An end is never dropped: it would leave an incident open for ever.
    if (findings_.size() < settings_.findings_max || finding.observed.news == News::ended) {
      findings_.push_back(std::move(finding));
    } else {
      ++findings_dropped_;
    }
  }
}

void SeriesWatch::round() {
  const Time now = clock_.now();
  tick(now);
  std::vector<Finding> findings;
  std::map<double, std::uint64_t> scores;
  {
    std::lock_guard lock(findings_mutex_);
    std::swap(findings, findings_);
    std::swap(scores, scores_seen_);
  }
  const std::size_t watched = count_watched();
  {
    std::lock_guard lock(mutex_);
    budget_.set_series(watched);
    for (const auto& [score, times] : scores) {
      budget_.observe(score, now, static_cast<double>(times));
    }
    for (const Finding& finding : findings) judge_one(finding, now, undelivered_);
    resolve_orphans(now, undelivered_);
    forget_old(now);
    threshold_ = budget_.threshold(now);
  }
  deliver();
  if (dependencies_.write && now - written_at_ >= settings_.write_every) {
    written_at_ = now;
    write_scores(now);
  }
  if (now - saved_at_ < settings_.save_every) return;
  saved_at_ = now;
  try {
    save();
  } catch (const std::exception& error) {
    std::lock_guard lock(mutex_);
    ++saves_failed_;
    spdlog::error("the state of the series is not saved: {}", error.what());
  }
}

// Ends the episodes of series that fell silent.
void SeriesWatch::tick(Time now) {
  Findings findings;
  for (const auto& partition : partitions_) {
    std::lock_guard lock(partition->mutex);
    partition->board.tick(to_unix_ms(now), terms(), findings);
    if (now - started_at_ > restored_after) partition->board.restored().clear();
  }
  for (const auto& shard : shards_) {
    std::lock_guard lock(shard->mutex);
    shard->board.tick(to_unix_ms(now), terms(), findings);
    if (now - started_at_ > restored_after) shard->board.restored().clear();
  }
  hand_over(std::move(findings));
}

// The quantities that may raise: series, and the quantiles of histograms.
std::size_t SeriesWatch::count_watched() {
  std::size_t watched = 0;
  for (const auto& partition : partitions_) {
    std::lock_guard lock(partition->mutex);
    watched += partition->board.census().watched;
  }
  for (const auto& shard : shards_) {
    std::lock_guard lock(shard->mutex);
    watched += shard->board.watched();
  }
  return watched;
}

void SeriesWatch::judge_one(const Finding& finding, Time now, wire::AlertWebhook& webhook) {
  wire::WebhookAlert alert = make_alert(finding);
  const std::string series(alert.labels.get("anomaly_series"));
  const std::string owner = owner_key(alert.labels);
  const auto open = open_.find(series);
  const News news = finding.observed.news;
  // Its episode goes on, or is told of; a score alone says neither.
  if (news != News::none || finding.episode_ms != 0) orphans_.erase(series);
  const auto count = [&](Outcome outcome) {
    ++outcomes_[static_cast<std::size_t>(outcome)];
    if (outcome != Outcome::ended) show(finding, outcome);
  };
  if (news == News::none) return show(finding, Outcome::held_back);
  if (news == News::ended) {
    if (open == open_.end()) return;  // It was held back.
    if (--owners_[owner] == 0) owners_.erase(owner);
    open_.erase(open);
    webhook.alerts.push_back(std::move(alert));
    return count(Outcome::ended);
  }
  if (open != open_.end()) {
    webhook.alerts.push_back(std::move(alert));
    return count(Outcome::grew);
  }
  // One more series of an incident that is open wakes nobody anew.
  const bool joins = owners_.contains(owner);
  if (!joins && !budget_.spend(now)) return count(Outcome::held_back);
  ++owners_[owner];
  open_[series] = alert.labels;
  webhook.alerts.push_back(std::move(alert));
  count(joins ? Outcome::joined : Outcome::raised);
}

// Keeps the highest scores, each series' and of all: a full list lets its lowest go.
void SeriesWatch::show(const Finding& finding, Outcome outcome) {
  Shown& shown = shown_[series_text(finding.labels, finding.quantity)];
  const bool same_episode = shown.finding.episode_ms != 0 &&
                            shown.finding.episode_ms == finding.episode_ms &&
                            shown.finding.observed.score.score >= finding.observed.score.score;
  const bool lesser = finding.observed.news == News::none && shown.finding.episode_ms != 0;
  if (!same_episode && !lesser) shown = {finding, outcome};
  if (shown_.size() <= settings_.shown_max) return;
  shown_.erase(std::min_element(shown_.begin(), shown_.end(), [](const auto& a, const auto& b) {
    return a.second.finding.observed.score.score < b.second.finding.observed.score.score;
  }));
}

void SeriesWatch::resolve_orphans(Time now, wire::AlertWebhook& webhook) {
  if (orphans_.empty() || now - started_at_ < orphan_after) return;
  for (auto& [series, labels] : orphans_) {
    wire::WebhookAlert alert;
    alert.labels = labels;
    alert.starts_at = alert.ends_at.emplace(now);
    webhook.alerts.push_back(std::move(alert));
    const std::string owner = owner_key(labels);
    if (--owners_[owner] == 0) owners_.erase(owner);
    open_.erase(series);
    ++outcomes_[static_cast<std::size_t>(Outcome::ended)];
  }
  orphans_.clear();
}

void SeriesWatch::forget_old(Time now) {
  std::erase_if(shown_, [&](const auto& one) {
    const Time at = from_unix_ms(one.second.finding.timestamp_ms);
    return !open_.contains(one.first) && now - at > settings_.shown_for;
  });
}

void SeriesWatch::deliver() {
  if (undelivered_.alerts.empty()) return;
  try {
    dependencies_.alerts(undelivered_);
    undelivered_.alerts.clear();
  } catch (const std::exception& error) {
    spdlog::error("{} anomalies wait for the journal: {}", undelivered_.alerts.size(),
                  error.what());
    drop_undelivered();
  }
}

// The oldest, and ends last: without its end an incident stays open for ever.
void SeriesWatch::drop_undelivered() {
  auto& alerts = undelivered_.alerts;
  for (const bool firing : {true, false}) {
    if (alerts.size() <= settings_.undelivered_max) return;
    std::size_t surplus = alerts.size() - settings_.undelivered_max;
    findings_dropped_ += std::erase_if(alerts, [&](const wire::WebhookAlert& alert) {
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
    for (const auto& [series, shown] : shown_) {
      Labels labels = score_labels(shown.finding);
      written_.erase(series);
      written[series] = labels;
      list.push_back(
          {std::move(labels), {{now_ms, shown.finding.observed.score.score}}, {}, metadata});
    }
    for (auto& [series, labels] : written_) {
      list.push_back({std::move(labels), {{now_ms, stale_marker()}}, {}, metadata});
    }
    written_ = std::move(written);
  }
  if (!list.empty()) dependencies_.write(std::move(list));
}

// A board's states, a chunk at a time, so that who sends samples waits for one chunk at most. Those
// that are watched stand before those that nobody claimed: where there is no room for all, they
// come first.
template <class Part>
void SeriesWatch::save_part(Part& part, std::string_view kind, StateWriter& writer) {
  const auto put = [&](const auto& fill) {
    SnapshotWriter out(kind, state_version);
    {
      std::lock_guard lock(part.mutex);
      fill(out);
    }
    writer.put(out.finish());
  };
  std::size_t end = 1;
  for (std::size_t first = 0; first < end; first += states_a_chunk) {
    put([&](SnapshotWriter& out) {
      end = part.board.pool_size();
      part.board.save(first, states_a_chunk, out);
    });
  }
  std::vector<std::uint64_t> keys;
  {
    std::lock_guard lock(part.mutex);
    keys = part.board.restored().keys();
  }
  for (std::size_t first = 0; first < keys.size(); first += states_a_chunk) {
    const std::size_t count = std::min(states_a_chunk, keys.size() - first);
    put([&](SnapshotWriter& out) {
      part.board.restored().save(std::span(keys).subspan(first, count), out);
    });
  }
}

void SeriesWatch::save() {
  if (settings_.state_file.empty()) return;
  StateWriter writer(settings_.state_file);
  for (const auto& partition : partitions_) save_part(*partition, board_kind, writer);
  for (const auto& shard : shards_) save_part(*shard, quantile_kind, writer);
  SnapshotWriter out(budget_kind, state_version);
  {
    std::lock_guard lock(mutex_);
    budget_.save(out);
  }
  writer.put(out.finish());
  writer.commit();
}

Result<void> SeriesWatch::restore_chunk(std::string_view chunk) {
  if (auto in = SnapshotReader::open(chunk, budget_kind, state_version)) {
    if (auto read = budget_.load(*in); !read) return fail(read);
    return in->finish();
  }
  const bool quantiles = SnapshotReader::open(chunk, quantile_kind, state_version).has_value();
  auto in = SnapshotReader::open(chunk, quantiles ? quantile_kind : board_kind, state_version);
  if (!in) return fail(in);
  const std::uint64_t states = in->count();
  for (std::uint64_t i = 0; i < states; ++i) {
    const auto watched = Watched::load(*in);
    if (!watched) return fail(watched);
    const series::Fingerprint& print = watched->fingerprint();
    const std::size_t partition =
        ingest::SeriesPartition::partition_of({print.low, print.high}, partitions_.size());
    auto& restored = quantiles ? shards_[print.high % quantile_shards]->board.restored()
                               : partitions_[partition]->board.restored();
    if (!restored.put(*watched)) ++unread_;
  }
  return in->finish();
}

void SeriesWatch::restore() {
  if (settings_.state_file.empty()) return;
  const auto read = read_state(settings_.state_file,
                               [this](std::string_view chunk) { return restore_chunk(chunk); });
  if (unread_ > 0) spdlog::warn("{} states are past the limit, and forgotten", unread_);
  if (read) return;
  spdlog::error("{}: the series start afresh, the file is put aside as .refused",
                read.error().message);
  for (const auto& partition : partitions_) partition->board.restored().clear();
  for (const auto& shard : shards_) shard->board.restored().clear();
  budget_ = series::AlertBudget(settings_.alerts_a_week);
  std::error_code ignored;
  std::filesystem::rename(settings_.state_file, settings_.state_file + ".refused", ignored);
}

wire::Json SeriesWatch::anomalies() const {
  std::lock_guard lock(mutex_);
  const Time now = clock_.now();
  std::vector<const std::pair<const std::string, Shown>*> order;
  for (const auto& one : shown_) order.push_back(&one);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return a->second.finding.observed.score.score > b->second.finding.observed.score.score;
  });
  wire::Json list = wire::Json::array();
  for (const auto* one : order) {
    const Finding& finding = one->second.finding;
    const auto& score = finding.observed.score;
    wire::Json labels = wire::Json::object();
    for (const Label& label : finding.labels) labels[label.name] = label.value;
    const bool anomaly = finding.observed.news != News::none;
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
                    {"anomaly", anomaly},
                    {"open", open_.contains(one->first)},
                    {"held_back", anomaly && one->second.outcome == Outcome::held_back}});
  }
  return {{"threshold", threshold_.load()},
          {"alerts_a_week", settings_.alerts_a_week},
          {"allowance", budget_.allowance(now)},
          {"anomalies", std::move(list)}};
}

void SeriesWatch::collect(wire::MetricSink& sink) {
  using wire::MetricType;
  series::SeriesBoard::Census all;
  for (const auto& partition : partitions_) {
    std::lock_guard lock(partition->mutex);
    const auto& one = partition->board.census();
    all.watched += one.watched;
    all.buckets += one.buckets;
    all.not_selected += one.not_selected;
    all.no_room += one.no_room;
    all.evicted += one.evicted;
    all.native_skipped += one.native_skipped;
  }
  std::uint64_t left_out = 0;
  for (const auto& shard : shards_) {
    std::lock_guard lock(shard->mutex);
    left_out += shard->board.left_out();
  }
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
         count(left_out));
  single("outrider_series_samples_scored_total", MetricType::counter, "Samples that got a score.",
         count(scored_.load()));
  single("outrider_anomalies_dropped_total", MetricType::counter,
         "Findings that were lost because too many waited.", count(findings_dropped_.load()));
  std::lock_guard lock(mutex_);
  single("outrider_series_saves_failed_total", MetricType::counter,
         "How often the state could not be written to disk.", count(saves_failed_));
  sink.family(
      {"outrider_anomalies_total", MetricType::counter,
       "Episodes by what became of them: raised (a new incident), joined (an open one), grew, "
       "held_back (the alert budget was spent), ended."});
  for (std::size_t i = 0; i < outcomes_.size(); ++i) {
    sink.value(wire::SeriesKey(Labels{{"outcome", std::string(outcome_words[i])}}),
               count(outcomes_[i]));
  }
  single("outrider_anomaly_threshold", MetricType::gauge,
         "The score from which on a sample is an anomaly, as the alert budget has it.", threshold_);
  single("outrider_anomaly_allowance", MetricType::gauge, "What is left of the alert budget.",
         budget_.allowance(clock_.now()));
}

void SeriesWatch::collect_scores(wire::MetricSink& sink) const {
  std::lock_guard lock(mutex_);
  std::vector<const Shown*> top;
  for (const auto& [series, shown] : shown_) top.push_back(&shown);
  std::stable_sort(top.begin(), top.end(), [](const Shown* a, const Shown* b) {
    return a->finding.observed.score.score > b->finding.observed.score.score;
  });
  if (top.size() > settings_.exported_max) top.resize(settings_.exported_max);
  sink.family({"outrider_anomaly_score", wire::MetricType::gauge,
               "How unusual a series is, from 0 to 1, at its last episode; the highest only."});
  for (const Shown* shown : top) {
    Labels labels = score_labels(shown->finding);
    labels.set("__name__", "");
    sink.value(wire::SeriesKey(std::move(labels)), shown->finding.observed.score.score);
  }
}

}  // namespace outrider::watch
