// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/pair_labels.h"

#include <algorithm>
#include <functional>

namespace outrider::fleet {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using truth::LabelAnswer;
using truth::LabelResult;

bool is_kept(const LabelAnswer& answer) {
  return answer.result == LabelResult::joined || answer.result == LabelResult::duplicate ||
         answer.result == LabelResult::early;
}

std::vector<bool> counted_here(const std::vector<LabelAnswer>& answers) {
  std::vector<bool> counted;
  for (const LabelAnswer& answer : answers) counted.push_back(is_kept(answer) && !answer.uncounted);
  return counted;
}

// What this request has left to the other, but for what that has in its hands.
std::vector<bool> left_over(const std::vector<LabelAnswer>& answers,
                            const std::vector<bool>& in_hand) {
  std::vector<bool> left;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const bool is_new =
        answers[i].result == LabelResult::joined || answers[i].result == LabelResult::early;
    // An answer that is too short says nothing of the rest: it is not counted by guess.
    left.push_back(is_new && answers[i].uncounted && i < in_hand.size() && !in_hand[i]);
  }
  return left;
}

bool any(const std::vector<bool>& each) {
  return std::find(each.begin(), each.end(), true) != each.end();
}

}  // namespace

LabelsUnderWay::Turn LabelsUnderWay::wait_for(const std::vector<truth::ParsedLabel>& items) {
  std::vector<std::size_t> names;
  for (const truth::ParsedLabel& item : items) {
    if (item.label) names.push_back(std::hash<std::string>()(item.label->id));
  }
  std::sort(names.begin(), names.end());
  names.erase(std::unique(names.begin(), names.end()), names.end());
  std::unique_lock hold(mutex_);
  left_.wait(hold, [&] {
    return std::none_of(names.begin(), names.end(),
                        [this](std::size_t name) { return names_.contains(name); });
  });
  names_.insert(names.begin(), names.end());
  return Turn(*this, std::move(names));
}

void LabelsUnderWay::leave(const std::vector<std::size_t>& names) {
  {
    const std::lock_guard hold(mutex_);
    for (const std::size_t name : names) names_.erase(name);
  }
  left_.notify_all();
}

HttpResponse PairLabels::take(const HttpRequest& request) {
  truth::LabelItems items = truth::read_labels(request);
  if (!items) return truth::take_labels(log_, request, std::move(items), {}).response;
  const LabelsUnderWay::Turn turn = under_way_.wait_for(*items);
  const bool in_doubt = request.query_value(truth::in_doubt_parameter) == "true";
  if (!in_doubt && !link_.other_counts()) return take_alone(request, std::move(items), {});

  truth::TakenLabels taken = truth::take_labels(log_, request, std::move(items), {.passed = true});
  if (taken.answers.empty()) {
    // No label among them: it says so again, and counts them as invalid here.
    return taken.response.status < 500 ? truth::handle_labels(log_, request, {}) : taken.response;
  }
  const PairLink::Asked asked = in_doubt ? PairLink::Asked{PairLink::State::in_doubt, {}}
                                         : link_.ask(request, counted_here(taken.answers));
  switch (asked.state) {
    case PairLink::State::not_reached: {
      const std::vector<bool> none(taken.answers.size());
      HttpResponse response =
          take_alone(request, truth::read_labels(request), left_over(taken.answers, none));
      if (response.status >= 500) return response;
      break;
    }
    case PairLink::State::in_doubt:
      link_.ask_later(request, counted_here(taken.answers));
      break;
    case PairLink::State::counted_there: {
      std::vector<bool> claimed = left_over(taken.answers, asked.in_hand);
      if (!any(claimed)) break;
      std::vector<bool> others = claimed;
      others.flip();
      const auto after = truth::take_labels(
          log_, request, truth::read_labels(request),
          {.each_passed = std::move(others), .claimed = std::move(claimed), .asked = true});
      if (after.answers.empty()) return after.response;
      break;
    }
  }
  return taken.response;
}

// The other is away: labels are counted here, but for those that it may have counted.
HttpResponse PairLabels::take_alone(const HttpRequest& request, truth::LabelItems items,
                                    std::vector<bool> claimed) {
  truth::TakenLabels taken =
      truth::take_labels(log_, request, std::move(items), {.claimed = std::move(claimed)});
  if (!taken.answers.empty()) tell_other(request, taken.answers);
  return std::move(taken.response);
}

void PairLabels::tell_other(const HttpRequest& request, const std::vector<LabelAnswer>& answers) {
  const bool in_doubt = std::any_of(answers.begin(), answers.end(),
                                    [](const LabelAnswer& answer) { return answer.uncounted; });
  if (in_doubt) {
    link_.ask_later(request, counted_here(answers));
  } else {
    pass_.add(request);
  }
}

HttpResponse count_for_other(truth::PredictionLog& log, const HttpRequest& request) {
  const auto asked = read_question(request.body);
  if (!asked) return net::error_response(400, asked.error().code, asked.error().message);
  return truth::handle_labels(log, asked->labels, {.each_passed = asked->counted_there});
}

}  // namespace outrider::fleet
