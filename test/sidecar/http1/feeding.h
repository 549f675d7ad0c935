// SPDX-License-Identifier: Apache-2.0
#pragma once

// Feeds bytes to the parsers whole and split at every byte, and insists that it makes no
// difference.

#include <memory>
#include <string>
#include <string_view>

#include "sidecar/http1/body.h"
#include "sidecar/http1/head.h"
#include "test/support/catch.h"

namespace outrider::http1 {

// The bytes on the heap, without a byte behind them, so that AddressSanitizer sees each over-read;
// and at a new address each time, so that nobody gets by with an old one.
class Exact {
 public:
  explicit Exact(std::string_view bytes) : bytes_(new char[bytes.size()]), size_(bytes.size()) {
    bytes.copy(bytes_.get(), size_);
  }
  std::string_view view() const { return {bytes_.get(), size_}; }

 private:
  std::unique_ptr<char[]> bytes_;
  std::size_t size_;
};

inline std::string_view to_string(Framing framing) {
  switch (framing) {
    case Framing::none:
      return "none";
    case Framing::content_length:
      return "length";
    case Framing::chunked:
      return "chunked";
    case Framing::until_close:
      return "close";
  }
  return "?";
}

// What the tests compare: everything that was decided, as one line of text.
inline std::string describe(const Head& head) {
  std::string out;
  for (std::size_t i = 0; i < head.field_count(); ++i) {
    const Field& field = head.field(i);
    out += " [" + std::string(head.name(field)) + "=" + std::string(head.value(field)) +
           (field.hop_by_hop ? "|hop" : "") + "]";
  }
  return out;
}

inline std::string describe(const RequestHead& head) {
  const RequestSummary& s = head.summary;
  std::string out(head.method());
  out += " path=" + std::string(head.path()) + " query=" + std::string(head.query()) +
         " host=" + std::string(head.authority()) + " 1." + std::to_string(s.minor_version) + " " +
         std::string(to_string(s.framing));
  if (s.framing == Framing::content_length) out += "=" + std::to_string(s.content_length);
  if (s.keep_alive) out += " keep";
  if (s.expect_continue) out += " expect";
  if (s.websocket) out += " websocket";
  return out + describe(static_cast<const Head&>(head));
}

inline std::string describe(const ResponseHead& head) {
  const ResponseSummary& s = head.summary;
  std::string out = std::to_string(s.status) + " " + std::string(head.reason()) + " 1." +
                    std::to_string(s.minor_version) + " " + std::string(to_string(s.framing));
  if (s.framing == Framing::content_length) out += "=" + std::to_string(s.content_length);
  if (s.keep_alive) out += " keep";
  return out + describe(static_cast<const Head&>(head));
}

struct HeadVerdict {
  Progress progress = Progress::need_more;
  Violation violation = Violation::none;
  std::size_t size = 0;
  std::string description;
  bool operator==(const HeadVerdict&) const = default;
};

inline std::ostream& operator<<(std::ostream& out, const HeadVerdict& v) {
  return out << "progress " << static_cast<int>(v.progress) << ", " << to_string(v.violation)
             << ", size " << v.size << ", " << v.description;
}

template <class AnyHead, class Parse>
HeadVerdict verdict_of(std::string_view bytes, HeadCursor& cursor, Parse&& parse_with) {
  static AnyHead head;  // Used again and again, as a data thread does.
  const Exact exact(bytes);
  HeadVerdict verdict{parse_with(exact.view(), cursor, head), Violation::none, 0, ""};
  if (verdict.progress == Progress::invalid) verdict.violation = head.violation;
  if (verdict.progress == Progress::complete)
    verdict.size = head.size, verdict.description = describe(head);
  return verdict;
}

// The verdict on the whole; every prefix, fed byte after byte and as the second of two pieces, must
// be judged as if it had come at once.
template <class AnyHead, class Parse>
HeadVerdict feed_head(std::string_view bytes, Parse&& parse_with) {
  HeadCursor whole_cursor;
  const HeadVerdict whole = verdict_of<AnyHead>(bytes, whole_cursor, parse_with);
  HeadCursor dripping;
  bool decided = false;
  const std::size_t step = bytes.size() > 3000 ? 97 : 1;
  for (std::size_t i = 0; i <= bytes.size(); i += step) {
    INFO("the first " << i << " bytes of " << bytes.substr(0, 500));
    HeadCursor fresh;
    const HeadVerdict at_once = verdict_of<AnyHead>(bytes.substr(0, i), fresh, parse_with);
    if (!decided) {
      const HeadVerdict dripped = verdict_of<AnyHead>(bytes.substr(0, i), dripping, parse_with);
      CHECK(dripped == at_once);
      decided = dripped.progress != Progress::need_more;
      if (decided) CHECK(dripped == whole);
    }
    if (at_once.progress == Progress::need_more) {
      const HeadVerdict rest = verdict_of<AnyHead>(bytes, fresh, parse_with);
      CHECK(rest == whole);
    } else {
      CHECK(at_once == whole);
    }
  }
  return whole;
}

inline HeadVerdict feed_request(std::string_view bytes, HeadLimits limits = {}) {
  return feed_head<RequestHead>(bytes, [&](std::string_view b, HeadCursor& c, RequestHead& h) {
    return parse(b, c, limits, h);
  });
}

inline HeadVerdict feed_response(std::string_view bytes, ResponseContext context = {},
                                 HeadLimits limits = {}) {
  return feed_head<ResponseHead>(bytes, [&](std::string_view b, HeadCursor& c, ResponseHead& h) {
    return parse(b, c, limits, context, h);
  });
}

struct BodyVerdict {
  Progress progress = Progress::need_more;
  Violation violation = Violation::none;
  std::size_t taken =
      0;  // Not compared when invalid: what came before the fault may be gone already.
  std::string content;
  bool operator==(const BodyVerdict& other) const {
    if (progress != other.progress || violation != other.violation) return false;
    return progress == Progress::invalid || (taken == other.taken && content == other.content);
  }
};

inline std::ostream& operator<<(std::ostream& out, const BodyVerdict& v) {
  return out << "progress " << static_cast<int>(v.progress) << ", " << to_string(v.violation)
             << ", taken " << v.taken << ", content '" << v.content << "'";
}

// Feeds pieces that end at the given offsets (ascending) and at the end.
template <class Offsets>
BodyVerdict feed_pieces(BodyReader body, std::string_view bytes, const Offsets& offsets) {
  BodyVerdict verdict{body.over() ? Progress::complete : Progress::need_more, Violation::none, 0,
                      ""};
  std::size_t from = 0;
  const auto feed = [&](std::size_t to) {
    if (verdict.progress == Progress::complete || verdict.progress == Progress::invalid) return;
    const Exact piece(bytes.substr(from, to - from));
    std::string content;
    const BodyReader::Run run = body.take(piece.view(), [&](std::string_view c) { content += c; });
    verdict.progress = run.progress;
    verdict.violation = body.violation();
    verdict.taken += run.taken;
    if (run.progress != Progress::invalid) verdict.content += content;
    if (run.progress == Progress::need_more) CHECK(run.taken == to - from);
    from = to;
  };
  for (const std::size_t to : offsets) feed(to);
  feed(bytes.size());
  return verdict;
}

inline BodyVerdict feed_body(const BodyReader& body, std::string_view bytes) {
  using Offsets = std::vector<std::size_t>;
  const BodyVerdict whole = feed_pieces(body, bytes, Offsets{});
  Offsets each;
  for (std::size_t i = 0; i < bytes.size(); ++i) each.push_back(i + 1);
  INFO(bytes.substr(0, 500));
  CHECK(feed_pieces(body, bytes, each) == whole);
  for (std::size_t i = 1; i < bytes.size() && bytes.size() < 3000; ++i) {
    INFO("split at " << i);
    CHECK(feed_pieces(body, bytes, Offsets{i}) == whole);
  }
  return whole;
}

inline BodyVerdict feed_chunked(std::string_view bytes, BodyLimits limits = {}) {
  return feed_body(BodyReader(Framing::chunked, 0, limits), bytes);
}

}  // namespace outrider::http1
