// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http2/head_writer.h"

#include <algorithm>

#include "sidecar/http2/frame.h"

namespace outrider::http2 {

void HeadWriter::begin(std::uint32_t stream_id) {
  at_ = out_.size();
  put_frame_head({0, FrameType::headers, 0, stream_id}, out_);
  encoder_.begin(out_);
}

// A block that is longer than a frame is cut into CONTINUATION frames.
void HeadWriter::end(std::uint32_t stream_id, bool ends) {
  const std::size_t begin = at_ + frame_head_bytes, size = out_.size() - begin;
  const std::size_t frame_max = frame_payload_max;
  const std::uint8_t end_flag = ends ? flag_end_stream : 0;
  set_frame_length(at_, std::min(size, frame_max), out_);
  if (size <= frame_max) {
    out_[at_ + 4] = static_cast<char>(flag_end_headers | end_flag);
    return;
  }
  out_[at_ + 4] = static_cast<char>(end_flag);
  const std::string rest = out_.substr(begin + frame_max);
  out_.resize(begin + frame_max);
  for (std::size_t at = 0; at < rest.size(); at += frame_max) {
    const std::size_t n = std::min(frame_max, rest.size() - at);
    const std::uint8_t flags = at + n == rest.size() ? flag_end_headers : 0;
    put_frame_head({static_cast<std::uint32_t>(n), FrameType::continuation, flags, stream_id},
                   out_);
    out_.append(rest, at, n);
  }
}

}  // namespace outrider::http2
