// SPDX-License-Identifier: Apache-2.0
#include "cli/backtest/quality.h"

#include <algorithm>
#include <array>

namespace outrider::cli {
namespace {

using detectors::Quality;

constexpr double excess_max = 0.05;
constexpr std::uint64_t predictions_min = 100;
constexpr std::size_t window_marks = 3;
constexpr std::uint8_t marks_needed = 2;
constexpr auto mark_every = std::chrono::minutes(5);

constexpr std::array<std::pair<std::string_view, std::uint64_t Quality::*>, 4> checks{
    {{"missing", &Quality::missing},
     {"type", &Quality::type},
     {"range", &Quality::range},
     {"unseen", &Quality::unseen}}};

// As live does: by the values that training had.
double missing_share(const detectors::FrozenSubject& feature) {
  const std::uint64_t all = feature.counts.total();
  std::uint64_t values = 0;
  for (const std::uint64_t count : feature.counts.values(feature.bins)) values += count;
  return all > 0 ? 1 - static_cast<double>(values) / static_cast<double>(all) : 0;
}

}  // namespace

QualityBacktest::QualityBacktest(const detectors::VersionWatch& watch) : watch_(watch) {
  for (const auto& feature : watch.reference().features) trained_.push_back(missing_share(feature));
  in_a_row_.resize(trained_.size() * checks.size());
  marks_.push_back(now());
}

QualityBacktest::Mark QualityBacktest::now() const {
  Mark mark{watch_.rows(), {}};
  for (std::size_t i = 0; i < trained_.size(); ++i) mark.quality.push_back(watch_.quality(i));
  return mark;
}

void QualityBacktest::advance(Time at, std::uint64_t rows) {
  const std::int64_t number = at.time_since_epoch() / Duration(mark_every);
  if (number <= number_) return;  // A late row counts where the clock is.
  const std::int64_t passed = number_ < 0 ? 0 : number - number_;
  number_ = number;
  for (std::int64_t i = 0; i < std::min<std::int64_t>(passed, window_marks + 1); ++i) {
    marks_.push_back(now());
    if (marks_.size() > window_marks + 1) marks_.pop_front();
    judge(marks_.front(), marks_.back(), rows, false);
  }
}

void QualityBacktest::finish(std::uint64_t rows) {
  // The five minutes under way are not over; rows without times were never marked.
  if (number_ < 0) judge(marks_.front(), now(), rows, true);
}

void QualityBacktest::judge(const Mark& from, const Mark& to, std::uint64_t rows, bool at_once) {
  const std::uint64_t predictions = to.rows - from.rows;
  for (std::size_t i = 0; i < trained_.size(); ++i) {
    for (std::size_t c = 0; c < checks.size(); ++c) {
      const auto& [name, count] = checks[c];
      const double failed = static_cast<double>(to.quality[i].*count - from.quality[i].*count);
      const double share = predictions > 0 ? failed / static_cast<double>(predictions) : 0;
      const double trained = c == 0 ? trained_[i] : 0;
      std::uint8_t& in_a_row = in_a_row_[i * checks.size() + c];
      if (predictions < predictions_min || !(share - trained > excess_max)) {
        in_a_row = 0;
        continue;
      }
      const bool raised = at_once || in_a_row == marks_needed - 1;
      in_a_row = static_cast<std::uint8_t>(std::min(in_a_row + 1, int{marks_needed}));
      if (raised) {
        alarms_.push_back({rows > 0 ? rows - 1 : 0, watch_.subject(i).name, name, share, trained});
      }
    }
  }
}

}  // namespace outrider::cli
