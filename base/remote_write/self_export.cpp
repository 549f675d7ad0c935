// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/self_export.h"

#include <unistd.h>

#include "base/wire/exposed.h"
#include "base/wire/remote_write/exposed_series.h"

namespace outrider::remote_write {

void SelfExport::round(Time now) {
  wire::GatheringSink sink;
  for (wire::Collector* collector : collectors_) collector->collect(sink);
  wire::ExposedFamilies families = sink.take();
  fill_target_labels(families, target_);
  const std::int64_t now_ms = to_unix_ms(now);
  ExposedSeries exposed = to_series(families, now_ms);
  auto markers = staleness_.round(exposed.at_round, now_ms);
  sender_.append(std::move(exposed.series));
  sender_.append(std::move(markers));
}

void SelfExport::end(Time now) {
  round(now);
  // A series has one sample a millisecond, and the last value counts.
  sender_.append(staleness_.end(to_unix_ms(now) + 1));
}

std::string default_instance(std::uint16_t port) {
  char name[256] = "";
  if (::gethostname(name, sizeof name - 1) != 0 || name[0] == '\0') return "localhost:0";
  return std::string(name) + ":" + std::to_string(port);
}

}  // namespace outrider::remote_write
