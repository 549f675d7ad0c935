// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/references/reference_set.h"

#include <algorithm>
#include <iterator>
#include <memory>
#include <utility>

namespace outrider::monitor {

using monitor::SharedReference;

void ReferenceSet::move_to(const monitor::ModelConfig& settings) {
  constexpr std::size_t files_of_entry = 4;  // Versions of one model that are about at one time.
  common_.move_to(settings.reference, std::max(ReferenceFolder::files_max_default,
                                               files_of_entry * settings.models.size()));
  places_.clear();
  for (const auto& [model, own] : settings.models) {
    if (own.reference.empty()) continue;
    places_[model] = own.reference;
    own_.try_emplace(own.reference, own.reference);
  }
  std::erase_if(own_, [this](const auto& folder) {
    return std::none_of(places_.begin(), places_.end(),
                        [&](const auto& place) { return place.second == folder.first; });
  });
  moved_ = true;
}

bool ReferenceSet::refresh(ReferenceFolder& folder) {
  const bool changed = folder.refresh();
  problems_.insert(problems_.end(), folder.problems().begin(), folder.problems().end());
  return changed;
}

ReferenceSet::Changed ReferenceSet::refresh() {
  problems_.clear();
  Changed changed{.trained = std::exchange(moved_, false)};
  for (auto& [place, folder] : own_) changed.trained = refresh(folder) || changed.trained;
  changed.trained = refresh(common_) || changed.trained;
  changed.learned = refresh(provisional_);
  prune_provisional();
  if (!changed.trained) return changed;
  if (!common_.left_out().empty()) {
    problems_.push_back("the place of references has too many: the oldest " +
                        std::to_string(common_.left_out().size()) + " are not read, such as " +
                        common_.left_out().front().string() + "; take away what serves no more");
  }
  for (const auto& [model, place] : places_) {
    if (!own_of(model, place).empty()) continue;
    problems_.push_back("models." + model + ".reference: " + place + " has none that names '" +
                        model + "' or no model; write one with profile --model.name " + model);
  }
  return changed;
}

// Models and versions come and go with the traffic; what they left would gather on disk.
void ReferenceSet::prune_provisional() {
  std::error_code ignored;
  for (const auto& file : provisional_.left_out()) std::filesystem::remove(file, ignored);
}

std::vector<SharedReference> ReferenceSet::own_of(const std::string& model,
                                                  const std::string& place) const {
  std::vector<SharedReference> found;
  for (const SharedReference& one : own_.at(place).references()) {
    if (one->model_name == model) found.push_back(one);
    if (!one->model_name.empty()) continue;
    auto named = std::make_shared<reference::ModelReference>(*one);
    named->model_name = model;
    found.push_back(std::move(named));
  }
  return found;
}

std::vector<SharedReference> ReferenceSet::references() const {
  std::vector<SharedReference> all;
  const auto add = [&all](std::vector<SharedReference> more) {
    all.insert(all.end(), std::make_move_iterator(more.begin()),
               std::make_move_iterator(more.end()));
  };
  for (const auto& [model, place] : places_) add(own_of(model, place));
  add(common_.references());
  add(provisional_.references());
  return all;
}

}  // namespace outrider::monitor
