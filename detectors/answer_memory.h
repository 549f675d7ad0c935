// SPDX-License-Identifier: Apache-2.0
#pragma once

// All answers that a series gave to the questions of series_score.h, and how surprising a new one
// is beside them: half rank, half distance. PURE, not thread-safe, O(1).

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "detectors/packed_bytes.h"
#include "detectors/snapshot.h"

namespace outrider::detectors {

// The first three reach far (wide tails), the others are bounded (narrow ones).
enum class Question : std::uint8_t { range, spike, hour, shift, spread };
inline constexpr std::size_t question_count = 5;
std::string_view name(Question question);

inline constexpr std::uint32_t seen_max = 65'000;  // Then counts are halved; they fit 16 bits.

struct Rarity {
  float count = 0;        // Past answers at least as far out.
  float bins_beyond = 0;  // How far beyond the farthest of them, when that count is 0.
};

// How often answers at least this far out came before, on either side of zero. Counts are kept
// cumulatively ("at least bin k"), so that a look-up is O(1) and an update a few vector additions.
template <std::size_t Bins>
class AgingTails {
 public:
  // `bin` may have a fraction: within a bin answers are taken to be spread evenly.
  Rarity rarity(bool up, float bin) const;
  void add(bool up, float bin);
  void halve(bool keep_ones);
  void save(SnapshotWriter& out) const;
  bool load(SnapshotReader& in);  // False: the bytes make no sense.

 private:
  std::array<std::array<std::uint16_t, Bins>, 2> at_least_{};
};

class AnswerMemory {
 public:
  static constexpr std::uint32_t samples_min = 20;  // Answers before a distance says something.

  struct Answer {
    float far = 0;  // Signed.
    bool asked = false;
  };
  using Answers = std::array<Answer, question_count>;
  struct Surprises {  // In decades.
    std::array<float, question_count> of{};
    float history = 0;   // log10 of how much was seen, ...
    float interval = 0;  // ... and of how far apart the samples are.
  };

  // Compares the answers with those before, and keeps them.
  Surprises learn(const Answers& answers, float interval_seconds);

 private:
  friend class SeriesScorer;  // Its snapshot has the numbers of all parts in one order.

  static constexpr std::size_t wide_bins = 24;
  static constexpr std::size_t narrow_bins = 16;

  // Half of the surprise, and the answer itself into its mean and variance.
  float distance(std::size_t question, float far, float interval_seconds);
  void age_if_full();

  std::array<std::uint32_t, question_count> asked_{};
  std::array<float, question_count> mean_{};
  std::array<float, question_count> variance_{};
  std::array<AgingTails<wide_bins>, 3> wide_;      // range, spike, hour
  std::array<AgingTails<narrow_bins>, 2> narrow_;  // shift, spread
  bool keep_ones_ = true;
};

}  // namespace outrider::detectors
