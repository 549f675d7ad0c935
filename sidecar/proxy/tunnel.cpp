// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/tunnel.h"

namespace outrider::proxy {

bool Tunnel::pass_on(Channel& client, Channel& upstream, ReadBuffer& buffer) {
  const bool moved = pump(client, upstream, client_end_passed_on_, buffer);
  const bool moved_back = pump(upstream, client, upstream_end_passed_on_, buffer);
  return moved || moved_back;
}

bool Tunnel::is_over(const Channel& client, const Channel& upstream) const {
  const auto is_broken = [](const Channel& c) { return c.broken || c.write_failed; };
  return (client_end_passed_on_ && upstream_end_passed_on_) || is_broken(client) ||
         is_broken(upstream);
}

bool Tunnel::pump(Channel& from, Channel& to, bool& end_passed_on, ReadBuffer& buffer) {
  const std::size_t held = to.unsent();
  to.flush();
  if (to.has_unsent()) return to.unsent() != held;
  from.unseen = !from.in.empty();
  const Input input = from.take(buffer);
  if (!input.bytes.empty()) {
    to.write(input.bytes);
    from.keep(input, input.bytes.size());
    return true;
  }
  if (from.ended && !end_passed_on) {
    end_passed_on = true;
    to.shut_down();
  }
  return held != 0;
}

}  // namespace outrider::proxy
