// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a connection is after 101: bytes pass both ways as they come, and each side's end is passed
// on. A side whose peer takes no bytes is not read from. SHELL.
//
//   Tunnel tunnel;
//   while (tunnel.pass_on(client, upstream, buffer)) …     // true: something moved
//   if (tunnel.is_over(client, upstream)) close();
//
// Thread-safety: one thread.

#include "sidecar/proxy/channel.h"

namespace outrider::proxy {

class Tunnel {
 public:
  bool pass_on(Channel& client, Channel& upstream, ReadBuffer& buffer);
  bool is_over(const Channel& client, const Channel& upstream) const;

 private:
  static bool pump(Channel& from, Channel& to, bool& end_passed_on, ReadBuffer& buffer);

  bool client_end_passed_on_ = false;
  bool upstream_end_passed_on_ = false;
};

}  // namespace outrider::proxy
