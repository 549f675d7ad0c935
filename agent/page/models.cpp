// SPDX-License-Identifier: Apache-2.0
#include "agent/page/models.h"

#include <algorithm>
#include <array>
#include <functional>
#include <map>
#include <tuple>

#include "agent/page/markup.h"
#include "base/core/enum_names.h"
#include "base/core/text.h"

namespace outrider::page {
namespace {

using incident::Identity;

constexpr std::array<EnumName<Asked>, 11> asked_names = {{{Asked::traffic, "traffic"},
                                                          {Asked::failures, "failures"},
                                                          {Asked::versions, "versions"},
                                                          {Asked::accuracy, "accuracy"},
                                                          {Asked::labels, "labels"},
                                                          {Asked::since_change, "accuracy alarms"},
                                                          {Asked::alarm, "accuracy alarms"},
                                                          {Asked::promised, "promised accuracy"},
                                                          {Asked::provisional, "promised accuracy"},
                                                          {Asked::drift, "drift"},
                                                          {Asked::owner, "owners"}}};

int gravity(std::string_view severity) {
  if (severity == "critical") return 3;
  if (severity == "warning") return 2;
  return severity.empty() ? 0 : 1;
}

Identity unversioned(Identity who) {
  who.version.clear();
  return who;
}

// The lines by model's name.
class Board {
 public:
  explicit Board(const Fleet& fleet) {
    for (const ModelFigures& figures : fleet.models) {
      ModelLine& line = add(figures.who);
      line.owner = figures.owner;
      line.figures = figures;
    }
  }

  // The one that this may be about; a new one where none or several may be.
  ModelLine& line_of(const Identity& who) {
    if (ModelLine* found = find(who)) return *found;
    return add(who);
  }

  ModelLine* find(const Identity& who) {
    const auto named = by_name_.find(who.model);
    if (named == by_name_.end()) return nullptr;
    ModelLine* only = nullptr;
    std::size_t fitting = 0;
    for (const std::size_t index : named->second) {
      ModelLine& line = lines_[index];
      if (unversioned(line.who) == unversioned(who)) return &line;
      if (!incident::may_be_same(line.who, who)) continue;
      only = &line;
      ++fitting;
    }
    return fitting == 1 ? only : nullptr;
  }

  // Those that a change of this place is about.
  void each(const Identity& who, const std::function<void(ModelLine&)>& use) {
    for (ModelLine& line : lines_) {
      Identity changed = who;
      if (changed.model.empty()) changed.model = line.who.model;
      const bool is_named = !who.model.empty() || !who.workload.empty();
      if (is_named && incident::may_be_same(line.who, changed)) use(line);
    }
  }

  std::vector<ModelLine> take() { return std::move(lines_); }

 private:
  ModelLine& add(const Identity& who) {
    by_name_[who.model].push_back(lines_.size());
    lines_.push_back({.who = who});
    return lines_.back();
  }

  std::vector<ModelLine> lines_;
  std::map<std::string, std::vector<std::size_t>> by_name_;
};

void tell_incident(ModelLine& line, const incident::Incident& incident) {
  if (line.owner.empty()) line.owner = incident.owner;
  if (line.who.version.empty()) line.who.version = incident.version;
  if (!incident.open) return;
  ++line.open;
  if (gravity(incident.severity) <= gravity(line.worst) && !line.incident.empty()) return;
  line.worst = incident.severity;
  line.incident = incident.id;
}

double gap(const ModelLine& line) {
  if (!line.figures || !line.figures->accuracy || !line.figures->promised) return -1;
  return *line.figures->promised - *line.figures->accuracy;
}

double known_or(const ModelLine& line, std::optional<double> ModelFigures::*which, double other) {
  return line.figures ? (*line.figures.*which).value_or(other) : other;
}

auto name_key(const ModelLine& line) {
  return std::tie(line.who.model, line.who.cluster, line.who.name_space, line.who.workload);
}

bool is_worse(const ModelLine& a, const ModelLine& b) {
  const auto key = [](const ModelLine& line) {
    return std::tuple(-static_cast<int>(line.state()), line.open, gap(line),
                      known_or(line, &ModelFigures::failed, 0),
                      known_or(line, &ModelFigures::drift, 0));
  };
  const auto of_a = key(a), of_b = key(b);
  return of_a != of_b ? of_a > of_b : name_key(a) < name_key(b);
}

// Whether `a` stands before `b`; what is not known comes last.
std::function<bool(const ModelLine&, const ModelLine&)> order(const std::string& sort) {
  const auto by = [](auto value) {
    return [value](const ModelLine& a, const ModelLine& b) {
      const double of_a = value(a), of_b = value(b);
      return of_a != of_b ? of_a > of_b : name_key(a) < name_key(b);
    };
  };
  const auto largest = [&by](std::optional<double> ModelFigures::*which) {
    return by([which](const ModelLine& line) { return known_or(line, which, -1); });
  };
  if (sort == "name") {
    return [](const ModelLine& a, const ModelLine& b) { return name_key(a) < name_key(b); };
  }
  if (sort == "accuracy")
    return by([](const ModelLine& line) { return -known_or(line, &ModelFigures::accuracy, 2); });
  if (sort == "traffic") return largest(&ModelFigures::traffic);
  if (sort == "failures") return largest(&ModelFigures::failed);
  if (sort == "drift") return largest(&ModelFigures::drift);
  if (sort == "changed") {
    return by([](const ModelLine& line) {
      return line.change ? to_seconds(line.change->at.time_since_epoch()) : -1;
    });
  }
  return is_worse;
}

bool has(std::string_view text, const std::string& part) {
  return lower_ascii(text).find(part) != std::string::npos;
}

bool is_in_state(const ModelLine& line, const std::string& wanted) {
  const State state = line.state();
  if (wanted == "trouble") return state < State::unknown;
  if (wanted == "incident") return line.open > 0;
  if (wanted == "unknown") return state == State::unknown || state == State::quiet;
  return true;
}

bool is_asked_for(const ModelLine& line, const ModelsView& view) {
  const auto is = [](const std::string& asked, const std::string& value) {
    return asked.empty() || asked == value;
  };
  if (!is(view.owner, line.owner) || !is(view.cluster, line.who.cluster) ||
      !is(view.name_space, line.who.name_space) || !is_in_state(line, view.state)) {
    return false;
  }
  const std::string search = lower_ascii(trim(view.search));
  if (search.empty()) return true;
  const Identity& who = line.who;
  for (const std::string& text :
       {who.model, who.version, who.workload, who.name_space, who.cluster, line.owner}) {
    if (has(text, search)) return true;
  }
  return false;
}

}  // namespace

std::string model_address(const incident::Identity& who) {
  return address("/model", {{"cluster", who.cluster},
                            {"namespace", who.name_space},
                            {"workload", who.workload},
                            {"model", who.model}});
}

std::string_view name(Asked what) {
  return enum_name(asked_names, what);
}

State ModelLine::state() const {
  if (open > 0) return worst == "critical" ? State::critical : State::warning;
  if (!figures) return State::unknown;
  if (figures->alarm) return State::alarm;
  if (figures->drift.value_or(0) > 1) return State::drift;
  if (figures->unanswered != 0) return State::unknown;
  if (!figures->traffic || *figures->traffic == 0) return State::quiet;
  return figures->accuracy ? State::fine : State::unknown;
}

std::string ModelLine::state_text() const {
  switch (state()) {
    case State::critical:
    case State::warning:
      return plural(open, "open incident") + (worst.empty() ? "" : ": " + worst);
    case State::alarm:
      return "accuracy alarm";
    case State::drift:
      return "inputs moved";
    case State::quiet:
      return "no requests";
    case State::fine:
      return "no alarm";
    case State::unknown:
      break;
  }
  if (!figures) return "no figures";
  return figures->unanswered != 0 ? "not answered" : "no labels yet";
}

std::vector<ModelLine> model_lines(const Fleet& fleet, const std::vector<incident::Incident>& open,
                                   const std::vector<incident::Incident>& resolved,
                                   const std::vector<decide::Action>& actions,
                                   const std::vector<incident::Change>& changes) {
  Board board(fleet);
  for (const auto* list : {&open, &resolved}) {
    for (const incident::Incident& incident : *list) {
      if (!incident.model.empty()) tell_incident(board.line_of(incident.identity()), incident);
    }
  }
  for (const decide::Action& action : actions) {
    ModelLine* line = action.model.empty() ? nullptr : board.find(action.identity());
    if (line == nullptr || (line->acted_at && *line->acted_at >= action.updated_at)) continue;
    line->acted_at = action.updated_at;
    line->last_action =
        std::string(decide::name(action.kind)) + " " + std::string(decide::name(action.outcome));
  }
  for (const incident::Change& change : changes) {
    board.each(change.identity(), [&change](ModelLine& line) {
      if (!line.change || line.change->at < change.at) line.change = change;
    });
  }
  return board.take();
}

const std::vector<std::pair<std::string, std::string>>& sort_orders() {
  static const std::vector<std::pair<std::string, std::string>> orders = {
      {"worst", "worst first"},        {"name", "name"},
      {"accuracy", "lowest accuracy"}, {"traffic", "most traffic"},
      {"failures", "most failures"},   {"drift", "most drift"},
      {"changed", "changed last"}};
  return orders;
}

const std::vector<std::pair<std::string, std::string>>& state_filters() {
  static const std::vector<std::pair<std::string, std::string>> filters = {
      {"", "every state"},
      {"trouble", "in trouble"},
      {"incident", "with an open incident"},
      {"unknown", "not judged"}};
  return filters;
}

ShownModels shown_models(const std::vector<ModelLine>& lines, const ModelsView& view) {
  std::vector<const ModelLine*> matching;
  for (const ModelLine& line : lines) {
    if (is_asked_for(line, view)) matching.push_back(&line);
  }
  const auto before = order(view.sort);
  std::sort(matching.begin(), matching.end(),
            [&before](const ModelLine* a, const ModelLine* b) { return before(*a, *b); });
  ShownModels shown;
  shown.matching = matching.size();
  shown.pages = std::max<std::size_t>(1, (matching.size() + models_a_page - 1) / models_a_page);
  shown.page = std::clamp<std::size_t>(view.page, 1, shown.pages);
  const std::size_t first = (shown.page - 1) * models_a_page;
  for (std::size_t i = first; i < std::min(first + models_a_page, matching.size()); ++i)
    shown.lines.push_back(matching[i]);
  return shown;
}

}  // namespace outrider::page
