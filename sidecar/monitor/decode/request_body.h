// SPDX-License-Identifier: Apache-2.0
#pragma once

// A request's body as a table of features. What the protocols recognise (protocols/protocols.h) and
// the general shapes (protocols/generic.h) are laid out as rows (request_rows.h). A body that may
// be meant in two ways has a number of rows for each, and the answer's decides:
//
//   RequestBody request(rules);
//   request.open(json, binary, table);           // The table must be cleared.
//   answer.read(…, request.row_counts());         // Chooses one of them,
//   request.fill(answer.rows().size(), table);    // and the table is that.
//
// A flat object of values, most of the traffic, is laid out while it is read. Not thread-safe.

#include <cstddef>
#include <span>
#include <string_view>

#include "sidecar/monitor/decode/protocols/request_shape.h"
#include "sidecar/monitor/decode/request_rows.h"
#include "sidecar/monitor/decode/row_counts.h"
#include "sidecar/monitor/decode/rules.h"

namespace outrider::decode {

class RequestBody {
 public:
  explicit RequestBody(const Rules& rules);
  RequestBody(const RequestBody&) = delete;
  RequestBody& operator=(const RequestBody&) = delete;

  // `binary` is what follows the JSON in the binary tensor extension. JSON's reasons; wrong_shape
  // and wrong_type of what is a protocol's but broken; unsupported_format of a bare value.
  Decoded<void> open(std::string_view json, std::string_view binary, RowTable& table);
  // The rows that it may have, the likeliest first.
  std::span<const std::size_t> row_counts() const { return row_counts_.all(); }
  // Lays out the shape with so many rows. wrong_shape, wrong_type, too_many_rows.
  Decoded<void> fill(std::size_t rows, RowTable& table);

  void clear();  // For an exchange without a body.

  // The body's own "id" (V2's, a flat object's, Seldon's meta.puid); "" when there is none.
  std::string_view id() const { return id_; }
  // The whole body, where a pointer may lead past its rows: nothing of a flat object of values.
  const dom::element* root() const { return has_root_ ? &root_ : nullptr; }
  // Whether the rows are the whole body, flattened: names of features are pointers from its root.
  bool is_flat() const { return is_flat_; }
  JsonTree& json() { return tree_; }

 private:
  bool open_again(std::string_view json);
  Decoded<void> count_rows();
  Decoded<bool> read_flat(std::string_view json, RowTable& table);
  void recognise(dom::element root);
  void find_id();

  const bool id_is_feature_;
  JsonDocument document_;  // Of flat objects of values.
  JsonTree tree_;          // Of everything else.
  bool last_was_flat_ = true;
  dom::element root_;
  bool has_root_ = false, is_flat_ = false, is_filled_ = false;
  BodyView view_;
  RequestShapes shapes_;
  RowCounts row_counts_;
  RequestRows rows_;
  std::string_view id_, tree_id_, binary_;
};

}  // namespace outrider::decode
