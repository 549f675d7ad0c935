// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/export/monitor_metrics.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "sidecar/monitor/export/version_keys.h"
#include "truth/outcome_families.h"

namespace outrider::exporting {
namespace {

using detectors::State;
using monitor::VersionMonitor;
using wire::Family;
using wire::MetricType;
using wire::SeriesKey;

std::array<double, 5> scores_of(const detectors::Verdict& v) {
  return {v.scores.psi, v.scores.ks, v.scores.js, v.scores.wasserstein, v.scores.chi2};
}

// In the order of checks_of().
std::array<std::uint64_t, 3> counts_of(const detectors::Quality& q, detectors::FeatureKind kind) {
  if (kind == detectors::FeatureKind::numeric) return {q.missing, q.type, q.range};
  return {q.missing, q.unseen, 0};
}

std::size_t source_index(const VersionMonitor& version) {
  if (!version.reference()) return 0;
  return version.reference()->statistics->provisional ? 1 : 2;
}

constexpr auto counter = MetricType::counter;
constexpr auto gauge = MetricType::gauge;

// Rounded down, which only ever delays an alarm: pods must export the very same number, and the
// logarithms of two machines may differ in the last digit.
double rounded_weight(double log) {
  return std::floor(log * 1e9) / 1e9;
}

}  // namespace

// One scrape. A family's header is written with its first series, and no series past the limit.
class MonitorMetrics::Page {
 public:
  Page(wire::MetricSink& sink, std::size_t series_max, bool all_tests, Time now)
      : sink_(sink), series_max_(series_max), all_tests_(all_tests), now_(now) {}

  void add(const VersionMonitor& version, const VersionKeys& keys) {
    versions_.emplace_back(&version, &keys);
  }
  void write_info(const monitor::ModelConfig& settings);
  void write_predictions();
  void write_outcomes();
  void write_errors();
  void write_accuracy();
  void write_bets();
  void write_changes();
  void write_drift();
  void write_comparison();
  void write_inputs();
  void write_bins();
  std::uint64_t dropped() const { return dropped_; }

 private:
  void family(const char* name, MetricType type, const char* help) {
    family_ = Family{name, type, help};
    begun_ = false;
  }
  void family(const truth::OutcomeFamily& shared) { family(shared.name, shared.type, shared.help); }
  void value(const SeriesKey& key, double value) {
    if (room(1)) sink_.value(key, value);
  }
  void value(const SeriesKey& key, std::uint64_t count) { value(key, static_cast<double>(count)); }
  void value(const SeriesKey& key, bool holds) { value(key, holds ? 1.0 : 0.0); }
  template <class Write>
  void each(Write write) {
    for (const auto& [version, keys] : versions_) write(*version, *keys);
  }
  void write_verdicts(const std::vector<detectors::Verdict>& verdicts,
                      const std::vector<VersionKeys::Verdict>& keys, int part);
  bool room(std::size_t series) {
    if (series_ + series > series_max_) {
      dropped_ += series;
      return false;
    }
    series_ += series;
    if (!begun_) sink_.family(family_);
    begun_ = true;
    return true;
  }

  wire::MetricSink& sink_;
  std::size_t series_max_;
  bool all_tests_;
  Time now_;
  std::vector<std::pair<const VersionMonitor*, const VersionKeys*>> versions_;
  std::size_t series_ = 0;
  std::uint64_t dropped_ = 0;
  Family family_;
  bool begun_ = false;
};

// Of every model that is known, also by its configuration alone. One series each.
void MonitorMetrics::Page::write_info(const monitor::ModelConfig& settings) {
  std::set<std::string_view> models;
  if (settings.rules.model_name.kind == decode::Place::Kind::literal) {
    models.insert(settings.default_model());
  }
  each([&](const VersionMonitor& v, const VersionKeys&) { models.insert(v.name().model); });
  family("outrider_model_info", gauge,
         "The model's owner and labels, as its configuration has them; always 1.");
  for (const std::string_view model : models) {
    Labels labels = settings.info.labels;
    labels.set("model_name", model);
    value(SeriesKey(std::move(labels)), 1.0);
  }
  const auto& slack = settings.info.objectives.accuracy_slack;
  if (!slack) return;
  family("outrider_objective_accuracy_slack_ratio", gauge,
         "How much worse than promised is still as promised, by the model's objective.");
  for (const std::string_view model : models) {
    value(SeriesKey(Labels{{"model_name", std::string(model)}}), *slack);
  }
}

void MonitorMetrics::Page::write_predictions() {
  family("outrider_predictions_total", counter,
         "Predictions seen: rows of answered requests, and requests that the model failed.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    value(k.success, v.successes());
    value(k.failure, v.failures());
  });
}

void MonitorMetrics::Page::write_outcomes() {
  family(truth::outcomes_family);
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    for (std::size_t i = 0; i < k.segments.size(); ++i) {
      value(k.segments[i].correct, v.outcomes().segments()[i].counts.correct);
      value(k.segments[i].wrong, v.outcomes().segments()[i].counts.wrong);
    }
  });
  family(truth::newest_outcome_family);
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    if (const auto newest = v.accuracy().newest_predicted()) {
      value(k.plain, static_cast<double>(to_unix_ms(*newest)) / 1000);
    }
  });
  family(truth::confusion_family);
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    for (std::size_t i = 0; i < k.confusion.size(); ++i) {
      value(k.confusion[i], v.outcomes().confusion()[i].count);
    }
  });
}

void MonitorMetrics::Page::write_errors() {
  for (const truth::ErrorFamily& one : truth::error_families) {
    family(one.family);
    each([&](const VersionMonitor& v, const VersionKeys& k) {
      if (v.is_classification()) return;
      const auto& sums = v.outcomes().errors();
      if (!one.negative) return value(k.plain, sums.*one.sum);
      value(k.positive, sums.*one.sum);
      value(k.negative, sums.*one.negative);
    });
  }
}

void MonitorMetrics::Page::write_accuracy() {
  family("outrider_accuracy_ratio", gauge,
         "Share of correct predictions among the labels of the window, of this pod alone.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    for (std::size_t i = 0; i < k.windows.size(); ++i) {
      const auto counts = v.accuracy().windows().sum(monitor::all_windows[i], now_);
      if (counts.labels() > 0) value(k.windows[i], counts.accuracy());
    }
  });
  family("outrider_accuracy_reference_ratio", gauge,
         "Accuracy that the version's reference promises, from training or learned here.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    if (const auto reference = v.accuracy().reference_accuracy()) value(k.plain, *reference);
  });
  family("outrider_accuracy_evidence", gauge,
         "Evidence that the version became worse than its reference: log10 of the e-value.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    if (const auto evidence = v.accuracy().evidence_log10()) value(k.plain, *evidence);
  });
  family("outrider_accuracy_evidence_threshold", gauge,
         "Evidence at which the alarm is raised: log10 of the labels to a false alarm.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    if (const auto* detector = v.accuracy().detector()) {
      value(k.plain, std::log10(detector->settings().alarm_run_length));
    }
  });
  write_bets();
  family("outrider_accuracy_alarm", gauge,
         "1 while the version in service is worse than its reference, at the stated false-alarm "
         "rate.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    value(k.plain, v.accuracy().alarm() && !v.retired());
  });
  family("outrider_accuracy_alarms_total", counter, "Alarms raised about the version's accuracy.");
  each([&](const VersionMonitor& v, const VersionKeys& k) { value(k.plain, v.alarms()); });
  family("outrider_accuracy_verdict", gauge,
         "The state of the judgement of accuracy: 1 where it holds.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    for (std::size_t i = 0; i < accuracy_states.size(); ++i) {
      value(k.accuracy_states_keys[i], v.accuracy().state() == accuracy_states[i]);
    }
  });
  family("outrider_accuracy_provisional", gauge,
         "1 where accuracy is judged by a rate learned from the first labels, not by training's.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    value(k.plain, v.accuracy().provisional());
  });
}

// What the fleet's alarm multiplies summed outcomes with. Pods that learn rates of their own do not
// agree, and versions out of service are not judged: they have none.
void MonitorMetrics::Page::write_bets() {
  family("outrider_accuracy_bet_log_weight", gauge,
         "What a right or wrong prediction adds to the logarithm of a bet that the version became "
         "worse, the same in every pod. Not while the reference is provisional.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    const auto* detector = v.accuracy().detector();
    if (!detector || v.accuracy().provisional() || v.retired()) return;
    for (std::size_t bet = 0; bet < k.bets.size(); ++bet) {
      if (!std::isfinite(detector->log_weight(bet, true))) continue;
      value(k.bets[bet].correct, rounded_weight(detector->log_weight(bet, false)));
      value(k.bets[bet].wrong, rounded_weight(detector->log_weight(bet, true)));
    }
  });
}

void MonitorMetrics::Page::write_changes() {
  family("outrider_accuracy_since_change_ratio", gauge,
         "Share of correct predictions among the labels since the estimated change.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    if (const auto change = v.accuracy().change()) value(k.plain, change->accuracy());
  });
  family("outrider_labels_since_change", gauge,
         "Labels since the estimated change, by whether the prediction was correct.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    const auto change = v.accuracy().change().value_or(detectors::ChangeEstimate{});
    value(k.correct, change.correct());
    value(k.wrong, change.wrong());
  });
  family("outrider_accuracy_change_timestamp_seconds", gauge,
         "When the first prediction since the estimated change was made.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    if (const auto change = v.accuracy().change()) {
      value(k.plain, static_cast<double>(change->first) / 1000);
    }
  });
  family(
      "outrider_accuracy_estimated_ratio", gauge,
      "Accuracy estimated without labels, over the last hour. Blind to a changed relation between "
      "inputs and truth: read it beside the accuracy of labels, never alone.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    if (!v.watch()) return;
    if (const auto estimate = v.watch()->estimated_accuracy(monitor::Window::hour)) {
      value(k.plain, *estimate);
    }
  });
}

void MonitorMetrics::Page::write_verdicts(const std::vector<detectors::Verdict>& verdicts,
                                          const std::vector<VersionKeys::Verdict>& keys, int part) {
  for (std::size_t i = 0; i < keys.size() && i < verdicts.size(); ++i) {
    const detectors::Verdict& verdict = verdicts[i];
    const bool judged = verdict.state != State::warming_up;
    if (part == 0 && judged) {
      const auto scores = scores_of(verdict);
      const std::size_t tests = all_tests_ ? scores.size() : 1;  // The PSI comes first.
      for (std::size_t t = 0; t < tests; ++t) value(keys[i].scores[t], scores[t]);
    }
    if (part == 1 && judged && all_tests_) {
      value(keys[i].thresholds[0], verdict.thresholds.psi);
      value(keys[i].thresholds[1], verdict.thresholds.ks);
      value(keys[i].thresholds[2], verdict.thresholds.chi2);
    }
    if (part == 3 && judged) value(keys[i].plain, verdict.ratio);
    if (part == 2) {
      const auto holds = std::find(states.begin(), states.end(), verdict.state) - states.begin();
      value(keys[i].states[static_cast<std::size_t>(holds)], true);
    }
  }
}

void MonitorMetrics::Page::write_drift() {
  const struct {
    const char* name;
    const char* help;
  } parts[] = {
      {"outrider_drift_score", "Distance of the last judged pane of inputs from the reference."},
      {"outrider_drift_threshold", "The score from which on a subject counts as moved."},
      {"outrider_drift_verdict", "The state of the judgement of a subject, as a label; always 1."},
      {"outrider_drift_ratio",
       "Score over threshold by the verdict's own rule, effect and significance: above 1 the last "
       "judged pane counts as moved."}};
  for (int part = 0; part < 4; ++part) {
    family(parts[part].name, gauge, parts[part].help);
    each([&](const VersionMonitor& v, const VersionKeys& k) {
      if (v.watch()) write_verdicts(v.watch()->verdicts(), k.verdicts, part);
    });
  }
  family(
      "outrider_drift_rhythm_known_ratio", gauge,
      "Share of the traffic in hours of the week whose rhythm is known, seen in two weeks: 1 when "
      "seasons are told from drift.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    if (v.watch() && v.watch()->rhythm()) value(k.plain, v.watch()->rhythm()->share_known());
  });
  family("outrider_drift_design_effect", gauge,
         "How many rows say as much as one independent row: 1 unless rows hang together.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    if (!v.watch()) return;
    const auto& verdicts = v.watch()->verdicts();
    for (std::size_t i = 0; i < k.verdicts.size() && i < verdicts.size(); ++i) {
      if (verdicts[i].state != State::warming_up) {
        value(k.verdicts[i].plain, verdicts[i].design.rank);
      }
    }
  });
}

void MonitorMetrics::Page::write_comparison() {
  const struct {
    const char* name;
    const char* help;
  } parts[] = {
      {"outrider_version_drift_score",
       "Distance of the version's inputs and predictions of the last hour from another version's."},
      {"outrider_version_drift_threshold", "The score from which on the two versions differ."},
      {"outrider_version_drift_verdict",
       "The state of the comparison of two versions, as a label; always 1."}};
  for (int part = 0; part < 3; ++part) {
    family(parts[part].name, gauge, parts[part].help);
    each([&](const VersionMonitor& v, const VersionKeys& k) {
      write_verdicts(v.comparison_verdicts(), k.comparison, part);
    });
  }
}

void MonitorMetrics::Page::write_inputs() {
  family("outrider_reference_info", gauge,
         "What the version's inputs are judged by: a reference from training, a provisional one, "
         "none.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    value(k.sources[source_index(v)], 1.0);
  });
  family("outrider_feature_quality_total", counter,
         "Feature values that failed a check of quality.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    for (std::size_t i = 0; i < k.subjects.size(); ++i) {
      const auto& quality = k.subjects[i].quality;
      if (quality.empty()) continue;
      const auto counts = counts_of(v.watch()->quality(i), v.watch()->subject(i).bins.kind());
      for (std::size_t c = 0; c < quality.size(); ++c) value(quality[c], counts[c]);
    }
    if (v.watch()) value(k.extra, v.extra_values());
  });
  family(
      "outrider_prediction_anomaly_score", MetricType::histogram,
      "How unusual a prediction's inputs were: -log10 of the share of reference rows as unusual.");
  each([&](const VersionMonitor& v, const VersionKeys& k) {
    if (!v.watch() || !v.watch()->reference().multivariate) return;
    const auto counts = v.anomaly_counts();
    if (room(counts.size() + 2)) {
      sink_.histogram(k.plain, {monitor::anomaly_buckets, counts, v.anomaly_sum(), {}});
    }
  });
}

// Features up to the configured number, and the prediction.
void MonitorMetrics::Page::write_bins() {
  const auto each_subject = [&](bool features, auto write) {
    each([&](const VersionMonitor& v, const VersionKeys& k) {
      for (std::size_t i = 0; i < k.subjects.size(); ++i) {
        const bool is_feature = !k.subjects[i].quality.empty();
        if (is_feature != features || (is_feature && i >= v.exported_features())) continue;
        write(v, k.subjects[i], i);
      }
    });
  };
  const auto counts = [&](const VersionMonitor& v, const VersionKeys::Subject& subject,
                          std::size_t i) {
    const detectors::BinCounts& totals = v.watch()->totals(i);
    if (subject.deciles) {
      const auto deciles = subject.deciles->of(totals.values(v.watch()->subject(i).bins));
      for (std::size_t d = 0; d < deciles.size(); ++d) value(subject.bins[d], deciles[d]);
      return;
    }
    for (std::size_t slot = 0; slot < subject.bins.size(); ++slot) {
      value(subject.bins[slot], totals.counts[slot]);
    }
  };
  family("outrider_prediction_values_total", counter,
         "Predictions by the reference's deciles, or by its bins.");
  each_subject(false, counts);
  family("outrider_feature_values_total", counter,
         "Feature values by the reference's deciles, or by its bins.");
  each_subject(true, counts);
  const auto ratios = [&](const VersionMonitor&, const VersionKeys::Subject& subject, std::size_t) {
    for (std::size_t bin = 0; bin < subject.value_bins.size(); ++bin) {
      value(subject.value_bins[bin], subject.ratios[bin]);
    }
  };
  family(
      "outrider_reference_ratio", gauge,
      "Share of the reference's rows in a bin, smoothed; aggregate with max. Of a decile it is a "
      "tenth and not exported.");
  each_subject(false, ratios);
  each_subject(true, ratios);
  const auto rows = [&](const VersionMonitor&, const VersionKeys::Subject& subject, std::size_t) {
    value(subject.rows, subject.reference_rows);
  };
  family("outrider_reference_rows", gauge, "Values in the reference's bins; aggregate with max.");
  each_subject(false, rows);
  each_subject(true, rows);
}

MonitorMetrics::MonitorMetrics(monitor::Monitor& monitor, std::mutex& lock, const Clock& clock)
    : monitor_(monitor),
      lock_(lock),
      clock_(clock),
      dropped_models_(Labels{{"limit", "models"}}),
      dropped_versions_(Labels{{"limit", "versions"}}),
      dropped_segments_(Labels{{"limit", "segments"}}),
      dropped_classes_(Labels{{"limit", "classes"}}),
      dropped_page_(Labels{{"limit", "series"}}) {}
MonitorMetrics::~MonitorMetrics() = default;

VersionKeys& MonitorMetrics::keys_of(const VersionMonitor& version) {
  auto& keys = keys_[version.serial()];
  if (!keys) keys = std::make_unique<VersionKeys>(version);
  keys->grow(version, monitor_.settings().metrics.all_bins);
  return *keys;
}

void MonitorMetrics::forget_gone() {
  std::erase_if(keys_, [this](const auto& entry) {
    const auto& versions = monitor_.versions();  // By serial, as they came.
    const auto place = std::lower_bound(
        versions.begin(), versions.end(), entry.first,
        [](const auto& version, std::uint64_t serial) { return version->serial() < serial; });
    return place == versions.end() || (*place)->serial() != entry.first;
  });
}

void MonitorMetrics::collect(wire::MetricSink& sink) {
  const std::lock_guard hold(lock_);
  forget_gone();
  const monitor::ModelConfig& settings = monitor_.settings();
  Page page(sink, settings.limits.series, settings.metrics.all_tests, clock_.now());
  for (const auto& version : monitor_.versions()) page.add(*version, keys_of(*version));
  page.write_info(settings);
  page.write_predictions();
  page.write_outcomes();
  page.write_errors();
  page.write_accuracy();
  page.write_changes();
  page.write_drift();
  page.write_comparison();
  page.write_inputs();
  page.write_bins();
  series_dropped_ = std::max(series_dropped_, page.dropped());
  write_dropped(sink);
}

// A few series that no limit holds back, since they tell of the limits.
void MonitorMetrics::write_dropped(wire::MetricSink& sink) {
  sink.family(
      {"outrider_series_dropped_total", MetricType::counter,
       "What a limit on label sets turned away: values counted as `other`, and series that did "
       "not fit the page."});
  sink.value(dropped_models_, static_cast<double>(monitor_.models_turned_away()));
  sink.value(dropped_versions_, static_cast<double>(monitor_.versions_turned_away()));
  sink.value(dropped_segments_, static_cast<double>(monitor_.segments_turned_away()));
  sink.value(dropped_classes_, static_cast<double>(monitor_.classes_turned_away()));
  sink.value(dropped_page_, static_cast<double>(series_dropped_));
  sink.family(
      {"outrider_learning_restarts_total", MetricType::counter,
       "Times that a version began anew to learn a provisional reference, as limits.learning "
       "was reached."});
  sink.value(SeriesKey(), static_cast<double>(monitor_.learning_given_up()));
}

}  // namespace outrider::exporting
