// SPDX-License-Identifier: Apache-2.0
#pragma once

// The model that answers now. SHELL: it reads the registry. Thread-safe.
//
// A request takes current() once and keeps it to its end, so a swap in between changes nothing for
// it: each answer comes whole from one version, and the old model lives until its last request is
// done. A new version that cannot be read leaves the old one serving.

#include <list>
#include <memory>
#include <mutex>
#include <string>

#include "base/core/result.h"
#include "predictor/model/model.h"
#include "predictor/registry/registry.h"
#include "predictor/serve/serve_metrics.h"

namespace outrider::serve {

struct ServedModel {
  std::string version;
  model::Model model;
  VersionCounters counters;
};
using ServedModelPtr = std::shared_ptr<const ServedModel>;

class LiveModel {
 public:
  static constexpr std::size_t other_versions_max =
      8;  // Kept loaded beside production, last used first.

  LiveModel(const registry::Registry& registry, ServeMetrics& metrics)
      : registry_(registry), metrics_(metrics) {}

  ServedModelPtr current() const;  // Null when nothing was promoted yet.
  // Any version by name, loaded when first asked for.
  Result<ServedModelPtr> version(std::string_view name);

  // Takes up what is production now, when the stages changed since the last look (or `always`).
  // Errors: those of reading; the model that served still serves.
  Result<void> refresh(bool always = false);

 private:
  Result<ServedModelPtr> load(const std::string& version) const;

  const registry::Registry& registry_;
  ServeMetrics& metrics_;
  mutable std::mutex mutex_;  // Guards current_ and others_, never held while reading files.
  ServedModelPtr current_;
  std::list<ServedModelPtr> others_;
  std::mutex refresh_mutex_;  // One refresh at a time; guards seen_mark_.
  std::string seen_mark_ = "never";
};

}  // namespace outrider::serve
