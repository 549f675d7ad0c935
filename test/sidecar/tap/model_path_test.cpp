// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/model_path.h"

#include <string>

#include "test/support/catch.h"

namespace outrider::tap {
namespace {

struct Named {
  std::string_view path, model, version;
};

TEST_CASE("the path names the model and its version, as each protocol writes them") {
  const Named named = GENERATE(
      Named{"/v1/models/house:predict", "house", ""},
      Named{"/v1/models/house:explain", "house", ""}, Named{"/v1/models/house", "house", ""},
      Named{"/v1/models/house/versions/3:predict", "house", "3"},
      Named{"/v1/models/house/labels/canary:classify", "house", ""},
      Named{"/v2/models/house/infer", "house", ""},
      Named{"/v2/models/house/versions/v7/infer", "house", "v7"},
      Named{"/v2/models/house/generate_stream", "house", ""},
      Named{"/v2/repository/models/house/load", "house", ""},
      Named{"/seldon/shop/price/v2/models/house/infer", "house", ""},
      Named{"/models/house/invoke", "house", ""}, Named{"/predictions/house", "house", ""},
      Named{"/predictions/house/2.0?a=/models/b", "house", "2.0"},
      Named{"/api/v1.0/predictions", "", ""},
      Named{"/v1/projects/p/locations/l/publishers/google/models/gemini-2.0:streamGenerateContent",
            "gemini-2.0", ""},
      Named{"/predict/versions/v2", "", "v2"}, Named{"/v1/models", "", ""},
      Named{"/v1/models/", "", ""}, Named{"/v1/models//versions/3", "", "3"},
      Named{"/predict", "", ""}, Named{"", "", ""}, Named{"/mymodels/house", "", ""});
  CAPTURE(named.path);
  CHECK(model_in_path(named.path) == named.model);
  CHECK(version_in_path(named.path) == named.version);
}

TEST_CASE("a colon belongs to the name unless a verb follows it") {
  CHECK(model_in_path("/v1/models/qwen3:0.6b") == "qwen3:0.6b");
  CHECK(model_in_path("/v1/models/qwen3:0.6b:generate") == "qwen3:0.6b");
  CHECK(model_in_path("/v1/models/qwen3:0.6b/versions/1:rc:predict") == "qwen3:0.6b");
  CHECK(version_in_path("/v1/models/qwen3:0.6b/versions/1:rc:predict") == "1:rc");
  CHECK(model_in_path("/v2/models/llama:latest/infer") == "llama:latest");
  CHECK(model_in_path("/v1/models/tuned:predictor") == "tuned:predictor");
  CHECK(model_in_path("/v1/models/house:Predict") == "house:Predict");
  CHECK(model_in_path("/v1/models/house:predict:predict") == "house:predict");
  CHECK(model_in_path("/v1/models/:predict").empty());
}

TEST_CASE("a model or a version may be called as the markers are") {
  CHECK(model_in_path("/v2/models/versions/infer") == "versions");
  CHECK(version_in_path("/v2/models/versions/infer").empty());
  CHECK(version_in_path("/v2/models/versions/versions/2/infer") == "2");
  CHECK(model_in_path("/v2/models/models/infer") == "models");
}

TEST_CASE("a query is no part of the path, and escapes stand as they came") {
  CHECK(model_in_path("/v2/models/house/infer?next=/models/other") == "house");
  CHECK(model_in_path("/predict?model=/models/house").empty());
  CHECK(version_in_path("/predict?of=/versions/2").empty());
  CHECK(model_in_path("/v1/models/a%2Fb:predict") == "a%2Fb");
}

TEST_CASE("what is found points into the path") {
  const std::string path = "/v1/models/house/versions/3:predict";
  const std::string_view model = model_in_path(path), version = version_in_path(path);
  CHECK(model.data() == path.data() + 11);
  CHECK(version.data() == path.data() + 26);
}

}  // namespace
}  // namespace outrider::tap
