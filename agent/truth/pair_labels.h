// SPDX-License-Identifier: Apache-2.0
#pragma once

// A request with labels at one agent of a pair, so that each label is counted once, whichever agent
// a client sends it to, however often, and whoever is killed meanwhile. SHELL; thread-safe.
//
// The agent that does not count joins the labels *before* it asks the other: as rows that are not
// counted here, in the one synced write that their answer waits for anyway. So whatever it asked is
// written down where the label itself is, and a label that is not counted here is never counted by
// guess:
//
//   this agent's row   the other answers          the other is away
//   none               join uncounted, then ask   join and count, pass it on
//   uncounted          ask again                  in doubt: ask when it is back
//   counted            say so: it only joins it   pass it on
//
// What the other was asked and does not have (it lacks the prediction), and what it was not reached
// with, the request that has just joined it claims: it is counted here after all, in a second
// write. Whoever is killed between the two leaves labels uncounted that nobody has acknowledged.
// Two requests about one label go one after the other here, so that nobody reads a row between its
// join and its claim. Who has sent labels to one agent, had no answer, and turns to the other says
// so (`in-doubt=true`, as a sidecar does): then they are in doubt as well.
//
// "In doubt" is the state of a participant of a two-phase commit that has voted and hears nothing
// (Gray and Reuter, Transaction Processing, 1993). Here it may answer its client all the same.

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <unordered_set>
#include <utility>
#include <vector>

#include "agent/truth/label_pass.h"
#include "agent/truth/pair_link.h"
#include "base/net/http_server.h"
#include "truth/api/label_api.h"
#include "truth/log/prediction_log.h"

namespace outrider::fleet {

// Labels that are under way, by the ids that they go by.
class LabelsUnderWay {
 public:
  class Turn {
   public:
    Turn(LabelsUnderWay& all, std::vector<std::size_t> names)
        : all_(all), names_(std::move(names)) {}
    ~Turn() { all_.leave(names_); }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    LabelsUnderWay& all_;
    const std::vector<std::size_t> names_;
  };
  // Waits until nobody else has one of them: as long as a request takes at most.
  Turn wait_for(const std::vector<truth::ParsedLabel>& items);

 private:
  void leave(const std::vector<std::size_t>& names);

  std::mutex mutex_;
  std::condition_variable left_;
  std::unordered_set<std::size_t> names_;  // Hashed.
};

class PairLabels {
 public:
  // All must outlive it.
  PairLabels(truth::PredictionLog& log, PairLink& link, LabelPass& pass)
      : log_(log), link_(link), pass_(pass) {}

  // Of a client. 503 where the log cannot take them: sending them again is safe, to this agent.
  net::HttpResponse take(const net::HttpRequest& request);

 private:
  net::HttpResponse take_alone(const net::HttpRequest& request, truth::LabelItems items,
                               std::vector<bool> claimed);
  void tell_other(const net::HttpRequest& request, const std::vector<truth::LabelAnswer>& answers);

  truth::PredictionLog& log_;
  PairLink& link_;
  LabelPass& pass_;
  LabelsUnderWay under_way_;
};

// Of the other agent, which asks this one to count them, but for those that it counts itself.
net::HttpResponse count_for_other(truth::PredictionLog& log, const net::HttpRequest& request);

}  // namespace outrider::fleet
