// SPDX-License-Identifier: Apache-2.0
#pragma once

// Monitor: the models and versions that this sidecar has seen, and what is known of each. PURE, not
// thread-safe: whoever shares it between threads holds a lock.
//
//   Monitor monitor(settings, now);
//   monitor.observe(observation, now);            // each decoded exchange
//   monitor.advance(now);                         // each second or so
//   monitor.set_references(references);           // when the folder of references changed
// It is the prediction log's TruthConsumer: joined labels come in on the log's own thread, under
// the same lock.
//
// Bounds: limits.models and limits.versions, as admission.h has it: what gets no slot is `other`,
// counted and not judged. A model that the configuration or a reference names is not counted
// against limits.models.

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/wire/json.h"
#include "sidecar/monitor/decode/observation.h"
#include "sidecar/monitor/versions/admission.h"
#include "sidecar/monitor/versions/version_monitor.h"
#include "truth/correctness.h"
#include "truth/truth_consumer.h"

namespace outrider::monitor {

class Monitor final : public truth::TruthConsumer {
 public:
  Monitor(ModelConfig settings, Time now);

  // The version that it counts for; its name is valid until the next call.
  const VersionName& observe(const decode::Observation& observation, Time now);
  void advance(Time now);

  void set_references(std::vector<SharedReference> references, Time now);
  // Whom a reference judges: what it does not name itself is what the configuration names.
  VersionName subject_of(const reference::ModelReference& reference) const;
  // A version that learned enough of its inputs; the rows are for the caller to build from.
  struct Learned {
    VersionName name;
    std::unique_ptr<reference::ProvisionalReference> rows;
  };
  std::vector<Learned> take_learned();
  void set_provisional(SharedReference reference, Time now);
  // True once after a version appeared: its reference may have come with it.
  bool take_wants_references() { return std::exchange(wants_references_, false); }

  // New settings. Tolerance and limits hold from here on; what accuracy is judged by (slack, run
  // length) holds for versions that appear later, because evidence against another null says
  // nothing.
  void set_settings(ModelConfig settings);
  // How a label of this version would be judged.
  truth::JudgeRule judge_rule(std::string_view model, std::string_view version) const;
  const ModelConfig& settings() const { return settings_; }

  // truth::TruthConsumer
  void restore(std::span<const truth::StateBlob> blobs) override;
  void on_joined(const truth::JoinedRow& row) override;
  void changed_state(truth::StateWriter& out) override;
  void committed() override;

  const std::vector<std::unique_ptr<VersionMonitor>>& versions() const { return versions_; }
  std::uint64_t models_turned_away() const { return turned_away_.models; }
  std::uint64_t versions_turned_away() const { return turned_away_.versions; }
  // Labels, of versions that left too: counters do not fall.
  std::uint64_t segments_turned_away() const;
  std::uint64_t classes_turned_away() const;
  // How often a version had to learn its inputs anew, as limits.learning was reached.
  std::uint64_t learning_given_up() const { return learning_given_up_; }
  std::uint64_t blobs_refused() const { return turned_away_.blobs; }
  const std::string& last_refusal() const { return last_refusal_; }

  // Windows and rules of the inputs, to survive a restart; accuracy's state is with the labels.
  struct InputState {
    VersionName name;
    std::string reference;  // The reference's hash.
    std::string bytes;
  };
  std::vector<InputState> input_states() const;
  void restore_input_state(InputState state);  // Kept until that version and reference are there.

  wire::Json status(Time now) const;  // GET /api/v1/status

 private:
  // Names as they are in VersionName, without making one.
  struct NameView {
    std::string_view model, version;
    bool operator==(const NameView&) const = default;
  };
  struct NameHash {
    std::size_t operator()(const NameView& name) const;
  };
  VersionMonitor* known(std::string_view model, std::string_view version) const;
  VersionMonitor& find_version(std::string_view model, std::string_view version, Evidence evidence,
                               Time now);
  Admission::Decision decide(VersionName name, Evidence evidence, Time now) const;
  VersionMonitor& add_version(VersionName name, Time now);
  void remove(const VersionMonitor& version);
  void gather_vouched();
  void assign_references();
  void keep_learning_bounded();
  std::vector<std::vector<VersionMonitor*>> by_model() const;
  SharedReference reference_of(const VersionName& name) const;
  void judge_service(Time now);
  void compare_versions(Time now);
  void restore_accuracy(VersionMonitor& version, std::string_view bytes);
  void resume_inputs(VersionMonitor& version);

  ModelConfig settings_;
  std::vector<std::unique_ptr<VersionMonitor>> versions_;
  std::unordered_map<NameView, VersionMonitor*, NameHash>
      index_;                       // Views into the versions' names.
  VersionMonitor* last_ = nullptr;  // The version found last: nearly always the next one too.
  std::uint64_t next_serial_ = 1;
  std::vector<SharedReference> references_;
  NameSet vouched_;  // Models that the configuration or a reference from training names.
  std::vector<InputState> waiting_inputs_;
  std::size_t learning_bytes_ = 0;  // Of all versions; too high where some are done.
  std::uint64_t learning_given_up_ = 0;
  bool wants_references_ = true;
  Time judged_{};
  struct {
    std::uint64_t models = 0, versions = 0, blobs = 0;
    std::uint64_t segments = 0, classes = 0;  // Of versions that left.
  } turned_away_;
  std::string last_refusal_;

  // The group of labels at hand: counted when committed, forgotten when restored.
  struct {
    std::vector<std::pair<VersionMonitor*, VersionMonitor::JudgedLabel>> labels;
    std::vector<VersionMonitor*> changed;
    std::vector<std::string> left;  // Keys of the state of versions that left, to be erased.
  } uncommitted_;
};

}  // namespace outrider::monitor
