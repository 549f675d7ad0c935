// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cassert>
#include <cstring>

#include "base/core/text.h"
#include "sidecar/http1/authority.h"
#include "sidecar/http1/characters.h"
#include "sidecar/http1/field_names.h"
#include "sidecar/http1/head.h"

namespace outrider::http1 {

namespace {

constexpr std::ptrdiff_t field_name_bytes_max = 0xffff;  // What Field::name_size can hold.
// Each named option is compared with each field's name; nobody honest names more than two or three.
constexpr int named_options_max = 16;

Method method_of(std::string_view name) {
  // Methods are case-sensitive (RFC 9110, 9.1).
  if (name == "GET") return Method::get;
  if (name == "POST") return Method::post;
  if (name == "HEAD") return Method::head;
  if (name == "PUT") return Method::put;
  if (name == "DELETE") return Method::delete_;
  if (name == "OPTIONS") return Method::options;
  if (name == "PATCH") return Method::patch;
  if (name == "TRACE") return Method::trace;
  if (name == "CONNECT") return Method::connect;
  return Method::other;
}

// Transfer-Encoding must be exactly `chunked`. Else: is it a proper list that ends in one `chunked`
// (a coding that we lack), or nonsense that somebody else may read as no body at all?
Violation judge_transfer_encoding(std::string_view value) {
  if (iequals_ascii(value, "chunked")) return Violation::none;
  int codings = 0, chunked = 0;
  bool last_is_chunked = false;
  const bool proper = for_each_element(value, [&](std::string_view coding) {
    const std::string_view name = trim_blanks(coding.substr(0, coding.find(';')));
    last_is_chunked = iequals_ascii(coding, "chunked");
    chunked += iequals_ascii(name, "chunked") ? 1 : 0;
    ++codings;
    return !name.empty() && all(name, token_class);
  });
  if (proper && codings > 1 && chunked == 1 && last_is_chunked && value.front() != ',' &&
      value.back() != ',') {
    return Violation::unsupported_transfer_encoding;
  }
  return Violation::bad_transfer_encoding;
}

// Why a field line that is not `name: value CRLF` is refused. `line` is without its LF.
Violation judge_field_line(std::string_view line) {
  if (line.empty() || line.back() != '\r') return Violation::bare_line_feed;
  line.remove_suffix(1);
  if (line.find('\r') != std::string_view::npos) return Violation::bare_carriage_return;
  if (!line.empty() && (line.front() == ' ' || line.front() == '\t'))
    return Violation::folded_field;
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos) return Violation::line_without_colon;
  if (colon == 0 || !all(line.substr(0, colon), token_class)) return Violation::bad_field_name;
  return Violation::bad_field_value;
}

}  // namespace

// One parse of one head: reads the lines, then decides what they mean.
class HeadReader {
 public:
  HeadReader(std::string_view bytes, HeadCursor& cursor, const HeadLimits& limits, Head& head)
      : base_(bytes.data()),
        end_(bytes.data() + bytes.size()),
        cursor_(cursor),
        limits_(limits),
        head_(head) {
    assert(limits.fields <= fields_capacity);
  }

  Progress request(RequestHead& head);
  Progress response(const ResponseContext& context, ResponseHead& head);

 private:
  std::uint32_t offset(const char* p) const { return static_cast<std::uint32_t>(p - base_); }
  std::size_t available() const { return static_cast<std::size_t>(end_ - base_); }

  bool nothing_new() const;
  Progress unfinished(const char* line, std::uint32_t line_limit);
  Progress refuse(Violation violation);
  Progress refuse_line(const char* line);
  void begin();

  Progress start_line(const char* at, std::uint32_t limit, std::string_view& line);
  Violation request_line(std::string_view line, RequestHead& head);
  Violation request_target(std::string_view target, RequestHead& head);
  Violation status_line(std::string_view line, ResponseHead& head);

  Progress fields(bool response);
  Field& add_field(const char* name, const char* colon, const char* value_end,
                   const char* line_end);
  Violation take_field(Field& field, bool response);
  Violation take_lookalike(Field& field);
  Violation take_content_length(std::string_view value);
  Violation take_connection(std::string_view value, bool response);
  void mark_named_fields(bool response);

  Violation finish_request(RequestHead& head);
  Violation check_authority(const RequestHead& head);
  bool upgrade_is_websocket() const;
  Violation finish_response(const ResponseContext& context, ResponseHead& head);

  const char* base_;
  const char* end_;
  HeadCursor& cursor_;
  const HeadLimits& limits_;
  Head& head_;

  // What the fields said.
  std::uint8_t minor_version_ = 1;
  bool length_seen_ = false, chunked_ = false, host_seen_ = false;
  bool close_ = false, keep_alive_ = false, upgrade_ = false;
  int options_named_ = 0, upgrade_fields_ = 0;
  std::uint64_t content_length_ = 0;
};

bool HeadReader::nothing_new() const {
  // Only a LF can finish the line that was left unfinished; but the first bytes are always looked
  // at.
  const std::uint32_t scanned = cursor_.scanned;
  return scanned > 2 && scanned <= available() &&
         (scanned == available() ||
          std::memchr(base_ + scanned, '\n', available() - scanned) == nullptr);
}

// `line` has no LF yet. A line_limit of 0 is none.
Progress HeadReader::unfinished(const char* line, std::uint32_t line_limit) {
  cursor_.scanned = static_cast<std::uint32_t>(available());
  cursor_.line_begin = offset(line);
  const bool head_is_full = available() >= limits_.head_bytes;
  if (line_limit == 0)
    return head_is_full ? refuse(Violation::head_too_large) : Progress::need_more;
  const bool line_is_full = static_cast<std::size_t>(end_ - line) >= line_limit + std::size_t{2};
  return head_is_full || line_is_full ? refuse(Violation::request_line_too_large)
                                      : Progress::need_more;
}

Progress HeadReader::refuse(Violation violation) {
  head_.violation = violation;
  return Progress::invalid;
}

// A line that is not as it must be: only once it is complete, so that what is decided does not
// depend on how the bytes were split.
Progress HeadReader::refuse_line(const char* line) {
  const void* found = std::memchr(line, '\n', static_cast<std::size_t>(end_ - line));
  if (found == nullptr) return unfinished(line, 0);
  const char* line_feed = static_cast<const char*>(found);
  if (offset(line_feed) + 1 > limits_.head_bytes) return refuse(Violation::head_too_large);
  return refuse(judge_field_line({line, static_cast<std::size_t>(line_feed - line)}));
}

void HeadReader::begin() {
  head_.bytes_ = base_;
  head_.violation = Violation::none;
  head_.begin = 0;
  head_.size = 0;
  head_.field_count_ = 0;
  head_.first_of_.fill(0);
}

// Finds the start line at `at`; complete when it is there, without its CRLF, in `line`.
Progress HeadReader::start_line(const char* at, std::uint32_t limit, std::string_view& line) {
  const std::size_t left = static_cast<std::size_t>(end_ - at);
  const void* found = left > 0 ? std::memchr(at, '\n', left) : nullptr;
  if (found == nullptr) return unfinished(at, limit);
  const char* line_feed = static_cast<const char*>(found);
  line = {at, static_cast<std::size_t>(line_feed - at)};
  const bool ends_properly = !line.empty() && line.back() == '\r';
  if (ends_properly) line.remove_suffix(1);
  const bool past_head = offset(line_feed) + 1 > limits_.head_bytes;
  if (limit > 0 && (past_head || line.size() > limit))
    return refuse(Violation::request_line_too_large);
  if (past_head) return refuse(Violation::head_too_large);
  if (!ends_properly) return refuse(Violation::bare_line_feed);
  if (std::memchr(line.data(), '\r', line.size()) != nullptr) {
    return refuse(Violation::bare_carriage_return);
  }
  head_.first_field_ = offset(line_feed + 1);
  return Progress::complete;
}

Progress HeadReader::request(RequestHead& head) {
  if (nothing_new()) {
    const bool in_request_line = cursor_.line_begin <= 2;
    return unfinished(base_ + cursor_.line_begin, in_request_line ? limits_.request_line_bytes : 0);
  }
  begin();
  const char* at = base_;
  if (end_ - at >= 2 && at[0] == '\r' && at[1] == '\n') at += 2, head_.begin = 2;
  // What does not even begin like HTTP (a TLS handshake) is told so at once, not when it times out.
  if (at != end_ && *at == '\n') return refuse(Violation::bare_line_feed);
  if (at != end_ && *at != '\r' && !is(*at, token_class)) return refuse(Violation::bad_method);

  std::string_view line;
  if (const Progress p = start_line(at, limits_.request_line_bytes, line); p != Progress::complete)
    return p;
  if (const Violation v = request_line(line, head); v != Violation::none) return refuse(v);
  minor_version_ = head.summary.minor_version;
  if (const Progress p = fields(false); p != Progress::complete) return p;
  if (const Violation v = finish_request(head); v != Violation::none) return refuse(v);
  return Progress::complete;
}

Violation HeadReader::request_line(std::string_view line, RequestHead& head) {
  head.summary = {};
  const std::size_t blank = line.find(' ');
  const std::string_view method = line.substr(0, blank);
  if (line.empty()) return Violation::bad_request_line;
  if (method.empty() || !all(method, token_class)) return Violation::bad_method;
  if (blank == std::string_view::npos) return Violation::bad_request_line;
  head.method_size_ = static_cast<std::uint32_t>(method.size());
  head.summary.method = method_of(method);

  const std::string_view rest = line.substr(blank + 1);
  const std::size_t last_blank = rest.rfind(' ');
  if (last_blank == std::string_view::npos || last_blank == 0) return Violation::bad_request_line;
  const std::string_view target = rest.substr(0, last_blank);
  const std::string_view version = rest.substr(last_blank + 1);
  const bool is_http = version.size() == 8 && version.substr(0, 5) == "HTTP/" &&
                       is(version[5], digit_class) && version[6] == '.' &&
                       is(version[7], digit_class);
  if (!is_http || target.find(' ') != std::string_view::npos) return Violation::bad_request_line;
  if (skip_target(target.data(), target.data() + target.size()) != target.data() + target.size()) {
    return Violation::bad_target;
  }
  if (version[5] != '1' || version[7] > '1') return Violation::unsupported_version;
  head.summary.minor_version = static_cast<std::uint8_t>(version[7] - '0');
  if (head.summary.method == Method::connect) return Violation::connect_refused;
  return request_target(target, head);
}

Violation HeadReader::request_target(std::string_view target, RequestHead& head) {
  head.target_begin_ = offset(target.data());
  head.target_size_ = static_cast<std::uint32_t>(target.size());
  head.authority_begin_ = head.authority_size_ = 0;
  if (target.front() == '/') {
    head.summary.form = TargetForm::origin;
    return Violation::none;
  }
  if (target == "*") {
    head.summary.form = TargetForm::asterisk;
    return head.summary.method == Method::options ? Violation::none : Violation::bad_target;
  }
  head.summary.form = TargetForm::absolute;
  std::size_t scheme = 0;
  if (iequals_ascii(target.substr(0, 7), "http://")) scheme = 7;
  if (iequals_ascii(target.substr(0, 8), "https://")) scheme = 8;
  if (scheme == 0) return Violation::bad_target;
  const std::string_view rest = target.substr(scheme);
  const std::string_view authority = rest.substr(0, rest.find_first_of("/?"));
  Authority parts;
  if (!split_authority(authority, parts)) return Violation::bad_target;
  head.authority_begin_ = offset(authority.data());
  head.authority_size_ = static_cast<std::uint32_t>(authority.size());
  return Violation::none;
}

Progress HeadReader::response(const ResponseContext& context, ResponseHead& head) {
  if (nothing_new()) return unfinished(base_ + cursor_.line_begin, 0);
  begin();
  std::string_view line;
  if (const Progress p = start_line(base_, 0, line); p != Progress::complete) return p;
  if (const Violation v = status_line(line, head); v != Violation::none) return refuse(v);
  minor_version_ = head.summary.minor_version;
  if (const Progress p = fields(true); p != Progress::complete) return p;
  if (const Violation v = finish_response(context, head); v != Violation::none) return refuse(v);
  return Progress::complete;
}

Violation HeadReader::status_line(std::string_view line, ResponseHead& head) {
  head.summary = {};
  // "HTTP/1.1 200" at least; the blank before an absent reason is often left out.
  const bool proper = line.size() >= 12 && line.substr(0, 5) == "HTTP/" &&
                      is(line[5], digit_class) && line[6] == '.' && is(line[7], digit_class) &&
                      line[8] == ' ' && all(line.substr(9, 3), digit_class) &&
                      (line.size() == 12 || line[12] == ' ');
  if (!proper) return Violation::bad_status_line;
  if (line[5] != '1' || line[7] > '1') return Violation::unsupported_version;
  head.summary.minor_version = static_cast<std::uint8_t>(line[7] - '0');
  head.summary.status =
      static_cast<std::uint16_t>((line[9] - '0') * 100 + (line[10] - '0') * 10 + (line[11] - '0'));
  if (head.summary.status < 100) return Violation::bad_status_line;
  const std::string_view reason = line.size() > 13 ? line.substr(13) : std::string_view{};
  if (!all(reason, value_class)) return Violation::bad_status_line;
  head.reason_begin_ = line.size() > 13 ? offset(reason.data()) : 0;
  head.reason_size_ = static_cast<std::uint32_t>(reason.size());
  return Violation::none;
}

// The field lines and the empty line. The way of a proper line is straight; everything else ends in
// refuse_line(), which finds out what was wrong.
Progress HeadReader::fields(bool response) {
  for (const char* line = base_ + head_.first_field_;;) {
    if (line == end_) return unfinished(line, 0);
    if (*line == '\r') {
      if (end_ - line < 2) return unfinished(line, 0);
      if (line[1] != '\n') return refuse_line(line);
      head_.size = offset(line + 2);
      if (head_.size > limits_.head_bytes) return refuse(Violation::head_too_large);
      return Progress::complete;
    }
    const char* colon = skip_token(line, end_);
    if (colon == end_ || *colon != ':' || colon == line) return refuse_line(line);
    const char* value_end = skip_value(colon + 1, end_);
    if (end_ - value_end < 2 || value_end[0] != '\r' || value_end[1] != '\n')
      return refuse_line(line);
    const char* line_end = value_end + 2;
    if (offset(line_end) > limits_.head_bytes || colon - line > field_name_bytes_max) {
      return refuse(Violation::head_too_large);
    }
    if (head_.field_count_ >= limits_.fields) return refuse(Violation::too_many_fields);
    const Violation v = take_field(add_field(line, colon, value_end, line_end), response);
    if (v != Violation::none) return refuse(v);
    line = line_end;
  }
}

Field& HeadReader::add_field(const char* name, const char* colon, const char* value_end,
                             const char* line_end) {
  const char* value = colon + 1;
  while (value != value_end && (*value == ' ' || *value == '\t')) ++value;
  while (value_end != value && (value_end[-1] == ' ' || value_end[-1] == '\t')) --value_end;
  Field& field = head_.fields_[head_.field_count_++];
  field.begin = offset(name);
  field.value_begin = offset(value);
  field.value_size = static_cast<std::uint32_t>(value_end - value);
  field.end = offset(line_end);
  field.name_size = static_cast<std::uint16_t>(colon - name);
  field.id = identify(name, static_cast<std::size_t>(colon - name));
  field.hop_by_hop = hop_by_hop_by_nature(field.id);
  std::uint8_t& first = head_.first_of_[static_cast<std::size_t>(field.id)];
  if (first == 0) first = static_cast<std::uint8_t>(head_.field_count_);
  return field;
}

Violation HeadReader::take_field(Field& field, bool response) {
  const std::string_view value = head_.value(field);
  switch (field.id) {
    case FieldId::content_length:
      return take_content_length(value);
    case FieldId::transfer_encoding:
      if (minor_version_ == 0) return Violation::encoding_on_http10;
      if (length_seen_) return Violation::length_and_encoding;
      if (chunked_) return Violation::bad_transfer_encoding;
      chunked_ = true;
      return judge_transfer_encoding(value);
    case FieldId::connection:
      return take_connection(value, response);
    case FieldId::upgrade:
      ++upgrade_fields_;
      return Violation::none;
    case FieldId::host: {
      if (response) return Violation::none;
      if (host_seen_) return Violation::duplicate_host;
      host_seen_ = true;
      Authority parts;
      return split_authority(value, parts) ? Violation::none : Violation::bad_host;
    }
    case FieldId::expect:
      // HTTP/1.0 knows no expectations: there it is a field like any other (RFC 9110, 10.1.1).
      if (response || minor_version_ == 0) return Violation::none;
      // Twice is a list of two, which not everybody reads as one.
      return head_.find(FieldId::expect) == &field && iequals_ascii(value, "100-continue")
                 ? Violation::none
                 : Violation::bad_expectation;
    case FieldId::other:
      return take_lookalike(field);
    default:
      return Violation::none;
  }
}

// CGI, and so WSGI, read '_' in a name as '-'. A name that only then is a framing field would be
// read as one by some upstreams; one that is our id would stand beside ours.
Violation HeadReader::take_lookalike(Field& field) {
  if (field.name_size < 14 || field.name_size > 17) return Violation::none;
  const std::string_view name = head_.name(field);
  if (name.find('_') == std::string_view::npos) return Violation::none;
  std::array<char, 17> dashed;
  std::replace_copy(name.begin(), name.end(), dashed.begin(), '_', '-');
  const FieldId id = identify(dashed.data(), name.size());
  if (id == FieldId::content_length || id == FieldId::transfer_encoding)
    return Violation::bad_field_name;
  if (id == FieldId::x_prediction_id) field.hop_by_hop = true;
  return Violation::none;
}

Violation HeadReader::take_content_length(std::string_view value) {
  if (length_seen_) return Violation::duplicate_content_length;
  if (chunked_) return Violation::length_and_encoding;
  length_seen_ = true;
  if (parse_digits(value, content_length_)) return Violation::none;
  return value.find(',') == std::string_view::npos ? Violation::bad_content_length
                                                   : Violation::duplicate_content_length;
}

Violation HeadReader::take_connection(std::string_view value, bool response) {
  const bool proper = for_each_element(value, [&](std::string_view option) {
    if (!all(option, token_class)) return false;
    if (iequals_ascii(option, "close")) return close_ = true;
    if (iequals_ascii(option, "keep-alive")) return keep_alive_ = true;
    if (iequals_ascii(option, "upgrade")) return upgrade_ = true;
    ++options_named_;
    return options_named_ <= named_options_max && (response || !meant_for_all_recipients(option));
  });
  return proper ? Violation::none : Violation::bad_connection_option;
}

// Both are few, so each option is simply compared with each field. In a
// response, a field meant for all recipients stays even when it is named: real servers name
// Transfer-Encoding.
void HeadReader::mark_named_fields(bool response) {
  if (options_named_ == 0) return;
  for (std::size_t i = 0; i < head_.field_count_; ++i) {
    if (head_.fields_[i].id != FieldId::connection) continue;
    for_each_element(head_.value(head_.fields_[i]), [&](std::string_view option) {
      if (response && meant_for_all_recipients(option)) return true;
      for (std::size_t k = 0; k < head_.field_count_; ++k) {
        Field& field = head_.fields_[k];
        if (iequals_ascii(head_.name(field), option)) field.hop_by_hop = true;
      }
      return true;
    });
  }
}

Violation HeadReader::check_authority(const RequestHead& head) {
  if (!host_seen_) return minor_version_ == 0 ? Violation::none : Violation::missing_host;
  if (head.summary.form != TargetForm::absolute) return Violation::none;
  Authority of_target, of_host;
  split_authority(head.view(head.authority_begin_, head.authority_size_), of_target);
  split_authority(head.value_of(FieldId::host), of_host);
  const bool secure = head.target()[4] == 's' || head.target()[4] == 'S';
  return same_authority(of_target, of_host, secure ? "443" : "80") ? Violation::none
                                                                   : Violation::host_mismatch;
}

// Alone: a second protocol (h2c!) beside it would pass unseen.
bool HeadReader::upgrade_is_websocket() const {
  return upgrade_ && upgrade_fields_ == 1 &&
         iequals_ascii(head_.value_of(FieldId::upgrade), "websocket");
}

Violation HeadReader::finish_request(RequestHead& head) {
  if (const Violation v = check_authority(head); v != Violation::none) return v;
  mark_named_fields(false);
  RequestSummary& summary = head.summary;
  summary.framing = chunked_       ? Framing::chunked
                    : length_seen_ ? Framing::content_length
                                   : Framing::none;
  summary.content_length = content_length_;
  const bool has_body = chunked_ || content_length_ > 0;
  if (has_body && summary.method == Method::trace) return Violation::body_not_allowed;
  summary.keep_alive = !close_ && (minor_version_ == 1 || keep_alive_);
  summary.expect_continue =
      has_body && minor_version_ == 1 && head.find(FieldId::expect) != nullptr;
  summary.websocket =
      minor_version_ == 1 && !has_body && summary.method == Method::get && upgrade_is_websocket();
  return Violation::none;
}

Violation HeadReader::finish_response(const ResponseContext& context, ResponseHead& head) {
  mark_named_fields(true);
  ResponseSummary& summary = head.summary;
  const int status = summary.status;
  summary.content_length = content_length_;
  if (status < 200 || status == 204) {
    if (chunked_ || content_length_ > 0) return Violation::body_on_bodiless_status;
  }
  if (status == 101 && !(context.websocket && minor_version_ == 1 && upgrade_is_websocket()))
    return Violation::unexpected_upgrade;
  if (status < 200 || status == 204 || status == 304 || context.method == Method::head) {
    summary.framing = Framing::none;
  } else {
    summary.framing = chunked_       ? Framing::chunked
                      : length_seen_ ? Framing::content_length
                                     : Framing::until_close;
  }
  summary.unchunk = chunked_ && context.minor_version == 0;
  const bool withholds_body = summary.framing == Framing::none && (chunked_ || content_length_ > 0);
  // A server that was asked in HTTP/1.0 may close without saying so, whatever its own version.
  const bool persists = minor_version_ == 1 && context.minor_version == 1;
  summary.keep_alive = !close_ && (persists || keep_alive_) &&
                       summary.framing != Framing::until_close && !withholds_body && status != 101;
  return Violation::none;
}

Progress parse(std::string_view bytes, HeadCursor& cursor, const HeadLimits& limits,
               RequestHead& head) {
  return HeadReader(bytes, cursor, limits, head).request(head);
}

Progress parse(std::string_view bytes, HeadCursor& cursor, const HeadLimits& limits,
               const ResponseContext& context, ResponseHead& head) {
  return HeadReader(bytes, cursor, limits, head).response(context, head);
}

}  // namespace outrider::http1
