// SPDX-License-Identifier: Apache-2.0
// Stored drift state from a disk that lies: never a fault, and a watch that took it goes on.
#include <cmath>
#include <cstdint>
#include <string>

#include "detectors/version_watch.h"
#include "test/detectors/watch_fixture.h"
#include "test/fuzz/checksummed.h"
#include "test/fuzz/require.h"

using namespace outrider;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string raw(reinterpret_cast<const char*>(data), size);
  for (const std::string& bytes : {raw, fuzz::with_checksum(raw)}) {
    detectors::Panes panes([] {
      detectors::FrameLayout layout;
      layout.add(3);
      return layout;
    }());
    if (panes.restore(bytes)) {
      panes.advance(test::watch_start, {});
      (void)panes.sum(detectors::Window::day, 0);
      fuzz::require(static_cast<bool>(panes.restore(panes.serialise())),
                    "panes.restore(panes.serialise())");
    }
    detectors::VersionWatch watch(test::shared_reference());
    if (watch.restore(bytes)) {
      test::LiveRows rows(1);
      const test::LiveRow row = rows.next();
      watch.observe(row.features, row.prediction, row.score, test::watch_start);
      watch.advance(test::watch_start + std::chrono::minutes(10));
      fuzz::require(static_cast<bool>(!watch.verdicts().empty()), "!watch.verdicts().empty()");
      // Hours later, so that the rhythm is asked and learns.
      watch.observe(row.features, row.prediction, row.score,
                    test::watch_start + std::chrono::hours(40));
      watch.advance(test::watch_start + std::chrono::hours(42));
      for (const detectors::Verdict& verdict : watch.verdicts())
        fuzz::require(std::isfinite(verdict.ratio), "std::isfinite(verdict.ratio)");
      fuzz::require(
          static_cast<bool>(
              detectors::VersionWatch(test::shared_reference()).restore(watch.serialise())),
          "VersionWatch.restore(watch.serialise())");
    }
  }
  return 0;
}
