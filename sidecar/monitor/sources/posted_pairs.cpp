// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/sources/posted_pairs.h"

#include <cstdint>
#include <utility>

#include "sidecar/monitor/sources/event_exchange.h"

namespace outrider::monitor {

PostedPairs::PostedPairs(Analyse analyse, Count count, const Clock& clock)
    : analyse_(std::move(analyse)), count_(std::move(count)), clock_(clock) {}

std::size_t PostedPairs::poll(std::size_t events_max) {
  auto events = events_.pop(events_max);
  for (auto& event : events) {
    if (const auto pair = pairs_.add(std::move(event), clock_.now())) count_(analyse_pair(*pair));
  }
  count_incomplete(pairs_.take_given_up(clock_.now()));
  events_.note_pairs(pairs_.waiting(), pairs_.duplicates());
  return events.size();
}

tap::Disposal PostedPairs::analyse_pair(const decode::EventPairs::Pair& pair) const {
  if (!EventExchange::is_prediction(pair)) {
    return tap::Disposal::skipped(tap::SkipReason::not_matched);
  }
  return analyse_(EventExchange(pair, clock_.now()).parts());
}

void PostedPairs::give_up() {
  std::size_t given_up = 0;
  for (auto& event : events_.pop(SIZE_MAX)) {
    if (pairs_.add(std::move(event), clock_.now())) ++given_up;
  }
  count_incomplete(given_up + pairs_.clear());
}

void PostedPairs::count_incomplete(std::size_t exchanges) const {
  for (; exchanges > 0; --exchanges) count_(tap::Disposal::failed(tap::FailReason::incomplete));
}

}  // namespace outrider::monitor
