// SPDX-License-Identifier: Apache-2.0
#pragma once

// ReferenceSet: every reference on disk that may judge a version: those of each model's own place,
// those of the configuration's common place, and the provisional ones that this sidecar learned.
// SHELL; one thread.
//
//   ReferenceSet set(data_dir / "provisional");
//   set.move_to(settings);                               // at the start and after each reload
//   if (set.refresh().any()) monitor.set_references(set.references(), now);
//
// A reference in a model's own place judges that model alone: where it names none, it is given the
// model's name; where it names another, it is passed over. A place that has none for its model is
// told in problems(). Of the provisional references the newest 256 stay on disk.

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "sidecar/monitor/references/reference_folder.h"
#include "sidecar/monitor/versions/model_config.h"

namespace outrider::monitor {

class ReferenceSet {
 public:
  explicit ReferenceSet(const std::filesystem::path& provisional) : provisional_(provisional) {}

  void move_to(const monitor::ModelConfig& settings);  // Takes effect at refresh().
  struct Changed {
    bool trained = false, learned = false;
    bool any() const { return trained || learned; }
  };
  Changed refresh();
  // The one that counts comes first: a model's own, then the common, then the provisional ones.
  std::vector<monitor::SharedReference> references() const;
  // Of the last refresh: what could not be read, or judges nobody.
  const std::vector<std::string>& problems() const { return problems_; }

 private:
  bool refresh(ReferenceFolder& folder);
  void prune_provisional();
  std::vector<monitor::SharedReference> own_of(const std::string& model,
                                               const std::string& place) const;

  ReferenceFolder common_{""};
  std::map<std::string, ReferenceFolder> own_;              // By place.
  std::map<std::string, std::string, std::less<>> places_;  // By model.
  ReferenceFolder provisional_;
  bool moved_ = false;
  std::vector<std::string> problems_;
};

}  // namespace outrider::monitor
