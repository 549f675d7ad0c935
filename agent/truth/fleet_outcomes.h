// SPDX-License-Identifier: Apache-2.0
#pragma once

// Outcomes of the labels that were joined here, by cluster, namespace, workload, model and version:
// the metrics of sidecars that stand alone, under the labels that those would have had, so that
// sums over sidecars and agents count a label once. No I/O; collect(), status() and the rest are
// thread-safe.
//
// How a label is judged is what the sidecars say that shipped the version's predictions, as of the
// last shipment: kept on disk, since labels come when no sidecar of that version is left.

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/net/access.h"
#include "base/wire/exposition.h"
#include "base/wire/json.h"
#include "truth/correctness.h"
#include "truth/outcomes.h"
#include "truth/truth_consumer.h"

namespace outrider::fleet {

class FleetOutcomes final : public truth::TruthConsumer, public wire::Collector {
 public:
  // Past so many versions, further ones are counted together, as model and version "other".
  explicit FleetOutcomes(std::size_t versions_max = 2'000) : versions_max_(versions_max) {}

  // truth/truth_consumer.h. Called by the log's owner.
  void restore(std::span<const truth::StateBlob> blobs) override;
  void on_joined(const truth::JoinedRow& row) override;
  void changed_state(truth::StateWriter& out) override;
  void committed() override;
  bool on_model(const truth::ShippedModel& model) override;
  truth::SampleBounds sample_of(const truth::Scope* scope) const override;

  void collect(wire::MetricSink& sink) override;
  // Of each version: whose it is, and its labels since the store was made.
  // Of those that the limits (null: none) reach to.
  wire::Json status(const net::Scope* limits = nullptr) const;
  // Joined labels of the freshness probe, which are in nothing else here.
  std::uint64_t probes() const;

 private:
  using Name = std::pair<std::string, std::string>;  // Scoped model, version.
  // What is on disk, and what is about to be.
  struct Kept {
    truth::JudgeRule rule;
    std::vector<std::string> segments;
    truth::Sample sample;
    std::uint64_t correct = 0, wrong = 0;
    Time newest{};
  };
  struct Version {
    Kept kept;
    truth::Outcomes outcomes{truth::Outcomes::Limits{}};
    Time newest{};  // Of the outcomes.
  };
  struct Pending {
    Name name;
    truth::Judgement judgement;
    std::string segment;
    Time predicted{};
  };
  static std::string encode(const Name& name, const Kept& kept);
  static bool decode(std::string_view bytes, Name& name, Kept& kept);
  std::pair<const Name, Version>& version_of(const Name& name);
  template <class Write>
  void each(Write write) const;
  void collect_outcomes(wire::MetricSink& sink) const;
  void collect_errors(wire::MetricSink& sink) const;

  const std::size_t versions_max_;
  mutable std::mutex mutex_;
  std::map<Name, Version> versions_;
  std::set<Name> changed_;
  std::vector<Pending> pending_;
  std::uint64_t probes_ = 0, pending_probes_ = 0;
};

}  // namespace outrider::fleet
