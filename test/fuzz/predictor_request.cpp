// SPDX-License-Identifier: Apache-2.0
// Requests from outside. The first byte chooses how they are read: query, flat, V1, V2, V2 with a
// binary tail, retrain. A batch that decodes has whole rows, and its answer is JSON.
#include <cstdint>
#include <string_view>

#include "base/wire/json.h"
#include "predictor/protocol/prediction.h"
#include "predictor/retrain/request.h"
#include "test/fuzz/require.h"
#include "test/predictor/models.h"

namespace {

using namespace outrider;
using outrider::fuzz::require;

const model::Model houses = test::price_model();
const model::Model loans = test::loan_model();

void answer(const model::Model& model, const Result<protocol::Batch>& batch) {
  if (!batch) {
    require(!batch.error().message.empty(), "a refusal has words");
    return;
  }
  require(!batch->rows.empty(), "a batch has rows");
  for (const model::Cells& row : batch->rows) {
    require(row.size() == model.encoding.features().size(), "rows are whole");
  }
  const auto predictions = protocol::predict(model, *batch);
  if (!predictions) return;
  for (const std::string& text : {protocol::encode_flat(model, *batch, *predictions),
                                  protocol::encode_v1(model, *predictions),
                                  protocol::encode_v2(model, "v1", *batch, *predictions)}) {
    require(wire::parse_json(text).has_value(), "an answer is JSON");
  }
}

void decode(const model::Model& model, std::uint8_t way, std::string_view text) {
  switch (way % 6) {
    case 0:
      return answer(model, protocol::decode_query(model, text));
    case 1:
      return answer(model, protocol::decode_flat(model, text));
    case 2:
      return answer(model, protocol::decode_v1(model, text));
    case 3:
      return answer(model, protocol::decode_v2(model, text));
    case 4:
      return answer(model, protocol::decode_v2(model, text, text.rfind('}') + 1));
    default:
      break;
  }
  const auto request = retrain::parse_request(text);
  if (!request || !*request) return;
  const auto again = retrain::parse_request(wire::to_text(retrain::to_json(**request)));
  require(again.has_value() && again->has_value(), "a request survives JSON");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  if (size < 1) return 0;
  const std::string_view text(reinterpret_cast<const char*>(bytes + 1), size - 1);
  decode(houses, bytes[0], text);
  decode(loans, bytes[0], text);
  return 0;
}
