// SPDX-License-Identifier: Apache-2.0
#include "predictor/serve/live_model.h"

#include <spdlog/spdlog.h>

#include "predictor/train/promotion.h"

namespace outrider::serve {

ServedModelPtr LiveModel::current() const {
  std::lock_guard lock(mutex_);
  return current_;
}

Result<ServedModelPtr> LiveModel::load(const std::string& version) const {
  auto model = train::load_model(registry_, version);
  if (!model) return fail(model);
  return std::make_shared<const ServedModel>(
      ServedModel{version, std::move(*model), metrics_.version_counters(version)});
}

Result<ServedModelPtr> LiveModel::version(std::string_view name) {
  const auto found = registry_.find(name);
  if (!found) return fail(found);
  {
    std::lock_guard lock(mutex_);
    if (current_ && current_->version == *found) return current_;
    for (auto place = others_.begin(); place != others_.end(); ++place) {
      if ((*place)->version != *found) continue;
      others_.splice(others_.begin(), others_, place);
      return others_.front();
    }
  }
  auto loaded = load(*found);
  if (!loaded) return loaded;
  std::lock_guard lock(mutex_);
  others_.push_front(*loaded);
  if (others_.size() > other_versions_max) others_.pop_back();
  return loaded;
}

Result<void> LiveModel::refresh(bool always) {
  std::lock_guard refreshing(refresh_mutex_);
  const std::string mark = registry_.stages_mark();
  if (mark == seen_mark_ && !always) return {};
  seen_mark_ = mark;
  const auto stages = registry_.stages();
  const std::string production = stages ? stages->production : "";
  const ServedModelPtr serving = current();
  if (stages && (production.empty() || (serving && serving->version == production))) return {};
  auto next = stages ? load(production) : Result<ServedModelPtr>(fail(stages));
  if (!next) {
    metrics_.reload_failures().Increment();
    spdlog::error("cannot take up {}: {}; {} keeps serving",
                  production.empty() ? "production" : production, next.error().message,
                  serving ? serving->version : "nothing");
    return fail(next);
  }
  {
    std::lock_guard lock(mutex_);
    current_ = *next;
  }
  metrics_.swaps().Increment();
  spdlog::info("serving {} {}{}", registry_.model_name(), production,
               serving ? " instead of " + serving->version : "");
  return {};
}

}  // namespace outrider::serve
