// SPDX-License-Identifier: Apache-2.0
#pragma once

// VerdictBoard: what is said of each subject of a version, as panes, looks into the pane that is
// filling, and long windows are judged. PURE, not thread-safe. O(subjects) a call.
//
//   A pane that had enough rows moves a subject's history on, and the history gives its state.
//   A look makes a subject vote once a pane: by the first one in which it exceeds. What voted keeps
//     that look's scores: they are why it voted.
//   A long window that calls a subject drift speaks louder than a pane that does not.

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "detectors/drift_rule.h"
#include "detectors/snapshot.h"

namespace outrider::detectors {

class VerdictBoard {
 public:
  explicit VerdictBoard(std::vector<Verdict> first);  // All warming up.

  const std::vector<Verdict>& verdicts() const { return verdicts_; }
  std::uint64_t panes_judged() const { return panes_judged_; }
  std::uint64_t judgements() const { return judgements_; }  // How often verdicts() changed.

  void take_pane(const DriftRule& rule, std::vector<Verdict> pane);
  void take_look(const DriftRule& rule, std::vector<Verdict> look);
  // Another hour has closed: its long windows say what is drift. publish() when all are in.
  void begin_long() { long_.clear(); }
  void put_long(std::size_t verdict, Verdict drift);
  void publish();

  // Part of a snapshot. read() is false when a count or a verdict cannot be.
  void write(SnapshotWriter& out) const;
  bool read(SnapshotReader& in);
  void restore_counts(std::uint64_t panes_judged, std::uint64_t judgements);

  std::size_t memory_bytes() const;  // On the heap.

 private:
  std::vector<PaneHistory> histories_;
  std::vector<Verdict> pane_;
  std::map<std::size_t, Verdict> long_;  // By index: what a long window calls drift.
  std::vector<Verdict> verdicts_;        // Of the pane, or of the long window.
  std::vector<bool> voted_;              // In a look into the pane that is filling.
  std::uint64_t panes_judged_ = 0;
  std::uint64_t judgements_ = 0;
};

}  // namespace outrider::detectors
