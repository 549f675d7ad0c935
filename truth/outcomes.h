// SPDX-License-Identifier: Apache-2.0
#pragma once

// Counters of judged predictions of one model version, since the process began: what adds up over
// replicas to accuracy, confusion, MAE, RMSE and R². PURE, not thread-safe. Bounded: past the
// limits segments and classes are `other`.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "truth/correctness.h"

namespace outrider::truth {

struct OutcomeCounts {
  std::uint64_t correct = 0, wrong = 0;
  std::uint64_t labels() const { return correct + wrong; }
  double accuracy() const { return static_cast<double>(correct) / static_cast<double>(labels()); }
  bool operator==(const OutcomeCounts&) const = default;
};

class Outcomes {
 public:
  struct Limits {
    std::size_t segments = 20;
    std::size_t classes = 20;
  };
  struct Segment {
    std::string name;  // "" where no segments are configured.
    OutcomeCounts counts;
  };
  struct Cell {
    std::uint32_t actual = 0, predicted = 0;  // Which of classes().
    std::uint64_t count = 0;
  };
  // Sums over regression labels. Counters may not fall, so signed sums come in two parts.
  struct ErrorSums {
    std::uint64_t labels = 0;
    double over = 0, under = 0;  // Of prediction - truth: its positive part, and its negative part.
    double absolute = 0, squared = 0;
    double truth_positive = 0, truth_negative = 0, truth_squared = 0;
  };

  explicit Outcomes(Limits limits) : limits_(limits) {}

  void add(const Judgement& judgement, std::string_view segment);
  // A segment that labels may come for starts at 0.
  void announce(std::string_view segment);

  const std::vector<Segment>& segments() const { return segments_; }
  const std::vector<std::string>& classes() const { return classes_; }
  const std::vector<Cell>& confusion() const { return cells_; }
  const ErrorSums& errors() const { return errors_; }
  // How many labels fell to `other` for want of room.
  std::uint64_t segments_turned_away() const { return segments_turned_away_; }
  std::uint64_t classes_turned_away() const { return classes_turned_away_; }

 private:
  Segment* find_segment(std::string_view name);
  bool has_room_for(std::string_view segment) const;
  Segment& segment_of(std::string_view name);
  std::uint32_t class_of(std::string_view name);

  Limits limits_;
  std::vector<Segment> segments_;
  std::vector<std::string> classes_;
  std::vector<Cell> cells_;
  ErrorSums errors_;
  std::uint64_t segments_turned_away_ = 0, classes_turned_away_ = 0;
};

}  // namespace outrider::truth
