// SPDX-License-Identifier: Apache-2.0
#pragma once

// Which predictions are kept where not all of them are (truth.sample). PURE.
//
// What decides is the name by which a label will come: the key of the data where the prediction has
// one (request.id), else the id that the proxy minted. So every pod decides alike, whoever sends
// labels can tell beforehand which ones are of use, and a label that is left out is told from one
// whose prediction is lost.
//
// A name is in the sample when the first 8 bytes of its SHA-256, as a big-endian number, are less
// than share x 2^64. Samples are nested: what is in one of 1 % is in one of 10 %. (Sampling by hash
// of an id: RFC 9198 does so for packets, and every tracing system for traces.)

#include <string_view>

namespace outrider::truth {

// About 0.4 us; nothing where the share is 1.
bool in_sample(std::string_view name, double share);

// How a sidecar samples.
struct Sample {
  double share = 1;                   // More than 0, at most 1: all.
  bool by_id = true, by_key = false;  // What decides: of some models the one, of some the other.
  bool operator==(const Sample&) const = default;
};

// What is left out by every sidecar that a label may be of. A label by an id says nothing where a
// key decides, nor the other way about: then nothing is certain, and the bound is 1.
class SampleBounds {
 public:
  void widen(const Sample& sample);
  // The greatest shares; 1 where no sample is known.
  double by_id() const { return any_ ? by_id_ : 1; }
  double by_key() const { return any_ ? by_key_ : 1; }

 private:
  bool any_ = false;
  double by_id_ = 0, by_key_ = 0;
};

}  // namespace outrider::truth
