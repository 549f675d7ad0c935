// SPDX-License-Identifier: Apache-2.0
// model.json and card.json: as they came, and with a checksum that fits, so that what lies behind
// it is reached. A model that loads predicts without fault and survives being written and read.
#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/digest.h"
#include "base/wire/json.h"
#include "predictor/model/model_json.h"
#include "predictor/train/card.h"
#include "test/fuzz/require.h"

namespace {

using namespace outrider;
using outrider::fuzz::require;

void use(const model::Model& model) {
  const model::Cells cells(model.encoding.features().size());
  (void)model.predict(cells);
  (void)model.encoding.column_names();
  const auto back = model::parse_model(model::to_json_text(model));
  require(back.has_value(), "a model that was read can be written and read");
  require(back->encoding == model.encoding && back->coefficients == model.coefficients,
          "what is read back is what was written");
}

void read_card(std::string_view text) {
  const auto card = train::parse_card(text);
  if (!card) return;
  const auto settings = train::settings_of(*card);
  if (!settings) return;
  require(train::parse_settings(train::to_json(*settings)).has_value(), "settings survive JSON");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  if (const auto model = model::parse_model(text)) use(*model);
  read_card(text);
  const auto body = wire::parse_json(text);
  if (!body) return 0;
  const wire::Json file{
      {"format", 1}, {"sha256", sha256_hex(wire::to_text(*body))}, {"model", *body}};
  if (const auto model = model::parse_model(wire::to_text(file))) use(*model);
  return 0;
}
