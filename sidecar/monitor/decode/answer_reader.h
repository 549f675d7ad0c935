// SPDX-License-Identifier: Apache-2.0
#pragma once

// The response of an exchange as an Answer: unpacked, and read by the format that it has (JSON,
// JSON lines, server-sent events, CSV, a gRPC message). Not thread-safe; one is used again for
// every exchange.

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

#include "sidecar/monitor/decode/answer.h"
#include "sidecar/monitor/decode/content_coding.h"
#include "sidecar/monitor/decode/csv_body.h"
#include "sidecar/monitor/decode/exchange_parts.h"
#include "sidecar/monitor/decode/grpc_messages.h"
#include "sidecar/monitor/decode/rules.h"

namespace outrider::decode {

class AnswerReader {
 public:
  AnswerReader(const Rules& rules, GrpcMessages& messages);

  void clear();
  // What it is (answer().nature()), before the request is read. The reasons of each format;
  // unsupported_format of any other; too_long where only the end was kept and that says nothing.
  Decoded<void> open(const ExchangeParts& parts);
  // Its predictions: Answer::read().
  Decoded<void> read(std::span<const std::size_t> row_counts);

  Answer& answer() { return answer_; }
  const Answer& answer() const { return answer_; }
  std::string_view message_id() const { return message_id_; }  // Of a gRPC message.

 private:
  Decoded<void> open_body(const ExchangeParts& parts, std::string_view body);
  Decoded<void> open_events(std::string_view stream);

  const Rules& rules_;
  GrpcMessages& messages_;
  Unpacker unpacker_;
  Answer answer_;
  CsvBody csv_;
  bool is_table_ = false;
  std::string_view message_id_;
  std::string text_;  // JSON lines as a list; data of a server-sent event.
};

}  // namespace outrider::decode
