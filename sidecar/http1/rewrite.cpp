// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http1/rewrite.h"

#include <algorithm>
#include <cassert>

#include "sidecar/http1/characters.h"

namespace outrider::http1 {

namespace {

struct Keep {
  bool upgrade = false;
  bool chunks = true;  // They and the trailers pass as they came, so what announces them does too.
  bool open_quotes = true;  // In Forwarded.
  bool trace = true;
};

// Whether each quoted string of a field's value ends in it (RFC 9110, 5.6.4).
bool closes_quotes(std::string_view value) {
  bool quoted = false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '"') quoted = !quoted;
    if (quoted && value[i] == '\\') ++i;
  }
  return !quoted;
}

// version "-" trace-id "-" parent-id "-" flags, in small hexadecimal digits; a version to come may
// go on behind another dash (W3C Trace Context, 3.2 and 4).
bool is_traceparent(std::string_view value) {
  constexpr std::size_t size = 55;
  if (value.size() < size || value[2] != '-' || value[35] != '-' || value[52] != '-') return false;
  if (value.size() > size && (value.substr(0, 2) == "00" || value[size] != '-')) return false;
  const auto is_number = [](std::string_view digits) {
    return std::all_of(digits.begin(), digits.end(),
                       [](char c) { return is(c, hex_class) && (c < 'A' || c > 'F'); });
  };
  const auto is_id = [&](std::string_view digits) {
    return is_number(digits) && digits.find_first_not_of('0') != std::string_view::npos;
  };
  return is_number(value.substr(0, 2)) && value.substr(0, 2) != "ff" &&
         is_id(value.substr(3, 32)) && is_id(value.substr(36, 16)) &&
         is_number(value.substr(53, 2));
}

// Two traceparents are none.
bool belongs_to_a_trace(const RequestHead& head) {
  const auto is_parent = [](const Field& field) { return field.id == FieldId::traceparent; };
  return std::count_if(head.fields_begin(), head.fields_end(), is_parent) == 1 &&
         is_traceparent(head.value_of(FieldId::traceparent));
}

bool dropped(const Head& head, const Field& field, Keep keep) {
  switch (field.id) {
    case FieldId::upgrade:
      return !keep.upgrade;
    case FieldId::transfer_encoding:
      return !keep.chunks;
    case FieldId::trailer:
      return !keep.chunks || field.hop_by_hop;
    case FieldId::forwarded:
      return !keep.open_quotes && !closes_quotes(head.value(field));
    case FieldId::traceparent:
    case FieldId::tracestate:
      return !keep.trace;
    case FieldId::x_prediction_id:
      return true;
    default:
      return field.hop_by_hop;
  }
}

// The fields that stay; neighbours as one piece.
void add_fields(const Head& head, Keep keep, Pieces& out) {
  const Field* run = head.fields_begin();
  const auto end_run = [&](const Field* past) {
    if (past != run) out.add(head.view(run->begin, past[-1].end - run->begin));
  };
  for (const Field* field = head.fields_begin(); field != head.fields_end(); ++field) {
    if (!dropped(head, *field, keep)) continue;
    end_run(field);
    run = field + 1;
  }
  end_run(head.fields_end());
}

void add_line(std::string_view name_and_colon, std::string_view value, Pieces& out) {
  if (value.empty()) return;
  out.add(name_and_colon);
  out.add(value);
  out.add("\r\n");
}

std::string_view via_prefix(int minor_version) {
  return minor_version == 0 ? "Via: 1.0 " : "Via: 1.1 ";
}

// The request line: as it came, but with the origin form of an absolute target.
void add_request_line(const RequestHead& head, Pieces& out) {
  const char* raw = head.raw().data();
  const std::string_view target = head.target();
  const auto fields_at = head.field_count() > 0 ? head.fields_begin()->begin : head.size - 2;
  const std::string_view line(raw, fields_at - head.begin);
  if (head.summary.form != TargetForm::absolute) return out.add(line);
  out.add({raw, static_cast<std::size_t>(target.data() - raw)});
  out.add(head.path());
  if (target.find('?') != std::string_view::npos) out.add("?");
  out.add(head.query());
  out.add(line.substr(static_cast<std::size_t>(target.data() + target.size() - raw)));
}

}  // namespace

void Pieces::add(std::string_view piece) {
  if (piece.empty()) return;
  assert(count_ < capacity);
  pieces_[count_++] = piece;
  bytes_ += piece.size();
}

void rewrite(const RequestHead& head, const RequestAdditions& additions, Pieces& out) {
  out.clear();
  add_request_line(head, out);
  const bool new_trace = !additions.traceparent.empty() && !belongs_to_a_trace(head);
  add_fields(head,
             {.upgrade = head.summary.websocket,
              .open_quotes = additions.forwarded.empty(),
              .trace = !new_trace},
             out);
  if (head.find(FieldId::host) == nullptr) add_line("Host: ", head.authority(), out);
  if (head.summary.websocket) out.add("Connection: Upgrade\r\n");
  add_line("X-Prediction-Id: ", additions.prediction_id, out);
  add_line(via_prefix(head.summary.minor_version), additions.via, out);
  add_line("Forwarded: ", additions.forwarded, out);
  if (new_trace) add_line("traceparent: ", additions.traceparent, out);
  out.add("\r\n");
}

void rewrite(const ResponseHead& head, const ResponseAdditions& additions, Pieces& out) {
  out.clear();
  const bool switches = head.summary.status == 101;
  const auto fields_at = head.field_count() > 0 ? head.fields_begin()->begin : head.size - 2;
  out.add("HTTP/1.1");
  out.add(head.view(head.begin + 8, fields_at - head.begin - 8));
  add_fields(head, {.upgrade = switches, .chunks = !head.summary.unchunk}, out);
  if (switches) out.add("Connection: Upgrade\r\n");
  if (!head.summary.interim()) {
    add_line("X-Prediction-Id: ", additions.prediction_id, out);
    add_line(via_prefix(head.summary.minor_version), additions.via, out);
    const bool close =
        additions.close || head.summary.unchunk || head.summary.framing == Framing::until_close;
    if (close && !switches) out.add("Connection: close\r\n");
    if (additions.keep_alive && !close && !switches) out.add("Connection: keep-alive\r\n");
  }
  out.add("\r\n");
}

}  // namespace outrider::http1
