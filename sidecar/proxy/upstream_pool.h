// SPDX-License-Identifier: Apache-2.0
#pragma once

// The connections of one data thread to the upstream: lent to one request at a time, kept alive in
// between, the most recently used one first (so that the others grow old and are closed before the
// upstream closes them). SHELL.
//
// Limits: `upstream_connections_max` in all; past it acquire() says wait, and the caller queues.
// `upstream_idle_max` kept; past it the returned one is closed. `upstream_idle_timeout`, or less
// where the upstream said so, ends an idle one.
//
// Of several addresses one is used until a connection to it fails, then the next. When the
// upstream's name comes to mean others, connections to the old ones are closed as soon as they are
// idle.

#include <memory>
#include <string>
#include <vector>

#include "sidecar/proxy/channel.h"
#include "sidecar/proxy/timers.h"
#include "sidecar/proxy/tls_transport.h"
#include "sidecar/proxy/upstream.h"
#include "sidecar/tap/counters.h"

namespace outrider::proxy {

class UpstreamPool;

// Whoever has borrowed a connection.
class UpstreamUser {
 public:
  virtual void on_upstream_events() = 0;

 protected:
  ~UpstreamUser() = default;
};

class UpstreamConnection final : public EventTarget {
 public:
  UpstreamConnection(UpstreamPool& pool, std::size_t& bytes_held)
      : channel(bytes_held), pool_(pool) {}
  void on_events(std::uint32_t events) override;

  enum class Connecting : std::uint8_t { pending, done, failed };
  // Does what can be done now until it is `connected`. `why` is for people, of failed.
  Connecting finish_connecting(std::string& why);

  Channel channel;
  std::unique_ptr<TlsTransport> tls;  // nullptr: plain HTTP.
  bool connected = false;             // And its handshake over.
  bool reused = false;
  Duration idle_timeout = Duration::max();  // What the upstream said of itself.

 private:
  friend class UpstreamPool;
  UpstreamPool& pool_;
  UpstreamUser* user_ = nullptr;  // nullptr while idle or closed.
  Monotonic idle_since_{}, idle_until_{};
  std::uint64_t addresses_version_ = 0;
};

class UpstreamPool {
 public:
  struct Limits {
    std::size_t connections_max, idle_max;
    Duration idle_timeout;
  };
  UpstreamPool(const Limits& limits, const Upstream& upstream, int epoll,
               tap::ProxyCounters& counters, std::size_t& bytes_held, TlsSide* tls = nullptr);
  ~UpstreamPool();

  enum class Refusal { none, wait, failed };
  enum class Wanted : std::uint8_t {
    any,
    fresh,  // That was never used.
    http2   // Fresh too; over TLS it offers HTTP/2 alone.
  };
  // A connection for `user`, possibly still connecting; nullptr with `refusal`: wait for the limit,
  // or failed at once with errno.
  UpstreamConnection* acquire(UpstreamUser& user, Monotonic now, Wanted wanted, Refusal& refusal);
  void release(UpstreamConnection& connection, Monotonic now);  // To be used again.
  void close(UpstreamConnection& connection);
  // The same for one that could not be connected: the next one tries another address.
  void give_up(UpstreamConnection& connection);

  void tend(Monotonic now);  // Closes what was idle for too long or is connected to an old address.
  bool has_room() const { return open_ < limits_.connections_max || !idle_.empty(); }
  std::size_t address_count() const { return addresses_.size(); }
  void reap() { deferred_delete_.clear(); }  // Between two batches of events.

 private:
  friend class UpstreamConnection;
  UpstreamConnection* take_idle(Monotonic now);
  UpstreamConnection* connect(Wanted wanted, Refusal& refusal);
  void defer_delete(UpstreamConnection& connection);
  void remove_idle(UpstreamConnection& connection);
  void refresh_addresses();
  void close_all_idle();
  void note_connect_failure();
  void publish();

  const Limits limits_;
  const Upstream& upstream_;
  std::vector<SocketAddress> addresses_;
  std::uint64_t addresses_version_ = 0;
  std::size_t address_at_ = 0;
  int epoll_;
  tap::ProxyCounters& counters_;
  std::size_t& bytes_held_;
  TlsSide* const tls_;  // nullptr: plain HTTP.
  std::size_t open_ = 0;
  std::vector<UpstreamConnection*> idle_;  // Oldest first.
  std::vector<std::unique_ptr<UpstreamConnection>> deferred_delete_;
};

}  // namespace outrider::proxy
