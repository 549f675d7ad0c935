// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who stands behind each plain connection that a TlsFront makes to the server: by its source port
// on 127.0.0.1, which nobody else can have meanwhile. The server asks it for the client's address
// and names, and refuses a connection that is not listed: it did not come through TLS.
//
// Thread-safe. O(log n).

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

namespace outrider::net {

struct TlsPeer {
  std::string address;             // Without port.
  std::vector<std::string> names;  // Of its verified certificate (tls::alternative_names).
};

class TlsPeers {
 public:
  void add(std::uint16_t source_port, TlsPeer peer) {
    const std::lock_guard hold(lock_);
    peers_.insert_or_assign(source_port, std::move(peer));
  }
  void remove(std::uint16_t source_port) {
    const std::lock_guard hold(lock_);
    peers_.erase(source_port);
  }
  std::optional<TlsPeer> find(std::uint16_t source_port) const {
    const std::lock_guard hold(lock_);
    const auto found = peers_.find(source_port);
    return found == peers_.end() ? std::nullopt : std::optional(found->second);
  }

 private:
  mutable std::mutex lock_;
  std::map<std::uint16_t, TlsPeer> peers_;
};

}  // namespace outrider::net
