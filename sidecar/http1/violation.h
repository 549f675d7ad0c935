// SPDX-License-Identifier: Apache-2.0
#pragma once

// Violation: why a message was refused. One word each, used as the metric's `reason` label and as
// the "error" of the answer's JSON body, with the status that RFC 9110 and 9112 ask for.
//
// An upstream's message that violates the same rules is answered with 502 whatever the word is.

#include <cstdint>
#include <string_view>

namespace outrider::http1 {

enum class Violation : std::uint8_t {
  none,
  // The start line.
  bad_request_line,     // 400: not `method SP target SP HTTP/d.d CRLF`
  bad_method,           // 400: not a token
  bad_target,           // 400: a form or a byte that the method does not allow
  unsupported_version,  // 505: HTTP, but neither 1.0 nor 1.1
  bad_status_line,      // (502): not `HTTP/1.x SP ddd [SP reason] CRLF`
  connect_refused,      // 501: no tunnels are made
  // Lines and fields.
  bare_line_feed,          // 400: LF without CR
  bare_carriage_return,    // 400: CR without LF
  folded_field,            // 400: obs-fold, or white space before the first field
  bad_field_name,          // 400: empty, not a token, or white space before the colon
  bad_field_value,         // 400: NUL or another control character
  line_without_colon,      // 400
  head_too_large,          // 431
  too_many_fields,         // 431
  request_line_too_large,  // 414
  // Meaning.
  missing_host,                   // 400
  duplicate_host,                 // 400
  bad_host,                       // 400: not `host [":" port]`, or empty
  host_mismatch,                  // 400: an absolute target names another host than Host
  bad_content_length,             // 400: not digits alone, or too great
  duplicate_content_length,       // 400: twice, or a list, even of equal numbers
  length_and_encoding,            // 400: Content-Length with Transfer-Encoding
  encoding_on_http10,             // 400: Transfer-Encoding in an HTTP/1.0 message
  bad_transfer_encoding,          // 400: not a list that ends in one `chunked`
  unsupported_transfer_encoding,  // 501: another coding before the closing `chunked`
  bad_connection_option,  // 400: not a list of tokens, or names a field meant for every recipient
  bad_expectation,        // 417: other than 100-continue
  body_not_allowed,       // 400: TRACE with a body
  body_too_large,         // 413: past the configured limit
  // Bodies.
  bad_chunk_size,             // 400: not 1 to 16 hexadecimal digits, or white space around them
  chunk_size_overflow,        // 400: past 2^63 - 1
  bad_chunk_extension,        // 400
  chunk_extension_too_large,  // 400: past the limit of one line or of the message
  bad_chunk_end,              // 400: chunk data not followed by CRLF
  bad_trailer,                // 400: a trailer line that is no field
  forbidden_trailer,          // 400: framing, routing or authentication in a trailer
  trailers_too_large,         // 431
  // Only of responses (502).
  body_on_bodiless_status,  // a Transfer-Encoding or non-zero Content-Length on 1xx or 204
  unexpected_upgrade,       // 101 that nobody asked for
};

inline constexpr std::size_t violation_count =
    static_cast<std::size_t>(Violation::unexpected_upgrade) + 1;

std::string_view to_string(Violation violation);
// The status to refuse a request with; 502 for those that only responses commit.
int status_of(Violation violation);
// One sentence: what was wrong and what to change. For the answer's "message".
std::string_view advice(Violation violation);

}  // namespace outrider::http1
