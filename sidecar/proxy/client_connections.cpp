// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/client_connections.h"

namespace outrider::proxy {

ClientConnections::ClientConnections(std::size_t connections_max, tap::ProxyCounters& counters)
    : connections_max_(connections_max), counters_(counters) {}

ClientConnections::~ClientConnections() = default;

bool ClientConnections::evict_idle() {
  if (!idle_.is_linked()) return false;
  counters_.idle_connections_evicted.add();
  owner_of<ClientSession>(*idle_.next).close();
  return true;
}

void ClientConnections::add(std::unique_ptr<ClientSession> connection) {
  all_.append(connection->entries.all);
  counters_.connections_open.set(++open_);
  connection.release()->start();
}

void ClientConnections::note_idle(ClientSession& connection, bool is_idle) {
  ListLink& entry = connection.entries.idle;
  if (is_idle == entry.is_linked()) return;
  entry.unlink();
  if (is_idle) idle_.append(entry);
  is_idle ? counters_.connections_idle.add() : counters_.connections_idle.subtract();
}

void ClientConnections::run_again(ClientSession& connection) {
  if (!connection.entries.again.is_linked()) again_.append(connection.entries.again);
}

void ClientConnections::remove(ClientSession& connection) {
  connection.entries.all.unlink();
  connection.entries.idle.unlink();
  connection.entries.again.unlink();
  counters_.connections_open.set(--open_);
  deferred_delete_.emplace_back(&connection);
}

void ClientConnections::take_turns() {
  if (!again_.is_linked()) return;
  ListLink turn;  // Who asks for yet another turn gets it in the next round.
  while (again_.is_linked()) {
    ListLink& entry = *again_.next;
    entry.unlink();
    turn.append(entry);
  }
  while (turn.is_linked()) {
    ListLink& entry = *turn.next;
    entry.unlink();
    owner_of<ClientSession>(entry).advance();
  }
}

void ClientConnections::leave() {
  for (ListLink* link = all_.next; link != &all_;) {
    ClientSession& connection = owner_of<ClientSession>(*link);
    link = link->next;
    connection.leave();
  }
}

void ClientConnections::close_idle() {
  ListLink idle;  // One that says goodbye first is not idle any more.
  while (idle_.is_linked()) {
    ListLink& entry = *idle_.next;
    entry.unlink();
    idle.append(entry);
  }
  while (idle.is_linked()) owner_of<ClientSession>(*idle.next).end_idle();
}

void ClientConnections::cut_off() {
  while (all_.is_linked()) owner_of<ClientSession>(*all_.next).cut_off();
}

void ClientConnections::delete_closed() {
  deferred_delete_.clear();
}

}  // namespace outrider::proxy
