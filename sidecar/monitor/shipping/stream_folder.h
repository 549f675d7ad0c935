// SPDX-License-Identifier: Apache-2.0
#pragma once

// The folder of what is shipped: this process alone has it, and its rows are numbered over kills.
// SHELL. Whoever uses it locks.

#include <filesystem>
#include <memory>

#include "base/core/clock.h"
#include "sidecar/options/shipping_options.h"
#include "truth/log/accepted_counter.h"
#include "truth/prediction.h"
#include "truth/sample.h"
#include "truth/shipment.h"

namespace outrider::monitor {

class StreamFolder {
 public:
  // Waits some seconds for a predecessor that is still ending. Throws std::runtime_error.
  StreamFolder(const std::filesystem::path& folder, Time now);
  ~StreamFolder();
  StreamFolder(const StreamFolder&) = delete;
  StreamFolder& operator=(const StreamFolder&) = delete;

  const truth::Uuid& stream() const { return stream_; }
  // The number of the first one of so many rows.
  std::uint64_t take(std::uint64_t rows) { return sequence_->take(rows); }
  std::uint64_t next() const { return sequence_->value(); }

 private:
  int lock_ = -1;
  truth::Uuid stream_;
  std::unique_ptr<truth::AcceptedCounter> sequence_;
};

// Whose predictions are shipped: as the options say, of this host where they name no pod.
truth::ShipmentHead identity_of(const ShippingOptions& options, const truth::Sample& sample,
                                const StreamFolder& folder);

}  // namespace outrider::monitor
