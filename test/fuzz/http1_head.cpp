// SPDX-License-Identifier: Apache-2.0
// The head parser and the rewriting. The first byte chooses what to parse as, the second where to
// split; the others are the bytes from outside. However they are split, the verdict is the same;
// and what goes upstream is a head that we would take ourselves, means the same, and carries our id
// alone.
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "sidecar/http1/rewrite.h"
#include "test/fuzz/require.h"

namespace {

using namespace outrider::http1;
using outrider::fuzz::require;

constexpr std::string_view our_id = "0198c0de-0000-7000-8000-000000000001";
constexpr std::string_view our_trace = "00-0198c0de000070008000000000000001-8000000000000001-01";
constexpr std::string_view our_element = "for=192.0.2.7;proto=http";

struct Verdict {
  Progress progress;
  Violation violation;
  std::uint32_t size;
  std::size_t fields;
  Framing framing;
  std::uint64_t content_length;
  bool operator==(const Verdict&) const = default;
};

template <class AnyHead>
Verdict verdict_of(Progress progress, const AnyHead& head) {
  if (progress == Progress::need_more) return {progress, Violation::none, 0, 0, Framing::none, 0};
  if (progress == Progress::invalid) return {progress, head.violation, 0, 0, Framing::none, 0};
  return {progress,           Violation::none,      head.size,
          head.field_count(), head.summary.framing, head.summary.content_length};
}

// The bytes without one behind them, so that the sanitizer sees each over-read.
std::unique_ptr<char[]> exact(std::string_view bytes) {
  std::unique_ptr<char[]> copy(new char[bytes.size()]);
  bytes.copy(copy.get(), bytes.size());
  return copy;
}

template <class AnyHead, class Parse>
void check_splits(std::string_view bytes, std::size_t step, AnyHead& head, Parse&& parse_with) {
  HeadCursor cursor;
  const Verdict whole = verdict_of(parse_with(bytes, cursor, head), head);
  cursor = {};
  for (std::size_t size = 0;; size = size + step < bytes.size() ? size + step : bytes.size()) {
    const auto copy = exact(bytes.substr(0, size));
    const Verdict part = verdict_of(parse_with({copy.get(), size}, cursor, head), head);
    if (part.progress != Progress::need_more || size == bytes.size()) {
      require(part == whole, "the verdict does not depend on splits");
      break;
    }
  }
  cursor = {};
  parse_with(bytes, cursor, head);  // Leaves `head` as of the whole.
}

std::string joined(const Pieces& pieces) {
  std::string out;
  for (const std::string_view piece : pieces) out += piece;
  require(out.size() == pieces.bytes(), "the pieces add up");
  return out;
}

void check_request(std::string_view bytes, const HeadLimits& limits, std::size_t step) {
  static RequestHead head, again;
  check_splits(bytes, step, head, [&](std::string_view b, HeadCursor& c, RequestHead& h) {
    return parse(b, c, limits, h);
  });
  HeadCursor cursor;
  if (parse(bytes, cursor, limits, head) != Progress::complete) return;
  require(head.size <= bytes.size() && head.size <= limits.head_bytes,
          "a head is within its bytes and limits");
  require(!head.path().empty(), "there is a path");

  Pieces pieces;
  rewrite(head,
          {.prediction_id = our_id,
           .via = "outrider",
           .forwarded = our_element,
           .traceparent = our_trace},
          pieces);
  const std::string forwarded = joined(pieces);
  HeadLimits roomy;
  roomy.head_bytes = 1 << 20, roomy.request_line_bytes = 1 << 20, roomy.fields = fields_capacity;
  cursor = {};
  require(parse(forwarded, cursor, roomy, again) == Progress::complete,
          "what goes upstream is a proper head");
  require(again.size == forwarded.size(), "and nothing behind it");
  require(again.summary.framing == head.summary.framing &&
              again.summary.content_length == head.summary.content_length,
          "and it is framed the same");
  require(again.method() == head.method() && again.path() == head.path() &&
              again.query() == head.query(),
          "and asks for the same");
  require(again.summary.websocket == head.summary.websocket,
          "and upgrades only to what was looked at");
  require(again.alias() == our_id, "and carries our id");
  require(head.find(FieldId::host) != nullptr || again.value_of(FieldId::host) == head.authority(),
          "and names the host that was asked");
  std::size_t ids = 0, traces = 0;
  std::string_view last_element;
  for (std::size_t i = 0; i < again.field_count(); ++i) {
    ids += again.field(i).id == FieldId::x_prediction_id ? 1 : 0;
    traces += again.field(i).id == FieldId::traceparent ? 1 : 0;
    if (again.field(i).id == FieldId::forwarded) last_element = again.value(again.field(i));
    const bool hop = again.field(i).hop_by_hop;
    require(!hop || again.summary.websocket, "and has no hop-by-hop fields, but for a websocket's");
  }
  require(ids == 1, "and no other id");
  require(traces == 1 && again.value_of(FieldId::traceparent).size() >= our_trace.size(),
          "and belongs to one trace");
  require(last_element == our_element, "and says last whom it came from");
}

void check_response(std::string_view bytes, const HeadLimits& limits,
                    const ResponseContext& context, std::size_t step) {
  static ResponseHead head, again;
  const auto parse_with = [&](std::string_view b, HeadCursor& c, ResponseHead& h) {
    return parse(b, c, limits, context, h);
  };
  check_splits(bytes, step, head, parse_with);
  HeadCursor cursor;
  if (parse(bytes, cursor, limits, context, head) != Progress::complete) return;
  require(head.keep_alive_timeout().value_or(std::chrono::seconds(0)).count() >= 0,
          "no connection is kept for less than no time");
  Pieces pieces;
  rewrite(head, {.prediction_id = our_id, .via = "outrider"}, pieces);
  const std::string forwarded = joined(pieces);
  HeadLimits roomy;
  roomy.head_bytes = 1 << 20, roomy.fields = fields_capacity;
  cursor = {};
  require(parse(forwarded, cursor, roomy, context, again) == Progress::complete,
          "what goes to the client is a proper head");
  const bool unchunked = head.summary.unchunk && head.summary.framing == Framing::chunked;
  const Framing framing = unchunked ? Framing::until_close : head.summary.framing;
  require(again.summary.framing == framing &&
              again.summary.content_length == head.summary.content_length,
          "and it is framed the same, or without chunks where the client knows none");
  require(again.summary.status == head.summary.status, "and says the same");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const unsigned mode = data[0];
  const std::size_t step = data[1] % 16 + 1u;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 2, size - 2);
  HeadLimits limits;
  limits.fields = 120;  // Leaves room for what rewriting adds, within fields_capacity.
  if (mode & 2) limits.head_bytes = 200, limits.request_line_bytes = 40, limits.fields = 8;
  ResponseContext context;
  if (mode & 4) context.method = Method::head;
  if (mode & 8) context.minor_version = 0;
  if (mode & 16) context.websocket = true;
  if (mode & 1) {
    check_response(bytes, limits, context, step);
  } else {
    check_request(bytes, limits, step);
  }
  return 0;
}
