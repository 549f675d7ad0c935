// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/model_counters.h"

#include <algorithm>
#include <cstring>

namespace outrider::tap {
namespace {

// What the model server made of a request says that it knows the model; the caller's own mistakes
// do not.
bool confirms(Outcome outcome) {
  return outcome == Outcome::success || outcome == Outcome::server_error ||
         outcome == Outcome::timeout || outcome == Outcome::unreachable;
}

}  // namespace

std::string_view ModelCounters::name() const {
  const std::size_t bytes = name_bytes.load(std::memory_order_acquire);
  return {name_text.data(), std::min(bytes, name_text.size())};
}

ModelTable::ModelTable(std::span<ModelCounters> slots, std::span<const double> bounds,
                       ProxyCounters& counters)
    : slots_(slots), turned_away_(counters.requests_of_other_models) {
  for (const double seconds : bounds.first(std::min(bounds.size(), latency_bounds_max)))
    bounds_.push_back(static_cast<std::uint64_t>(seconds * 1e9 + .5));
  add(unknown_model);
  add(other_model);
}

ModelTable::Slot ModelTable::add(std::string_view name) {
  const auto slot = static_cast<Slot>(names_.size());
  by_name_.emplace(names_.emplace_back(name), slot);
  ModelCounters& counters = slots_[slot];
  std::memcpy(counters.name_text.data(), name.data(), name.size());
  counters.name_bytes.store(static_cast<std::uint32_t>(name.size()), std::memory_order_release);
  return slot;
}

ModelTable::Slot ModelTable::find(std::string_view name) const {
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? none : found->second;
}

ModelTable::Slot ModelTable::take(std::string_view name) {
  if (const Slot known = find(name); known != none) return known;
  if (names_.size() < slots_.size() && is_model_name(name)) return add(name);
  turned_away_.add();
  return other;
}

std::shared_ptr<const std::string> ModelTable::keep_new(std::string_view name) {
  name = name.substr(0, model_name_bytes_max + 1);  // Enough to see that it is too long.
  if (new_name_ == nullptr || *new_name_ != name)
    new_name_ = std::make_shared<const std::string>(name);
  return new_name_;
}

void RequestModel::name(ModelTable& table, std::string_view name) {
  if (name.empty()) return;
  is_named_ = true;
  new_name_.reset();
  if (table.is_name_of(slot_, name)) return;
  if (const ModelTable::Slot known = table.find(name); known != ModelTable::none) {
    slot_ = known;
  } else {
    new_name_ = table.keep_new(name);
  }
}

void RequestModel::count(ModelTable& table, Outcome outcome, int code, std::uint64_t nanoseconds) {
  ModelTable::Slot slot = is_named_ ? slot_ : ModelTable::unknown;
  if (new_name_ != nullptr) {
    slot = ModelTable::unknown;
    if (confirms(outcome)) slot = slot_ = table.take(*new_name_);
  }
  table.count(slot, outcome, code);
  table.observe(slot, nanoseconds);
}

}  // namespace outrider::tap
