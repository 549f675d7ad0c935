// SPDX-License-Identifier: Apache-2.0
#pragma once

// Of prediction_log.cpp alone: callers that wait for the log's owner, with what they bring.

#include <algorithm>
#include <deque>
#include <future>
#include <memory>
#include <utility>
#include <vector>

#include "base/core/result.h"
#include "truth/log/prediction_log.h"

namespace outrider::truth {

// Labels of one caller of join().
struct LabelCaller {
  std::vector<GroundTruth> labels;
  JoinOptions options;
  Time arrived{};
  std::promise<Result<std::vector<LabelAnswer>>> answer;
};

// A shipment, and names to erase, likewise.
struct ShipmentCaller {
  DecodedShipment shipment;
  std::promise<Result<ShipmentTaken>> answer;
};
struct EraseCaller {
  std::vector<EraseWish> wishes;
  std::promise<Result<std::vector<Erased>>> answer;
};

// A queue of callers. What each of them brings is weighed, and the sum of it bounded; one alone is
// always taken. Its user locks.
template <class Caller>
class Waiting {
 public:
  using Callers = std::vector<std::shared_ptr<Caller>>;

  bool has_room_for(std::size_t weight, std::size_t max) const {
    return weight_ == 0 || weight_ + weight <= max;
  }
  void push(std::shared_ptr<Caller> caller, std::size_t weight) {
    weight_ += weight;
    callers_.emplace_back(std::move(caller), weight);
  }
  // Takes callers from the front while they weigh no more than `max` together; one at least.
  Callers take(std::size_t max) {
    Callers taken;
    std::size_t sum = 0;
    while (!callers_.empty()) {
      const std::size_t weight = callers_.front().second;
      if (!taken.empty() && sum + weight > max) break;
      sum += weight;
      weight_ -= weight;
      taken.push_back(std::move(callers_.front().first));
      callers_.pop_front();
    }
    return taken;
  }
  void give_up(const std::shared_ptr<Caller>& caller) {
    const auto place = std::find_if(callers_.begin(), callers_.end(),
                                    [&](const auto& one) { return one.first == caller; });
    if (place == callers_.end()) return;
    weight_ -= place->second;
    callers_.erase(place);
  }
  bool empty() const { return callers_.empty(); }
  std::size_t weight() const { return weight_; }

 private:
  std::deque<std::pair<std::shared_ptr<Caller>, std::size_t>> callers_;
  std::size_t weight_ = 0;
};

template <class Caller>
void refuse(std::vector<std::shared_ptr<Caller>>& callers, const Error& why) {
  for (const auto& caller : callers) caller->answer.set_value(Failure(why));
  callers.clear();
}

}  // namespace outrider::truth
