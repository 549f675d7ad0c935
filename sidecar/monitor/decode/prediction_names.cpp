// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/prediction_names.h"

#include <algorithm>

#include "sidecar/monitor/decode/answer_names.h"

namespace outrider::decode {
namespace {

constexpr std::size_t none = Choice::none;

// What a flattened name means: by its last piece, or as all of the pieces before it say
// (probabilities.cat is a score, meta.tags.price about the answer).
NameRole role_of_flattened(std::string_view flattened) {
  if (flattened.find('.') == std::string_view::npos) return role_of(flattened);
  NameRole last, before;
  for (std::size_t begin = 0; begin <= flattened.size();) {
    const std::size_t end = std::min(flattened.find('.', begin), flattened.size());
    before.flags = static_cast<std::uint16_t>(before.flags | last.flags);
    last = role_of(flattened.substr(begin, end - begin));
    begin = end + 1;
  }
  if (before.is(NameRole::score)) return before;
  if (before.is(NameRole::other)) last.flags |= NameRole::other;
  return last;
}

struct Best {
  std::size_t place = none;
  std::uint8_t rank = 0;
  bool tied = false;

  void offer(std::size_t candidate, std::uint8_t its_rank) {
    if (place != none && its_rank >= rank) {
      tied = tied || its_rank == rank;
      return;
    }
    place = candidate;
    rank = its_rank;
    tied = false;
  }
};

Choice ambiguous(Choice choice, std::size_t one, std::size_t other) {
  choice.ambiguous = true;
  choice.one = one;
  choice.other = other;
  return choice;
}

}  // namespace

bool is_score_name(std::string_view name) {
  return role_of(name).is(NameRole::score);
}

bool is_class_list_name(std::string_view name) {
  const std::string_view last = name.substr(name.rfind('.') + 1);  // All, where there is no dot.
  return last == "classes" || last == "labels" || last == "class_names";
}

Choice choose(std::span<const Candidate> candidates, PredictionKind kind) {
  Choice choice;
  Best sure, of_class, of_value;
  std::size_t only = none, second = none;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    const NameRole role = role_of_flattened(candidate.name);
    if (role.is(NameRole::score)) {
      if (choice.score == none && candidate.kind != Candidate::Kind::missing) choice.score = i;
      continue;
    }
    if (role.is(NameRole::sure)) {
      sure.offer(i, role.rank);
      continue;
    }
    if (role.is(NameRole::other)) continue;
    // An estimate may be written as a text; what else is a text is none.
    const bool is_text = candidate.kind == Candidate::Kind::text;
    if (role.is(NameRole::of_value)) of_value.offer(i, role.rank);
    if (kind == PredictionKind::regression && is_text) continue;
    if (role.is(NameRole::of_class)) of_class.offer(i, role.rank);
    if (only == none) {
      only = i;
    } else if (second == none) {
      second = i;
    }
  }
  for (const Best* best : {&sure, &of_class, &of_value}) {
    if (best->place == none) continue;
    if (best->tied) return ambiguous(choice, best->place, none);
    if (best == &of_class && of_value.place != none) {
      return ambiguous(choice, of_class.place, of_value.place);
    }
    choice.prediction = best->place;
    choice.by_name = true;
    return choice;
  }
  if (second != none) return ambiguous(choice, only, second);
  choice.prediction = only;
  return choice;
}

}  // namespace outrider::decode
