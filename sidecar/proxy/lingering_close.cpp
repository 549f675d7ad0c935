// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/lingering_close.h"

#include <utility>

namespace outrider::proxy {
namespace {

constexpr std::uint64_t discard_bytes_max = 256 << 10;

}  // namespace

void LingeringClose::begin(Channel& channel) {
  channel.in.clear();
  channel.unseen = false;
  *this = {};
}

LingeringClose::Step LingeringClose::advance(Channel& channel, ReadBuffer& buffer) {
  if (!channel.flush()) return Step::over;
  if (channel.has_unsent()) return Step::waits;
  if (!std::exchange(has_sent_end_, true)) {
    channel.shut_down();
    return Step::sent_end;
  }
  if (!channel.readable) return Step::waits;
  discarded_bytes_ += channel.read(buffer.room()).size();
  return channel.ended || discarded_bytes_ > discard_bytes_max ? Step::over : Step::moved;
}

}  // namespace outrider::proxy
