// SPDX-License-Identifier: Apache-2.0
// The ring's reader against a ring whose bytes and control words are anything at all: it reads
// nothing outside the ring, ends, and keeps its counts in balance.
#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "sidecar/tap/ring.h"

using namespace outrider::tap;

namespace {

constexpr std::size_t ring_bytes = 512;

void check_balance(const ReaderState& state) {
  std::uint64_t sum = state.analysed;
  for (const std::uint64_t n : state.skipped) sum += n;
  for (const std::uint64_t n : state.failed) sum += n;
  if (sum != state.seen) std::abort();
}

}  // namespace

// Input: write position, commits, mark (8 bytes each), then the ring's bytes.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* input, std::size_t size) {
  std::uint64_t words[3] = {};
  const std::size_t words_size = std::min(size, sizeof words);
  if (words_size != 0) std::memcpy(words, input, words_size);
  auto control = std::make_unique<RingControl>();
  control->write_position.store(words[0]);
  control->commits.store(words[1]);
  control->mark.store(words[2]);
  std::vector<std::byte> bytes(ring_bytes);
  const std::size_t body_size = std::min(size - words_size, ring_bytes);
  if (body_size != 0) std::memcpy(bytes.data(), input + words_size, body_size);

  RingReader reader(*control, bytes);
  std::uint64_t read = 0, touched = 0;
  while (const Exchange* exchange = reader.next()) {
    for (const std::string_view part :
         {exchange->request_head, exchange->request_body, exchange->response_head,
          exchange->response_body, exchange->response_trailers})
      for (const char c : part) touched += static_cast<unsigned char>(c);
    for (std::size_t i = 0; i < exchange->marks.size(); ++i) touched += exchange->marks[i].offset;
    if (exchange->response_gap.at > exchange->response_body.size()) std::abort();
    reader.dispose(Disposal::analysed());
    if (++read > ring_bytes) std::abort();  // More records than there are bytes.
  }
  check_balance(read_state(*control));
  return touched == UINT64_MAX ? 1 : 0;
}
