// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http1/rewrite.h"

#include <cassert>

namespace outrider::http1 {

namespace {

struct Keep {
  bool upgrade = false;
  bool chunks = true;  // They and the trailers pass as they came, so what announces them does too.
};

bool dropped(const Field& field, Keep keep) {
  if (field.id == FieldId::upgrade) return !keep.upgrade;
  if (field.id == FieldId::transfer_encoding || field.id == FieldId::trailer) return !keep.chunks;
  return field.hop_by_hop || field.id == FieldId::x_prediction_id;
}

// The fields that stay; neighbours as one piece.
void add_fields(const Head& head, Keep keep, Pieces& out) {
  const Field* run = head.fields_begin();
  const auto end_run = [&](const Field* past) {
    if (past != run) out.add(head.view(run->begin, past[-1].end - run->begin));
  };
  for (const Field* field = head.fields_begin(); field != head.fields_end(); ++field) {
    if (!dropped(*field, keep)) continue;
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
  add_fields(head, {.upgrade = head.summary.websocket}, out);
  if (head.summary.websocket) out.add("Connection: Upgrade\r\n");
  add_line("X-Prediction-Id: ", additions.prediction_id, out);
  add_line(via_prefix(head.summary.minor_version), additions.via, out);
  add_line("Forwarded: ", additions.forwarded, out);
  if (head.find(FieldId::traceparent) == nullptr)
    add_line("traceparent: ", additions.traceparent, out);
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
