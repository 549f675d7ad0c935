// SPDX-License-Identifier: Apache-2.0
#pragma once

// The proxy's certificates, of both sides, as the options have them: loaded at the start, looked at
// several times a second, told in the log and the metrics. SHELL.
//
//   TlsCredentials tls(settings, upstream.host(), processes);   // throws what is wrong
//   tls.of(tls::Side::server);                                  // nullptr: plain HTTP
//   tls.look();
//
// of() is thread-safe; look() is for one thread, and may wait for a disk: not a data thread.

#include <array>
#include <chrono>
#include <memory>
#include <string>

#include "base/tls/credentials.h"
#include "sidecar/options/proxy_options.h"
#include "sidecar/tap/memory_file.h"

namespace outrider::proxy {

class TlsCredentials {
 public:
  // Throws std::runtime_error.
  TlsCredentials(const Settings& settings, const std::string& upstream_host,
                 tap::ProcessCells& processes);

  const tls::Credentials* of(tls::Side side) const {
    return sides_[static_cast<std::size_t>(side)].get();
  }
  void look();

 private:
  using Instant = std::chrono::steady_clock::time_point;
  void publish_expiry();

  tap::ProcessCells& processes_;
  std::array<std::unique_ptr<tls::Credentials>, 2> sides_;  // By tls::Side.
  Instant look_again_{};
};

}  // namespace outrider::proxy
