// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http1/violation.h"

#include <array>

namespace outrider::http1 {

namespace {

struct Row {
  std::string_view word;
  int status;
  std::string_view advice;
};

// In the order of the enumeration.
constexpr std::array<Row, violation_count> rows{{
    {"none", 200, ""},
    {"bad_request_line", 400,
     "The request line must be a method, one blank, a target, one blank and HTTP/1.1."},
    {"bad_method", 400, "The method must be a token, such as GET; is this plain HTTP at all?"},
    {"bad_target", 400,
     "The target must be a path, an http URL or (for OPTIONS) *; percent-encode blanks, '#' and "
     "what is "
     "not ASCII."},
    {"unsupported_version", 505, "Send HTTP/1.1 or HTTP/1.0."},
    {"bad_status_line", 502,
     "The upstream's answer does not begin with a status line of HTTP/1.x."},
    {"connect_refused", 501, "CONNECT asks for a tunnel; send the request itself."},
    {"bare_line_feed", 400, "Lines must end in CR LF; this one ends in LF alone."},
    {"bare_carriage_return", 400, "A CR must be followed by LF."},
    {"folded_field", 400,
     "A field must be on one line (obs-fold is obsolete); join the lines with a blank."},
    {"bad_field_name", 400, "A field's name must be a token directly followed by a colon."},
    {"bad_field_value", 400, "A field's value must not contain NUL or other control characters."},
    {"line_without_colon", 400, "A field line must be a name, a colon and a value."},
    {"head_too_large", 431,
     "The request line and the fields are too long together; send less of them."},
    {"too_many_fields", 431, "There are too many fields; send fewer."},
    {"request_line_too_large", 414, "The request line is too long; send the data as a body."},
    {"missing_host", 400, "An HTTP/1.1 request needs a Host field."},
    {"duplicate_host", 400, "Send one Host field."},
    {"bad_host", 400, "Host must be a host name or an address, and optionally a colon and a port."},
    {"host_mismatch", 400, "Host must be that of the request's target URL."},
    {"bad_content_length", 400, "Content-Length must be digits alone."},
    {"duplicate_content_length", 400, "Send Content-Length once, as one number."},
    {"length_and_encoding", 400, "Send either Content-Length or Transfer-Encoding, not both."},
    {"encoding_on_http10", 400, "Transfer-Encoding needs HTTP/1.1; send Content-Length."},
    {"bad_transfer_encoding", 400, "Transfer-Encoding must be exactly: chunked."},
    {"unsupported_transfer_encoding", 501,
     "Transfer-Encoding must be exactly: chunked; use Content-Encoding for compression."},
    {"bad_connection_option", 400,
     "Connection must be a short list of tokens and must not name fields meant for every "
     "recipient."},
    {"bad_expectation", 417, "The only expectation is 100-continue."},
    {"body_not_allowed", 400, "A TRACE request must not have a body."},
    {"body_too_large", 413, "The body is longer than the configured limit."},
    {"bad_chunk_size", 400,
     "A chunk's size must be hexadecimal digits without white space around them."},
    {"chunk_size_overflow", 400, "A chunk's size must be less than 2^63."},
    {"bad_chunk_extension", 400, "A chunk extension must be ;name or ;name=value."},
    {"chunk_extension_too_large", 400, "The chunk extensions are too long; send fewer."},
    {"bad_chunk_end", 400, "The data of a chunk must be followed by CR LF; is its size right?"},
    {"bad_trailer", 400, "A trailer must be a field: a token, a colon and a value on one line."},
    {"forbidden_trailer", 400,
     "Fields that frame, route or authenticate a message belong before its body, not after."},
    {"trailers_too_large", 431, "The trailers are too long or too many; send less of them."},
    {"body_on_bodiless_status", 502, "The upstream announced a body on a status that has none."},
    {"unexpected_upgrade", 502, "The upstream switched protocols without being asked to."},
}};
static_assert(!rows.back().word.empty(), "a violation without a row");

const Row& row(Violation violation) {
  return rows[static_cast<std::size_t>(violation)];
}

}  // namespace

std::string_view to_string(Violation violation) {
  return row(violation).word;
}
int status_of(Violation violation) {
  return row(violation).status;
}
std::string_view advice(Violation violation) {
  return row(violation).advice;
}

}  // namespace outrider::http1
