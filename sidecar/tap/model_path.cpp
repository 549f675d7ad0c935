// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/model_path.h"

#include <algorithm>
#include <iterator>

#include "base/core/text.h"

namespace outrider::tap {
namespace {

constexpr std::string_view models = "/models/", versions = "/versions/";
constexpr std::string_view torchserve =
    "/predictions/";  // "/predictions/NAME" or "/predictions/NAME/2.0".

constexpr std::string_view verbs[] = {
    // KServe V1, TF-Serving.
    "predict", "explain", "classify", "regress", "infer", "generate", "generate_stream",
    // Vertex.
    "rawPredict", "streamRawPredict", "streamingPredict", "streamingRawPredict",
    "serverStreamingPredict", "directPredict", "directRawPredict", "predictLongRunning",
    "fetchPredictOperation", "computeTokens",
    // Gemini.
    "generateContent", "streamGenerateContent", "generateText", "generateMessage", "generateAnswer",
    "countTokens", "countTextTokens", "countMessageTokens", "embedContent", "batchEmbedContents",
    "asyncBatchEmbedContent", "batchGenerateContent", "embedText", "batchEmbedText"};

// `path` from after the first `marker` on; nothing where it has none.
std::string_view after(std::string_view path, std::string_view marker) {
  const std::size_t at = path.find(marker);
  return at == std::string_view::npos ? std::string_view() : path.substr(at + marker.size());
}

std::string_view first_segment(std::string_view rest) {
  rest = rest.substr(0, rest.find('/'));
  const std::size_t colon = rest.rfind(':');
  const bool ends_in_verb =
      colon != std::string_view::npos && is_model_verb(rest.substr(colon + 1));
  return ends_in_verb ? rest.substr(0, colon) : rest;
}

std::string_view without_query(std::string_view target) {
  return target.substr(0, target.find('?'));
}

}  // namespace

bool is_model_verb(std::string_view word) {
  return std::find(std::begin(verbs), std::end(verbs), word) != std::end(verbs);
}

bool is_model_name(std::string_view name) {
  const auto is_control = [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; };
  return !name.empty() && name.size() <= model_name_bytes_max && is_valid_utf8(name) &&
         std::none_of(name.begin(), name.end(), is_control);
}

std::string_view model_in_path(std::string_view path) {
  path = without_query(path);
  if (path.starts_with(torchserve)) return first_segment(path.substr(torchserve.size()));
  return first_segment(after(path, models));
}

std::string_view version_in_path(std::string_view path) {
  path = without_query(path);
  if (path.starts_with(torchserve))
    return first_segment(after(path.substr(torchserve.size()), "/"));
  // A model may be called "versions": its own segment is passed over.
  const std::string_view behind = after(path, models);
  if (behind.data() != nullptr) path = behind.substr(std::min(behind.find('/'), behind.size()));
  return first_segment(after(path, versions));
}

}  // namespace outrider::tap
