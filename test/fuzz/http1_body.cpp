// SPDX-License-Identifier: Apache-2.0
// The body reader. The first byte chooses the framing, the second where to split, the third a
// length; the others are the body and what follows it. Splits change neither the verdict nor the
// content; the body ends where it ends, and content is never more than what was taken.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "sidecar/http1/body.h"
#include "test/fuzz/require.h"

namespace {

using namespace outrider::http1;
using outrider::fuzz::require;

struct Outcome {
  Progress progress = Progress::need_more;
  Violation violation = Violation::none;
  std::size_t taken = 0;
  std::string content;
};

Outcome feed(BodyReader body, std::string_view bytes, std::size_t step) {
  Outcome outcome;
  do {
    const std::string_view piece =
        bytes.substr(outcome.taken, std::min(step, bytes.size() - outcome.taken));
    const BodyReader::Run run = body.take(piece, [&](std::string_view content) {
      require(content.data() >= piece.data() &&
                  content.data() + content.size() <= piece.data() + piece.size(),
              "content is a view into the bytes");
      outcome.content += content;
    });
    outcome.progress = run.progress;
    outcome.violation = body.violation();
    outcome.taken += run.taken;
    require(run.progress != Progress::need_more || run.taken == piece.size(),
            "nothing is left over before the end");
  } while (outcome.progress == Progress::need_more && outcome.taken < bytes.size());
  require(outcome.progress == Progress::invalid || outcome.content.size() == body.content_bytes(),
          "content is counted");
  require((outcome.progress == Progress::complete) == body.over(), "over means complete");
  return outcome;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3) return 0;
  constexpr Framing framings[] = {Framing::chunked, Framing::content_length, Framing::until_close,
                                  Framing::none};
  const Framing framing = framings[data[0] % 4];
  const std::size_t step = data[1] % 16 + 1u;
  BodyLimits limits;
  if (data[0] & 4) limits = {40, 8, 20, 30, 2};
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 3, size - 3);
  const BodyReader body(framing, data[2], limits);

  const Outcome whole = feed(body, bytes, bytes.size() + 1);
  const Outcome split = feed(body, bytes, step);
  require(whole.progress == split.progress && whole.violation == split.violation,
          "splits change no verdict");
  if (whole.progress == Progress::invalid) return 0;
  require(whole.taken == split.taken && whole.content == split.content, "splits change no content");
  if (whole.progress != Progress::complete) return 0;
  const Outcome alone = feed(body, bytes.substr(0, whole.taken), bytes.size() + 1);
  require(alone.progress == Progress::complete, "a body ends where it ends");
  require(
      whole.taken == 0 || feed(body, bytes.substr(0, whole.taken - 1), bytes.size() + 1).progress ==
                              Progress::need_more,
      "and not a byte earlier");
  return 0;
}
