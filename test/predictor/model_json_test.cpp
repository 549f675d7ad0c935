// SPDX-License-Identifier: Apache-2.0
#include "predictor/model/model_json.h"

#include "test/predictor/models.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::model;

TEST_CASE("a model read back is the model written, to the last bit") {
  for (Model model : {test::price_model(), test::loan_model()}) {
    model.intercept = 0.1 + 0.2;
    const auto back = parse_model(to_json_text(model));
    REQUIRE(back);
    CHECK(back->name == model.name);
    CHECK(back->target == model.target);
    CHECK(back->algorithm == model.algorithm);
    CHECK(back->encoding == model.encoding);
    CHECK(back->intercept == model.intercept);
    CHECK(back->coefficients == model.coefficients);
    CHECK(back->classes == model.classes);
  }
}

TEST_CASE("a model file cut short anywhere is damaged, never a model") {
  const std::string text = to_json_text(test::price_model());
  for (std::size_t size = 0; size + 2 < text.size(); ++size) {
    const auto read = parse_model(text.substr(0, size));
    REQUIRE_FALSE(read);
    CHECK(read.error().code == "model_damaged");
  }
}

TEST_CASE("a model file with one digit changed does not match its checksum") {
  std::string text = to_json_text(test::price_model());
  text.replace(text.find("\"intercept\": 10"), 15, "\"intercept\": 11");
  const auto read = parse_model(text);
  CHECK(read.error().code == "model_damaged");
  CHECK_THAT(read.error().message, Catch::Contains("checksum"));
}

TEST_CASE("JSON that is no model is told so") {
  CHECK(parse_model("{}").error().code == "model_invalid");
  CHECK(parse_model("[]").error().code == "model_invalid");
  CHECK(parse_model("{\"format\": 2, \"sha256\": \"\", \"model\": {}}").error().code ==
        "model_invalid");
}
