// SPDX-License-Identifier: Apache-2.0
#pragma once

// The client connections of one data thread: all of them, those that are idle, those that have more
// to do than one turn allows, and those that are closed and wait to be deleted, since an event of
// the batch at hand may still point to them (deferred delete). SHELL.
//
// Limit: `connections_max`; past it the one that has been idle for longest goes, or the new one is
// refused by the caller.
//
//   if (connections.has_room() || connections.evict_idle()) connections.add(std::move(connection));
//   connections.take_turns();                            // once a batch of events
//   connections.delete_closed();                         // between two batches
//
// Thread-safety: one thread. O(1) an operation.

#include <cstddef>
#include <memory>
#include <vector>

#include "sidecar/proxy/list_link.h"
#include "sidecar/tap/counters.h"

namespace outrider::proxy {

// A client connection, whatever is spoken on it.
class ClientSession;

// A connection's places in the lists of its thread.
struct ConnectionEntries {
  explicit ConnectionEntries(ClientSession& connection)
      : all(connection), idle(connection), again(connection) {}
  ListEntry<ClientSession> all, idle, again;
};

class ClientSession {
 public:
  ClientSession() : entries(*this) {}
  virtual ~ClientSession() = default;
  ClientSession(const ClientSession&) = delete;
  ClientSession& operator=(const ClientSession&) = delete;

  virtual void start() = 0;
  virtual int descriptor() const = 0;
  virtual void advance() = 0;  // Does what can be done now, within one turn.
  // The service begins to end: tells the client where its protocol has a way to.
  virtual void leave() = 0;
  virtual void end_idle() = 0;  // The service ends, and the connection is idle.
  // At once; the requests at hand count as cancelled, no response looks complete.
  virtual void cut_off() = 0;
  virtual void close() = 0;

  ConnectionEntries entries;
};

class ClientConnections {
 public:
  ClientConnections(std::size_t connections_max, tap::ProxyCounters& counters);
  ~ClientConnections();

  bool empty() const { return !all_.is_linked(); }
  bool has_room() const { return open_ < connections_max_; }
  bool evict_idle();  // Closes the one that has been idle for longest; false where none is idle.
  void add(std::unique_ptr<ClientSession> connection);

  // -- What a connection says of itself.
  void note_idle(ClientSession& connection, bool is_idle);
  void run_again(ClientSession& connection);
  void remove(ClientSession& connection);  // It is closed.

  bool has_turns() const { return again_.is_linked(); }
  void take_turns();
  void leave();
  void close_idle();
  void cut_off();  // All of them, at once.
  void delete_closed();

 private:
  const std::size_t connections_max_;
  tap::ProxyCounters& counters_;
  std::size_t open_ = 0;
  ListLink all_, idle_, again_;  // Idle: appended when it becomes so, so the first is the longest.
  std::vector<std::unique_ptr<ClientSession>> deferred_delete_;
};

}  // namespace outrider::proxy
