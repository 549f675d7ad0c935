// SPDX-License-Identifier: Apache-2.0
#pragma once

// The proxy and the monitor are one program, so the proxy starts with the monitor's libraries mapped, and
// the loader touches many of their pages. give_back() returns those that it will not miss.

namespace outrider::sidecar {

// Unmaps the pages of code and constants of this program and its libraries, and the heap's free ends.
// What is used comes back from the page cache on first touch. Segments that the loader writes to
// (relocations) are left alone. Call it once, before traffic.
void give_back_start_up_memory();

}  // namespace outrider::sidecar
