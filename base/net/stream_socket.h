// SPDX-License-Identifier: Apache-2.0
#pragma once

// Reading from and writing to a connected socket that does not block. SHELL: sockets, no thread.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace outrider::net {

// What one read is asked for at most; a buffer that is larger than a quarter of it is freed when
// it is empty.
inline constexpr std::size_t read_bytes = 16 << 10;

enum class Read : std::uint8_t { some, blocked, ended, broken };

// One read; `got` is how many bytes came, 0 for all but `some`.
Read receive_into(int socket, std::span<char> room, std::size_t& got);

// Sends what the socket takes and removes it from `bytes`; `moved` becomes true when that was
// anything. False: the connection is broken.
bool send_some(int socket, std::string& bytes, bool& moved);

}  // namespace outrider::net
