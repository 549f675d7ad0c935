// SPDX-License-Identifier: Apache-2.0
#include "agent/series/anomaly_book.h"

#include <algorithm>

#include "agent/series/anomaly.h"

namespace outrider::series {
namespace {

constexpr Duration orphan_after = std::chrono::hours(1);

std::string owner_key(const Labels& labels) {
  std::string key;
  for (const Label& label : owner_labels(labels)) key += label.name + "\xff" + label.value + "\xff";
  return key;
}

double score_of(const AnomalyBook::Shown& shown) {
  return shown.finding.observed.score.score;
}

}  // namespace

void AnomalyBook::expect(const Labels& labels) {
  const std::string series(labels.get("anomaly_series"));
  if (!orphans_.try_emplace(series, labels).second) return;
  const std::string owner = owner_key(labels);
  ++owners_[owner];
  open_[series] = owner;
}

std::optional<Outcome> AnomalyBook::judge(const Finding& finding, Time now) {
  const std::string series = series_text(finding.labels, finding.quantity);
  const News news = finding.observed.news;
  // Its episode goes on, or is told of; a score alone says neither.
  if (news != News::none || finding.episode_ms != 0) orphans_.erase(series);
  if (news == News::none) {
    show(series, finding, Outcome::held_back);
    return Outcome::held_back;
  }
  Outcome outcome = Outcome::grew;
  if (news == News::ended) {
    if (!is_open(series)) return std::nullopt;
    close(series);
    outcome = Outcome::ended;
  } else if (!is_open(series)) {
    outcome = begin(series, owner_key(finding.labels), now);
  }
  ++outcomes_[static_cast<std::size_t>(outcome)];
  if (outcome != Outcome::ended) show(series, finding, outcome);
  return outcome;
}

// One more series of an incident that is open wakes nobody again.
Outcome AnomalyBook::begin(const std::string& series, const std::string& owner, Time now) {
  const bool joins = owners_.contains(owner);
  if (!joins && !budget_.spend(now)) return Outcome::held_back;
  ++owners_[owner];
  open_[series] = owner;
  return joins ? Outcome::joined : Outcome::raised;
}

void AnomalyBook::close(const std::string& series) {
  const auto open = open_.find(series);
  if (open == open_.end()) return;
  if (--owners_[open->second] == 0) owners_.erase(open->second);
  open_.erase(open);
}

// Keeps the highest scores, each series' and of all: a full list lets its lowest go.
void AnomalyBook::show(const std::string& series, const Finding& finding, Outcome outcome) {
  Shown& shown = shown_[series];
  const bool same_episode = shown.finding.episode_ms != 0 &&
                            shown.finding.episode_ms == finding.episode_ms &&
                            score_of(shown) >= finding.observed.score.score;
  const bool lesser = finding.observed.news == News::none && shown.finding.episode_ms != 0;
  if (!same_episode && !lesser) shown = {finding, outcome};
  if (shown_.size() <= settings_.shown_max) return;
  shown_.erase(std::min_element(shown_.begin(), shown_.end(), [](const auto& a, const auto& b) {
    return score_of(a.second) < score_of(b.second);
  }));
}

std::vector<Labels> AnomalyBook::end_orphans(Time now) {
  std::vector<Labels> ended;
  if (orphans_.empty() || now - started_at_ < orphan_after) return ended;
  for (auto& [series, labels] : orphans_) {
    close(series);
    ++outcomes_[static_cast<std::size_t>(Outcome::ended)];
    ended.push_back(std::move(labels));
  }
  orphans_.clear();
  return ended;
}

void AnomalyBook::forget_old(Time now) {
  std::erase_if(shown_, [&](const auto& one) {
    const Time at = from_unix_ms(one.second.finding.timestamp_ms);
    return !is_open(one.first) && now - at > settings_.shown_for;
  });
}

std::vector<const std::pair<const std::string, AnomalyBook::Shown>*> AnomalyBook::by_score() const {
  std::vector<const std::pair<const std::string, Shown>*> order;
  for (const auto& one : shown_) order.push_back(&one);
  std::stable_sort(order.begin(), order.end(), [](const auto* a, const auto* b) {
    return score_of(a->second) > score_of(b->second);
  });
  return order;
}

}  // namespace outrider::series
