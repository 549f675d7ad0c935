// SPDX-License-Identifier: Apache-2.0
#pragma once

// One exchange through the monitor: decode -> versions -> prediction log, or the agents that keep
// the predictions. Used from the polling
// thread alone.
//
//   Pipeline pipeline(config, guarded, log, clock);
//   source.dispose(pipeline.take(exchange));

#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "sidecar/monitor/admin/failure_notes.h"
#include "sidecar/monitor/admin/key_notes.h"
#include "sidecar/monitor/decode/grpc_stream.h"
#include "sidecar/monitor/decode/model_decoders.h"
#include "sidecar/monitor/guarded_monitor.h"
#include "sidecar/monitor/shipping/shipping.h"
#include "sidecar/monitor/state/log_holder.h"
#include "sidecar/monitor/truth_parts.h"
#include "sidecar/tap/exchange.h"
#include "truth/prediction.h"

namespace outrider::monitor {

class Pipeline {
 public:
  // Without a shipper (null) predictions go to the log.
  Pipeline(const ModelConfig& config, GuardedMonitor& guarded, const LogHolder& log,
           Shipping* shipper, const Clock& clock);

  // A gRPC call of several messages gives several observations, and is one exchange: analysed where
  // one of them is.
  tap::Disposal take(const tap::Exchange& exchange) {
    return stream_.open(exchange) ? take_stream() : note(decoders_.decode(exchange));
  }
  tap::Disposal take(const decode::ExchangeParts& parts) { return note(decoders_.decode(parts)); }
  void configure(const ModelConfig& config);

  // What /api/v1/status and the metrics tell of it; these are thread-safe.
  const FailureNotes& failures() const { return failures_; }
  KeyNotes& keys() { return keys_; }
  Sampler& sampler() { return sampler_; }

 private:
  tap::Disposal take_stream();
  tap::Disposal note(const decode::Decoder::Outcome& outcome);
  tap::Disposal note_failure(const tap::Disposal& disposal);
  void append(const decode::Observation& observation);
  bool is_sampled(const decode::Observation& observation, const decode::Row& row);
  void keep(const decode::Observation& observation);
  bool choose_features(const decode::Observation& observation);

  GuardedMonitor& guarded_;
  const LogHolder& log_;
  Shipping* const shipper_;
  const Clock& clock_;
  decode::ModelDecoders decoders_;
  decode::GrpcStream stream_;
  FailureNotes failures_;
  KeyNotes keys_;
  Sampler sampler_;
  struct {  // Of append(); kept for their memory.
    std::vector<truth::RowView> rows;
    std::vector<truth::FeatureValueView> features;
    std::vector<std::string_view> names;
  } appended_;
  VersionName version_;  // Of the last observation, as its metrics name it.
  // Of shipped features: which places of a list of names are kept, of the list that came last.
  std::vector<std::string> shipped_features_;
  std::vector<std::size_t> places_;
  std::uint64_t places_of_ = 0;
};

}  // namespace outrider::monitor
