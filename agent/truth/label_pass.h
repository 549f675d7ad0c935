// SPDX-License-Identifier: Apache-2.0
#pragma once

// Labels from one agent of a pair to the other, through a queue on disk: each keeps all that was
// joined, and the one that acknowledged a label counts it. SHELL; thread-safe.
//
//   LabelPass pass(settings, clock);
//   pass.add(request);                          // before its labels are acknowledged
//   router.add("POST", LabelPass::path, …);     // at the other: unpack(), then as any labels, passed

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/net/http_server.h"
#include "base/remote_write/courier.h"
#include "base/wire/exposition.h"

namespace outrider::fleet {

class LabelPass final : public wire::Collector {
 public:
  static constexpr std::string_view path = "/api/v1/passed-labels";
  static constexpr std::size_t body_bytes_max = 3 << 20;  // Of one request with labels.

  struct Settings {
    std::string url;                                                // The other agent's.
    std::function<Result<void>(net::ClientRequest&)> prepare = {};  // As whom.
    std::filesystem::path folder;
    std::uint64_t bytes_max = std::uint64_t{1} << 30;
    Duration age_max = std::chrono::hours(24 * 30);
  };
  LabelPass(const Settings& settings, const Clock& clock);

  // False when they were dropped: counted.
  bool add(const net::HttpRequest& request);
  bool stop(Duration limit) { return courier_.stop(limit); }
  void collect(wire::MetricSink& sink) override;

 private:
  remote_write::Courier courier_;
};

// PURE. A request as the body of another, and back: path, query, Seldon-Puid, an empty line, body.
std::string pack(const net::HttpRequest& request);
// Error "invalid_pass".
Result<net::HttpRequest> unpack(std::string_view body);

}  // namespace outrider::fleet
