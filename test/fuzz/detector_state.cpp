// SPDX-License-Identifier: Apache-2.0
// Detector state from a disk: whatever the bytes are, restoring refuses them or gives a detector
// that works and whose own state restores to the same bytes. The first byte chooses the detector. A
// checksum would keep the fuzzer out, so each input is tried as it is and with its checksum put
// right.
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "detectors/adwin.h"
#include "detectors/ddm.h"
#include "detectors/e_detector.h"
#include "detectors/fixed_window.h"
#include "detectors/hddm_a.h"
#include "detectors/page_hinkley.h"

using namespace outrider::detectors;

namespace {

void require(bool holds) {
  if (!holds) std::abort();
}

// FNV-1a 64 over all but the last eight bytes, little-endian in those: what SnapshotReader expects.
std::string sealed(std::string_view bytes) {
  std::string body(bytes.substr(0, bytes.size() - std::min<std::size_t>(8, bytes.size())));
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : body) hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  for (int i = 0; i < 8; ++i) body += static_cast<char>((hash >> (8 * i)) & 0xFF);
  return body;
}

void feed(EDetector& detector, bool wrong) {
  detector.update(wrong, 1);
  detector.update_loss(0.5, 2);
  require(detector.evidence() >= 0 && std::isfinite(detector.evidence()));
  const ChangeEstimate change = detector.change();
  require(change.labels <= detector.labels() && !std::isnan(change.accuracy()));
}
void feed(ErrorReferenceEstimator& estimator, bool wrong) {
  estimator.add(wrong);
  require(!std::isnan(estimator.estimate().design_effect));
}
void feed(Adwin& adwin, bool wrong) {
  adwin.update(wrong);
}
void feed(PageHinkley& test, bool wrong) {
  test.update(wrong);
}
void feed(Ddm& ddm, bool wrong) {
  ddm.update(wrong);
}
void feed(HddmA& hddm, bool wrong) {
  hddm.update(wrong);
}
void feed(FixedWindow& window, bool wrong) {
  window.update(wrong);
  require(window.error_rate() >= 0 && window.error_rate() <= 1);
}

template <class Detector>
void try_restore(std::string_view bytes) {
  auto restored = Detector::restore(bytes);
  if (!restored) {
    require(!restored.error().message.empty());
    return;
  }
  const std::string state = restored->serialise();
  auto again = Detector::restore(state);
  require(again && again->serialise() == state);
  for (int i = 0; i < 200; ++i) feed(*restored, i % 3 == 0);
}

void try_all(std::uint8_t which, std::string_view bytes) {
  switch (which % 7) {
    case 0:
      return try_restore<EDetector>(bytes);
    case 1:
      return try_restore<ErrorReferenceEstimator>(bytes);
    case 2:
      return try_restore<Adwin>(bytes);
    case 3:
      return try_restore<PageHinkley>(bytes);
    case 4:
      return try_restore<Ddm>(bytes);
    case 5:
      return try_restore<HddmA>(bytes);
    default:
      return try_restore<FixedWindow>(bytes);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  try_all(data[0], bytes);
  try_all(data[0], sealed(bytes));
  return 0;
}
