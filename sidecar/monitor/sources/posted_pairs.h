// SPDX-License-Identifier: Apache-2.0
#pragma once

// The exchanges that came as CloudEvents, two events each: the events that were posted are paired
// here, and each pair is analysed. Used from the polling thread alone, but intake(), to which the
// HTTP threads post.
//
//   PostedPairs posted(analyse, count, clock);
//   posted.intake().take(request);
//   posted.poll(256);
//   posted.intake().close(); while (posted.poll(256) > 0) {} posted.give_up();

#include <cstddef>
#include <functional>

#include "base/core/clock.h"
#include "sidecar/monitor/decode/cloud_events.h"
#include "sidecar/monitor/decode/exchange_parts.h"
#include "sidecar/monitor/sources/posted_exchanges.h"
#include "sidecar/tap/exchange.h"

namespace outrider::monitor {

class PostedPairs {
 public:
  using Analyse = std::function<tap::Disposal(const decode::ExchangeParts&)>;
  using Count = std::function<void(tap::Disposal)>;

  // `count` is told once of each pair and of each event whose other half did not come in time.
  PostedPairs(Analyse analyse, Count count, const Clock& clock);

  PostedExchanges& intake() { return events_; }

  std::size_t poll(std::size_t events_max);  // How many events it took.
  // At the end: what there was no time for, and halves, are counted as incomplete.
  void give_up();

 private:
  tap::Disposal analyse_pair(const decode::EventPairs::Pair& pair) const;
  void count_incomplete(std::size_t exchanges) const;

  const Analyse analyse_;
  const Count count_;
  const Clock& clock_;
  PostedExchanges events_;
  decode::EventPairs pairs_;
};

}  // namespace outrider::monitor
