// SPDX-License-Identifier: Apache-2.0
#pragma once

// What the prediction log tells the monitor, all on the log's one owner thread:
//
//   restore(blobs)                        once before all else, and again after the store was
//   reopened { on_joined(row)*  changed_state(out)  committed() }*     a group of labels = one
//   synced write batch
//
// Exactly once: de-duplication marks, joined rows and the blobs that changed_state() hands out are
// one write batch. So the state on disk is always the state after exactly the acknowledged labels,
// and a consumer that starts from restore()'s blobs is in it. When a batch could not be written,
// its labels are not acknowledged, committed() is not called, and restore() comes next: forget what
// was not committed, take the blobs.
//
// Counters that Prometheus reads begin at 0 with the process and advance at committed(), never
// before.

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "truth/correctness.h"
#include "truth/prediction.h"
#include "truth/sample.h"
#include "truth/scope.h"

namespace outrider::truth {

struct StateBlob {
  std::string key;  // E.g. "e-detector/house-price/v3". At most 256 bytes.
  std::string bytes;
};

class StateWriter {
 public:
  virtual ~StateWriter() = default;
  virtual void put(std::string_view key, std::string_view bytes) = 0;
  virtual void erase(std::string_view key) = 0;
};

// How the labels of a model version are judged, as the sidecars say that ship its predictions, and
// which segments were seen.
struct ShippedModel {
  std::string name;  // Scoped: truth/scope.h.
  std::string version;
  JudgeRule rule;
  std::vector<std::string> segments;
  Sample sample = {};
  bool operator==(const ShippedModel&) const = default;
};

class TruthConsumer {
 public:
  virtual ~TruthConsumer() = default;
  virtual void restore(std::span<const StateBlob> blobs) = 0;
  virtual void on_joined(const JoinedRow& row) = 0;
  // The blobs that changed since the last committed() or restore(). Small: they are written with
  // each group of labels (64 B an e-detector, one a model version).
  virtual void changed_state(StateWriter& out) = 0;
  virtual void committed() = 0;
  // Shipped predictions are of this version. True when that changed the state: changed_state() and
  // committed() follow.
  virtual bool on_model(const ShippedModel&) { return false; }
  // How the predictions are sampled that labels of this scope (null: any) may be of, as their
  // sidecars say. O(model versions).
  virtual SampleBounds sample_of(const Scope*) const { return {}; }
};

}  // namespace outrider::truth
