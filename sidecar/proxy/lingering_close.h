// SPDX-License-Identifier: Apache-2.0
#pragma once

// The end of a client's connection. Closing a socket with unread input resets the connection, and
// the client may lose the answer that it has not read yet. So what is unsent is written, our end is
// sent, and input is discarded until the client's end, 256 KiB or a deadline that the connection
// keeps. SHELL.
//
//   closing.begin(channel);
//   … on every event: switch (closing.advance(channel, buffer)) …
//
// Thread-safety: one thread.

#include <chrono>
#include <cstdint>

#include "sidecar/proxy/channel.h"

namespace outrider::proxy {

class LingeringClose {
 public:
  static constexpr std::chrono::seconds timeout{2};  // From our end on.

  enum class Step : std::uint8_t {
    waits,     // For the socket.
    sent_end,  // Our end; it is time for the deadline.
    moved,     // Input was discarded; there may be more.
    over,      // The socket can be closed.
  };

  void begin(Channel& channel);  // Drops what was read and not used.
  Step advance(Channel& channel, ReadBuffer& buffer);

 private:
  std::uint64_t discarded_bytes_ = 0;
  bool has_sent_end_ = false;
};

}  // namespace outrider::proxy
