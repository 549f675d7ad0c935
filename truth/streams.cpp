// SPDX-License-Identifier: Apache-2.0
#include "truth/streams.h"

#include <algorithm>

#include "truth/codec.h"

namespace outrider::truth {

bool Stream::operator==(const Stream& other) const {
  return sender.workload == other.sender.workload && sender.pod == other.sender.pod &&
         sender.complete_until == other.sender.complete_until &&
         sender.closed == other.sender.closed && sender.partial == other.sender.partial &&
         next == other.next && lost == other.lost && seen == other.seen;
}

StreamTable::Taken StreamTable::take(const Uuid& id, std::uint64_t sequence, std::uint64_t rows) {
  Stream& stream = streams_[id];
  // Where the agent's disk is new, what came before is not here; it is no loss on the way.
  if (stream.next == unknown_next) stream.next = sequence;
  if (sequence + rows <= stream.next) return {};
  Taken taken{.fresh = true, .lost = 0};
  if (sequence > stream.next && !stream.sender.partial) taken.lost = sequence - stream.next;
  stream.lost += taken.lost;
  stream.next = sequence + rows;
  return taken;
}

void StreamTable::note(const Uuid& id, const Sender& sender, Time now) {
  Stream& stream = streams_[id];
  const Time before = stream.sender.complete_until;
  stream.sender = sender;
  stream.sender.complete_until = std::max(before, sender.complete_until);
  stream.seen = now;
  if (streams_.size() <= streams_max_) return;
  const auto oldest =
      std::min_element(streams_.begin(), streams_.end(),
                       [](const auto& a, const auto& b) { return a.second.seen < b.second.seen; });
  if (oldest->first != id) streams_.erase(oldest);
}

void StreamTable::load(const Uuid& id, Stream stream, Time now) {
  stream.seen = std::max(stream.seen, now);
  streams_[id] = std::move(stream);
}

std::vector<Uuid> StreamTable::forget_before(Time seen) {
  std::vector<Uuid> gone;
  for (auto at = streams_.begin(); at != streams_.end();) {
    if (at->second.seen < seen) {
      gone.push_back(at->first);
      at = streams_.erase(at);
    } else {
      ++at;
    }
  }
  return gone;
}

std::optional<Time> StreamTable::complete_until(Time now, Duration gone_after) const {
  std::optional<Time> least;
  for (const auto& [id, stream] : streams_) {
    if (stream.sender.closed || now - stream.seen >= gone_after) continue;
    if (!least || stream.sender.complete_until < *least) least = stream.sender.complete_until;
  }
  return least;
}

std::string encode_stream(const Stream& stream) {
  std::string out;
  out += static_cast<char>((stream.sender.closed ? 1 : 0) | (stream.sender.partial ? 2 : 0));
  append_text(out, stream.sender.workload.cluster);
  append_text(out, stream.sender.workload.name_space);
  append_text(out, stream.sender.workload.name);
  append_text(out, stream.sender.pod);
  append_varint(out, static_cast<std::uint64_t>(to_unix_ms(stream.sender.complete_until)));
  append_varint(out, static_cast<std::uint64_t>(to_unix_ms(stream.seen)));
  append_varint(out, stream.next);
  append_varint(out, stream.lost);
  return out;
}

std::optional<Stream> decode_stream(std::string_view bytes) {
  constexpr std::uint64_t ms_max = 9'200'000'000'000;  // The clock's end.
  ByteReader in(bytes);
  Stream stream;
  const std::uint8_t flags = in.byte();
  stream.sender.closed = (flags & 1) != 0;
  stream.sender.partial = (flags & 2) != 0;
  stream.sender.workload.cluster = in.text();
  stream.sender.workload.name_space = in.text();
  stream.sender.workload.name = in.text();
  stream.sender.pod = in.text();
  const std::uint64_t complete = in.varint(), seen = in.varint();
  stream.next = in.varint();
  stream.lost = in.varint();
  if (!in.ok() || complete > ms_max || seen > ms_max) return std::nullopt;
  stream.sender.complete_until = from_unix_ms(static_cast<std::int64_t>(complete));
  stream.seen = from_unix_ms(static_cast<std::int64_t>(seen));
  return stream;
}

}  // namespace outrider::truth
