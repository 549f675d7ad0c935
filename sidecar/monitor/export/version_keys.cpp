// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/export/version_keys.h"

#include <algorithm>
#include <span>
#include <utility>

namespace outrider::exporting {
namespace {

using monitor::VersionMonitor;
using wire::SeriesKey;

constexpr std::string_view tests[] = {"psi", "ks", "js", "wasserstein", "chi2"};
constexpr std::string_view threshold_tests[] = {"psi", "ks", "chi2"};
// The checks of each kind of feature: a number is never unseen, a category has no range and no
// wrong type.
constexpr std::string_view number_checks[] = {"missing", "type", "range"};
constexpr std::string_view category_checks[] = {"missing", "unseen"};
constexpr std::string_view reference_sources[] = {"none", "provisional", "trained"};

std::span<const std::string_view> checks_of(detectors::FeatureKind kind) {
  if (kind == detectors::FeatureKind::numeric) return number_checks;
  return category_checks;
}

}  // namespace

VersionKeys::VersionKeys(const VersionMonitor& version)
    : base({{"model_name", version.name().model}, {"model_version", version.name().version}}),
      plain(base),
      success(with("outcome", "success")),
      failure(with("outcome", "failure")),
      positive(with("sign", "positive")),
      negative(with("sign", "negative")),
      correct(with("correct", "true")),
      wrong(with("correct", "false")),
      extra(with("check", "extra")) {
  for (const auto window : monitor::all_windows) {
    windows.push_back(with("window", monitor::to_string(window)));
  }
  for (const auto state : accuracy_states) {
    accuracy_states_keys.push_back(with("state", monitor::to_string(state)));
  }
  for (const auto source : reference_sources) sources.push_back(with("source", source));
  for (std::size_t k = 0; k < detectors::EDetector::components; ++k) {
    const std::string bet = std::to_string(k);
    bets.push_back({with("bet", bet, "correct", "true"), with("bet", bet, "correct", "false")});
  }
}

SeriesKey VersionKeys::with(std::string_view name, std::string_view value) const {
  Labels labels = base;
  labels.set(name, value);
  return SeriesKey(std::move(labels));
}

SeriesKey VersionKeys::with(std::string_view name, std::string_view value, std::string_view name2,
                            std::string_view value2) const {
  Labels labels = base;
  labels.set(name, value);
  labels.set(name2, value2);
  return SeriesKey(std::move(labels));
}

void VersionKeys::grow(const VersionMonitor& version, bool with_all_bins) {
  const monitor::Outcomes& outcomes = version.outcomes();
  for (std::size_t i = segments.size(); i < outcomes.segments().size(); ++i) {
    const std::string& name = outcomes.segments()[i].name;
    segments.push_back(
        {with("segment", name, "correct", "true"), with("segment", name, "correct", "false")});
  }
  for (std::size_t i = confusion.size(); i < outcomes.confusion().size(); ++i) {
    const auto& cell = outcomes.confusion()[i];
    confusion.push_back(with("actual", outcomes.classes()[cell.actual], "predicted",
                             outcomes.classes()[cell.predicted]));
  }
  if (version.watch()) {
    if (reference != version.reference()->hash || all_bins != with_all_bins) {
      all_bins = with_all_bins;
      make_subjects(version);
    }
    fit(verdicts, version.watch()->verdicts(), "");
  }
  const std::string& against = version.compared_with();
  if (compared_with != against) comparison.clear();
  compared_with = against;
  fit(comparison, version.comparison_verdicts(), against);
}

void VersionKeys::make_subjects(const VersionMonitor& version) {
  reference = version.reference()->hash;
  subjects.clear();
  const detectors::VersionWatch& watch = *version.watch();
  for (std::size_t i = 0; i < watch.subjects(); ++i) {
    const detectors::FrozenSubject& frozen = watch.subject(i);
    const bool is_feature = i < watch.reference().features.size();
    // The prediction's bins have a metric of their own; its ratios stand beside the features'.
    const std::string_view name = is_feature ? std::string_view(frozen.name) : "prediction";
    Subject subject;
    Labels labels = base;
    // Bins of another kind are never summed with these: rules know deciles by this label.
    labels.set("reference", all_bins ? frozen.hash : frozen.hash + "-deciles");
    Labels named = labels;
    named.set("feature", name);
    subject.rows = SeriesKey(named);
    Labels& of_values = is_feature ? named : labels;
    if (!all_bins) subject.deciles.emplace(version.deciles_of(i));
    for (std::size_t decile = 0; !all_bins && decile < detectors::Deciles::count; ++decile) {
      of_values.set("bin", std::string{'0', static_cast<char>('0' + decile)});
      subject.bins.emplace_back(of_values);
    }
    for (std::size_t slot = 0; all_bins && slot < frozen.bins.slots(); ++slot) {
      of_values.set("bin", frozen.bins.bin_name(slot));
      subject.bins.emplace_back(of_values);
      if (slot >= frozen.bins.value_bins()) continue;
      named.set("bin", frozen.bins.bin_name(slot));
      subject.value_bins.emplace_back(named);
      subject.ratios.push_back(frozen.ratio(slot));
    }
    for (const std::uint64_t count : frozen.counts.values(frozen.bins)) {
      subject.reference_rows += static_cast<double>(count);
    }
    if (is_feature) {
      for (const auto check : checks_of(frozen.bins.kind())) {
        subject.quality.push_back(with("feature", frozen.name, "check", check));
      }
    }
    subjects.push_back(std::move(subject));
  }
}

void VersionKeys::fit(std::vector<Verdict>& keys, const std::vector<detectors::Verdict>& wanted,
                      std::string_view against) {
  const bool same = keys.size() == wanted.size() &&
                    std::equal(keys.begin(), keys.end(), wanted.begin(),
                               [](const Verdict& key, const detectors::Verdict& verdict) {
                                 return key.subject == verdict.subject;
                               });
  if (same) return;
  keys.clear();
  for (const detectors::Verdict& verdict : wanted) {
    Labels of_subject = base;
    of_subject.set("subject", verdict.subject);
    of_subject.set("against", against);
    Verdict made{verdict.subject, SeriesKey(of_subject), {}, {}, {}};
    const auto key = [&](std::string_view name, std::string_view value) {
      Labels labels = of_subject;
      labels.set(name, value);
      return SeriesKey(std::move(labels));
    };
    for (const auto test : tests) made.scores.push_back(key("test", test));
    for (const auto test : threshold_tests) made.thresholds.push_back(key("test", test));
    for (const auto state : states) made.states.push_back(key("state", to_string(state)));
    keys.push_back(std::move(made));
  }
}

}  // namespace outrider::exporting
