// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http1/body.h"

#include <algorithm>
#include <iterator>

#include "sidecar/http1/characters.h"

namespace outrider::http1 {

namespace {

// 16 digits hold 64 bits; one more bit would make the size negative for peers that use signed
// sizes.
constexpr std::uint8_t size_digits_max = 16;
constexpr std::uint64_t size_max = std::numeric_limits<std::int64_t>::max();

// A trailer that changed how the message is framed, routed, authenticated or read would do so after
// everybody has acted on it (RFC 9110, 6.5.1). Names longer than BodyReader::name_ are none of
// them.
bool forbidden_in_trailers(std::string_view lower_name) {
  static constexpr std::string_view names[] = {"authorization",
                                               "cache-control",
                                               "connection",
                                               "content-encoding",
                                               "content-length",
                                               "content-range",
                                               "content-type",
                                               "cookie",
                                               "expect",
                                               "forwarded",
                                               "host",
                                               "http2-settings",
                                               "keep-alive",
                                               "max-forwards",
                                               "proxy-authorization",
                                               "proxy-connection",
                                               "range",
                                               "set-cookie",
                                               "te",
                                               "trailer",
                                               "transfer-encoding",
                                               "upgrade",
                                               "via",
                                               "x-forwarded-for",
                                               "x-forwarded-host",
                                               "x-forwarded-proto",
                                               "x-prediction-id",
                                               "x-real-ip"};
  return std::find(std::begin(names), std::end(names), lower_name) != std::end(names);
}

// Lower case, and '_' as '-': CGI, and so WSGI, cannot tell these apart in a name.
char as_environment_reads(char c) {
  if (c == '_') return '-';
  return static_cast<char>(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
}

std::uint64_t digit_value(char c) {
  return static_cast<std::uint64_t>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
}

}  // namespace

BodyReader::BodyReader(Framing framing, std::uint64_t content_length, BodyLimits limits)
    : framing_(framing), limits_(limits) {
  switch (framing) {
    case Framing::none:
      break;
    case Framing::content_length:
      ahead_ = content_length;
      state_ = content_length > 0 ? State::content : State::done;
      if (content_length > limits.content_bytes) refuse(Violation::body_too_large);
      break;
    case Framing::chunked:
      state_ = State::size_start;
      break;
    case Framing::until_close:
      ahead_ = std::numeric_limits<std::uint64_t>::max();
      state_ = State::content;
      break;
  }
}

void BodyReader::refuse(Violation violation) {
  violation_ = violation;
  state_ = State::invalid;
}

bool BodyReader::count_content(std::uint64_t n) {
  content_bytes_ += n;
  if (content_bytes_ > limits_.content_bytes) {
    refuse(Violation::body_too_large);
    return false;
  }
  if (framing_ == Framing::until_close) return true;
  ahead_ -= n;
  if (ahead_ == 0)
    state_ = framing_ == Framing::chunked ? State::chunk_carriage_return : State::done;
  return true;
}

bool BodyReader::end_of_input() {
  if (framing_ == Framing::until_close && state_ == State::content) state_ = State::done;
  return over();
}

// Takes what is not content, up to the next content or the end; returns how many bytes.
std::size_t BodyReader::take_framing(std::string_view bytes) {
  std::size_t at = 0;
  while (at < bytes.size() && state_ != State::content && state_ < State::done) step(bytes[at++]);
  return at;
}

void BodyReader::step(char byte) {
  switch (state_) {
    case State::size_start:
    case State::size:
    case State::size_line_feed:
      return step_size(byte);
    case State::extension_start:
    case State::extension_name:
    case State::extension_value_start:
    case State::extension_token:
    case State::extension_quoted:
    case State::extension_escape:
    case State::extension_quoted_end:
      return step_extension(byte);
    case State::chunk_carriage_return:
      if (byte != '\r') return refuse(Violation::bad_chunk_end);
      state_ = State::chunk_line_feed;
      return;
    case State::chunk_line_feed:
      if (byte != '\n') return refuse(Violation::bad_chunk_end);
      state_ = State::size_start;
      return;
    case State::trailer_start:
    case State::trailer_name:
    case State::trailer_value:
    case State::trailer_line_feed:
    case State::last_line_feed:
      return step_trailer(byte);
    case State::content:
    case State::done:
    case State::invalid:
      return;
  }
}

void BodyReader::step_size(char byte) {
  if (state_ == State::size_line_feed) {
    if (byte != '\n') return refuse(Violation::bare_carriage_return);
    return end_of_size_line();
  }
  if (state_ == State::size_start) ahead_ = 0, digits_ = 0, extension_line_bytes_ = 0;
  if (is(byte, hex_class)) {
    if (++digits_ > size_digits_max) return refuse(Violation::chunk_size_overflow);
    ahead_ = ahead_ * 16 + digit_value(byte);
    if (ahead_ > size_max) return refuse(Violation::chunk_size_overflow);
    state_ = State::size;
    return;
  }
  if (state_ == State::size_start) return refuse(Violation::bad_chunk_size);
  if (byte == '\r') {
    state_ = State::size_line_feed;
  } else if (byte == ';') {
    state_ = State::extension_start;
  } else {
    refuse(byte == '\n' ? Violation::bare_line_feed : Violation::bad_chunk_size);
  }
}

void BodyReader::end_of_size_line() {
  if (ahead_ == 0) {
    state_ = State::trailer_start;
  } else if (ahead_ > limits_.content_bytes - content_bytes_) {
    refuse(Violation::body_too_large);
  } else {
    state_ = State::content;
  }
}

// chunk-ext = *( ";" name [ "=" ( token / quoted-string ) ] ), RFC 9112, 7.1.1.
void BodyReader::step_extension(char byte) {
  ++extension_bytes_;
  if (++extension_line_bytes_ > limits_.chunk_extension_line_bytes ||
      extension_bytes_ > limits_.chunk_extension_bytes) {
    return refuse(Violation::chunk_extension_too_large);
  }
  if (byte == '\n') return refuse(Violation::bare_line_feed);
  const bool may_end = state_ == State::extension_name || state_ == State::extension_token ||
                       state_ == State::extension_quoted_end;
  if (may_end && byte == '\r') {
    state_ = State::size_line_feed;
  } else if (may_end && byte == ';') {
    state_ = State::extension_start;
  } else if (state_ == State::extension_name && byte == '=') {
    state_ = State::extension_value_start;
  } else if (state_ == State::extension_value_start && byte == '"') {
    state_ = State::extension_quoted;
  } else if (state_ == State::extension_quoted && byte == '"') {
    state_ = State::extension_quoted_end;
  } else if (state_ == State::extension_quoted && byte == '\\') {
    state_ = State::extension_escape;
  } else if (state_ == State::extension_quoted || state_ == State::extension_escape) {
    if (!is(byte, value_class)) return refuse(Violation::bad_chunk_extension);
    state_ = State::extension_quoted;
  } else if (state_ == State::extension_quoted_end || !is(byte, token_class)) {
    refuse(Violation::bad_chunk_extension);
  } else if (state_ == State::extension_start) {
    state_ = State::extension_name;
  } else if (state_ == State::extension_value_start) {
    state_ = State::extension_token;
  }
}

void BodyReader::step_trailer(char byte) {
  if (++trailer_bytes_ > limits_.trailer_bytes) return refuse(Violation::trailers_too_large);
  switch (state_) {
    case State::trailer_start:
      if (byte == '\r') {
        state_ = State::last_line_feed;
        return;
      }
      if (++trailer_fields_ > limits_.trailer_fields) return refuse(Violation::trailers_too_large);
      name_size_ = 0;
      state_ = State::trailer_name;
      [[fallthrough]];
    case State::trailer_name:
      if (byte == ':') return end_of_trailer_name();
      if (!is(byte, token_class))
        return refuse(byte == '\n' ? Violation::bare_line_feed : Violation::bad_trailer);
      if (name_size_ < name_.size()) name_[name_size_] = as_environment_reads(byte);
      if (name_size_ <= name_.size()) ++name_size_;
      return;
    case State::trailer_value:
      if (byte == '\r') {
        state_ = State::trailer_line_feed;
      } else if (!is(byte, value_class)) {
        refuse(byte == '\n' ? Violation::bare_line_feed : Violation::bad_trailer);
      }
      return;
    case State::trailer_line_feed:
      if (byte != '\n') return refuse(Violation::bare_carriage_return);
      state_ = State::trailer_start;
      return;
    default:  // last_line_feed
      if (byte != '\n') return refuse(Violation::bare_carriage_return);
      state_ = State::done;
  }
}

void BodyReader::end_of_trailer_name() {
  if (name_size_ == 0) return refuse(Violation::bad_trailer);
  const bool fits = name_size_ <= name_.size();
  if (fits && forbidden_in_trailers({name_.data(), name_size_}))
    return refuse(Violation::forbidden_trailer);
  state_ = State::trailer_value;
}

}  // namespace outrider::http1
