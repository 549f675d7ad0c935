// SPDX-License-Identifier: Apache-2.0
#pragma once

// The upstream's addresses, kept current: its name is looked up at the start, then at intervals and
// soon after a connection failed, by a thread of its own, because the system's resolver blocks. A
// look-up that fails leaves the addresses as they were. SHELL.
//
//   const Upstream upstream("http://model:8080", 30s, processes);   // throws what is wrong
//   upstream.refresh(seen, addresses);                              // true: they have changed
//   upstream.look_up_soon();                                        // a connection failed
//
// Thread-safe. Nothing waits for a look-up but the constructor; the thread is detached, so that a
// resolver which hangs does not hold up the end of the program either. An upstream that has no name
// (a numeric address, a socket file) is never looked up again and needs no thread.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "sidecar/proxy/socket.h"
#include "sidecar/tap/memory_file.h"

namespace outrider::proxy {

class Upstream {
 public:
  // Throws std::runtime_error for a bad URL and for a name that cannot be looked up.
  Upstream(const std::string& url, Duration look_up_every, tap::ProcessCells& processes);
  ~Upstream();
  Upstream(const Upstream&) = delete;
  Upstream& operator=(const Upstream&) = delete;

  // Copies the addresses, at least one, when they are newer than `seen_version`, which it then
  // advances.
  bool refresh(std::uint64_t& seen_version, std::vector<SocketAddress>& addresses) const;
  void look_up_soon() const;
  const std::string& host() const { return host_; }  // As the URL has it.

 private:
  struct Shared;
  const std::shared_ptr<Shared> shared_;
  std::string host_;
};

}  // namespace outrider::proxy
