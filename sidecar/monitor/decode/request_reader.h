// SPDX-License-Identifier: Apache-2.0
#pragma once

// The request of an exchange as a table of features: unpacked, and read by the format that it has
// (JSON, JSON lines, CSV, a form, a query, a gRPC message). Not thread-safe; one is used again for
// every exchange.
//
//   RequestReader request(rules, messages);
//   request.clear();
//   request.read(parts);
//   request.fill(answer.rows().size());   // Of the ways to read it the one with so many rows.
//   … request.table() …

#include <cstddef>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "sidecar/monitor/decode/content_coding.h"
#include "sidecar/monitor/decode/csv_body.h"
#include "sidecar/monitor/decode/exchange_parts.h"
#include "sidecar/monitor/decode/grpc_messages.h"
#include "sidecar/monitor/decode/request_body.h"
#include "sidecar/monitor/decode/row_table.h"
#include "sidecar/monitor/decode/rules.h"

namespace outrider::decode {

class RequestReader {
 public:
  RequestReader(const Rules& rules, GrpcMessages& messages);

  void clear();
  // The reasons of each format, and unsupported_format of any other.
  Decoded<void> read(const ExchangeParts& parts);
  // One row without features, of a request that is not read.
  void take_unread() { row_counts_.push_back(1); }
  Decoded<void> fill(std::size_t rows) { return body_.fill(rows, table_); }
  // The fields of a query as a row, or beside each of the rows that there are.
  Decoded<void> add_query(std::string_view query);

  // Raw tensors, whose features have no names.
  bool is_opaque() const { return is_opaque_; }
  // That it may have, the likeliest first; empty where nobody knows.
  std::span<const std::size_t> row_counts() const { return row_counts_; }
  RowTable& table() { return table_; }
  RequestBody& body() { return body_; }
  // The value of a field of the query that was read; "" when there is none.
  std::string_view query_field(std::string_view name) const;

  // What a gRPC message says of itself and of its model; "" where it says nothing.
  struct Message {
    std::string_view id, model, version;
  };
  const Message& message() const { return message_; }

 private:
  Decoded<void> read_message(const ExchangeParts& parts);
  Decoded<void> read_body(const ExchangeParts& parts, std::string_view body);

  const Rules& rules_;
  GrpcMessages& messages_;
  Unpacker unpacker_;
  RequestBody body_;
  CsvBody csv_;
  RowTable table_;
  Message message_;
  bool is_opaque_ = false;
  std::vector<std::size_t> row_counts_;
  std::vector<std::pair<std::string_view, FeatureValue>> query_fields_;
  std::deque<std::string> kept_;  // Decoded text of the query.
  std::string lines_;             // JSON lines as a list.
};

}  // namespace outrider::decode
