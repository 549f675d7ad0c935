// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/self_export.h"

#include "base/net/address.h"
#include "base/remote_write/codec/exposed_series.h"
#include "base/wire/exposed.h"

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
  const std::string name = net::host_name();
  return name.empty() ? "localhost:0" : name + ":" + std::to_string(port);
}

}  // namespace outrider::remote_write
