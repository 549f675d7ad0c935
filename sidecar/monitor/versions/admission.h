// SPDX-License-Identifier: Apache-2.0
#pragma once

// Admission: which names from the traffic get series of their own. PURE; it decides and changes
// nothing.
//
// Names come from paths and bodies, so anybody can make them up. A model whose name somebody
// vouches for (an entry of `models`, model.name, model.allow, a reference from training) has its
// name always and takes no slot. Of all other names:
//   answered   takes one of limits.models slots; where all are taken, that of a name that never was answered,
//              else that of the model which has been idle longest
//   failed     (5xx, no answer in time) takes a slot while few such names hold one: a deployment that only
//              crashes is seen by its name, and a server that answers 500 to made-up names keeps
//              the others
//   refused    (4xx) takes none: it is counted as `other`
// The same holds for the versions of one model, with limits.versions. The version that stands for
// traffic which tells none takes no slot.
//
// A name that leaves takes its counts along; nothing adds them to `other`. What it had as `other`
// before it was admitted stays there.

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "sidecar/monitor/decode/observation.h"
#include "sidecar/monitor/versions/version_monitor.h"

namespace outrider::monitor {

// What an exchange shows of the model that it names.
enum class Evidence : std::uint8_t { refused, failed, answered };
Evidence evidence_of(const decode::Observation& observation);

using NameSet = std::set<std::string, std::less<>>;

// A name as it may stand in a label: `other` for one that is too long or no text.
std::string clean_name(std::string_view name);

class Admission {
 public:
  struct Parts {
    const ModelConfig& settings;
    const NameSet& vouched;  // Models that have their names always.
    std::span<const std::unique_ptr<VersionMonitor>> versions;
    std::function<bool(const VersionMonitor&)> in_use;  // It cannot leave: a label is under way.
    Time now;
  };
  struct Decision {
    VersionName name;  // As asked for, or with `other` in it.
    std::vector<const VersionMonitor*> leaving;
    enum class TurnedAway : std::uint8_t {
      nothing,
      model,
      version
    } turned_away = TurnedAway::nothing;
  };

  explicit Admission(Parts parts) : parts_(std::move(parts)) {}

  // For a name that is not among the versions. Linear in these.
  Decision decide(VersionName name, Evidence evidence) const;

 private:
  // A model or a version: what a slot holds.
  struct Holder {
    std::vector<const VersionMonitor*> versions;
    bool proven = false, idle = true, in_use = false;
    Time last_active{};
  };
  bool is_listed(std::string_view model) const;
  bool has_model(std::string_view model) const;
  void add_to(Holder& holder, const VersionMonitor& version) const;
  std::vector<Holder> models() const;
  std::vector<Holder> versions_of(std::string_view model) const;
  static bool find_room(const std::vector<Holder>& holders, std::size_t limit, Evidence evidence,
                        std::vector<const VersionMonitor*>& leaving);

  Parts parts_;
};

}  // namespace outrider::monitor
