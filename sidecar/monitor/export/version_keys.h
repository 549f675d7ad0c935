// SPDX-License-Identifier: Apache-2.0
#pragma once

// The label sets of one version's metrics, rendered once and kept from scrape to scrape. PURE; not
// thread-safe.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/wire/exposition.h"
#include "detectors/deciles.h"
#include "sidecar/monitor/versions/version_monitor.h"

namespace outrider::exporting {

// The states that a verdict and an accuracy can have, in the order of their series.
inline constexpr std::array states = {detectors::State::warming_up, detectors::State::stable,
                                      detectors::State::warning, detectors::State::drift};
inline constexpr std::array accuracy_states = {monitor::AccuracyState::warming_up,
                                               monitor::AccuracyState::stable,
                                               monitor::AccuracyState::drift};

// Every label set of one version, rendered.
struct VersionKeys {
  explicit VersionKeys(const monitor::VersionMonitor& version);

  wire::SeriesKey with(std::string_view name, std::string_view value) const;
  wire::SeriesKey with(std::string_view name, std::string_view value, std::string_view name2,
                       std::string_view value2) const;

  Labels base;
  wire::SeriesKey plain, success, failure, positive, negative, correct, wrong, extra;
  std::vector<wire::SeriesKey> windows, accuracy_states_keys, sources;

  struct ByCorrect {
    wire::SeriesKey correct, wrong;
  };
  std::vector<ByCorrect> bets;             // As the e-detector's alternatives.
  std::vector<ByCorrect> segments;         // As Outcomes::segments().
  std::vector<wire::SeriesKey> confusion;  // As Outcomes::confusion().

  struct Verdict {
    std::string subject;
    wire::SeriesKey plain;
    std::vector<wire::SeriesKey> scores, thresholds, states;
  };
  std::vector<Verdict> verdicts, comparison;  // As the watch's verdicts.
  std::string compared_with;

  // Either its deciles, in `bins` too, or the bins of the reference and their ratios.
  struct Subject {
    std::optional<detectors::Deciles> deciles;
    std::vector<wire::SeriesKey> bins,
        value_bins;  // Of every slot; of those with a reference ratio.
    std::vector<double> ratios;
    wire::SeriesKey rows;
    double reference_rows = 0;
    std::vector<wire::SeriesKey> quality;
  };
  std::vector<Subject> subjects;  // As the watch's subjects.
  std::string reference;          // The hash for which the subjects were made,
  bool all_bins = false;          // and how.

  // Brings the lists up to what the version has now; they only grow but for a new reference.
  void grow(const monitor::VersionMonitor& version, bool with_all_bins);

 private:
  void make_subjects(const monitor::VersionMonitor& version);
  void fit(std::vector<Verdict>& keys, const std::vector<detectors::Verdict>& wanted,
           std::string_view against);
};

}  // namespace outrider::exporting
