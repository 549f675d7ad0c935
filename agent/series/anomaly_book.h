// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which episodes of unusual series are told of, and which are open. PURE; not thread-safe.
//
//   AnomalyBook book(settings, now);
//   book.budget().observe(score, now);               // every episode's first score, and growths
//   for (const Finding& finding : findings) {
//     if (auto outcome = book.judge(finding, now); is_told(outcome)) tell(finding);
//   }
//   for (const Labels& labels : book.end_orphans(now)) tell_end(labels);
//   book.forget_old(now);
//
// An episode's beginning is raised if the incident of its owner is open already (then it joins, and
// costs nothing) or the alert budget allows one more; otherwise it is held back: counted and
// listed. Its end is told of where its beginning was. Anomalies that were open before the start and
// whose series does not come back within an hour have ended.
//
// judge() is O(log open), O(shown_max) where the list of the highest scores is full.

#include <array>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "agent/series/alert_budget.h"
#include "agent/series/finding.h"

namespace outrider::series {

enum class Outcome : std::uint8_t { raised, grew, joined, held_back, ended };
inline constexpr std::array<std::string_view, 5> outcome_names = {"raised", "grew", "joined",
                                                                  "held_back", "ended"};
// Whether somebody is told.
inline bool is_told(std::optional<Outcome> outcome) {
  return outcome && *outcome != Outcome::held_back;
}

class AnomalyBook {
 public:
  struct Settings {
    double alerts_a_week = 20;
    std::size_t shown_max = 1'000;
    Duration shown_for = std::chrono::hours(1);
  };
  // The highest finding of a series' last episode.
  struct Shown {
    Finding finding;
    Outcome outcome = Outcome::raised;
    bool is_held_back() const {
      return finding.observed.news != News::none && outcome == Outcome::held_back;
    }
  };

  AnomalyBook(const Settings& settings, Time now)
      : settings_(settings), started_at_(now), budget_(settings.alerts_a_week) {}

  // One that was told of, by these labels (with "anomaly_series"), and open before the start.
  void expect(const Labels& labels);

  // What becomes of it; nothing for the end of an episode that was held back. A score that is no
  // news is listed only.
  std::optional<Outcome> judge(const Finding& finding, Time now);
  // The expected ones that did not come back, an hour after the start: they have ended.
  std::vector<Labels> end_orphans(Time now);
  void forget_old(Time now);

  AlertBudget& budget() { return budget_; }
  const AlertBudget& budget() const { return budget_; }
  // By series_text(); at most shown_max, the highest.
  const std::map<std::string, Shown>& shown() const { return shown_; }
  // The same, the highest score first.
  std::vector<const std::pair<const std::string, Shown>*> by_score() const;
  bool is_open(const std::string& series) const { return open_.contains(series); }
  std::uint64_t count(Outcome outcome) const {
    return outcomes_[static_cast<std::size_t>(outcome)];
  }

 private:
  Outcome begin(const std::string& series, const std::string& owner, Time now);
  void close(const std::string& series);
  void show(const std::string& series, const Finding& finding, Outcome outcome);

  const Settings settings_;
  const Time started_at_;
  AlertBudget budget_;
  std::map<std::string, Shown> shown_;
  std::map<std::string, std::string> open_;    // Told of and not ended: the owner's key.
  std::map<std::string, std::size_t> owners_;  // Open ones by that key.
  std::map<std::string, Labels> orphans_;      // Open since before the start, not heard of since.
  std::array<std::uint64_t, outcome_names.size()> outcomes_{};
};

}  // namespace outrider::series
