// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/decode/answer_names.h"

#include <array>
#include <cstddef>
#include <span>

namespace outrider::decode {
namespace {

// Of each flag in the order of preference, in lower case.
constexpr std::string_view sure_names[] = {
    "prediction", "predictions",     "predicted",      "predicted_value", "predicted_class",
    "predict",    "predicted_label", "predictedlabel", "predictedvalue",  "predictedclass",
    "y_pred",     "y_hat",           "yhat",           "forecast",        "forecasts"};
constexpr std::string_view class_names[] = {"class_name", "classname",   "label_name", "label",
                                            "labels",     "class",       "classes",    "category",
                                            "categories", "top_class",   "class_id",   "class_ids",
                                            "classid",    "class_index", "label_id",   "sentiment"};
constexpr std::string_view value_names[] = {"value",   "values",   "result", "results", "output",
                                            "outputs", "estimate", "target", "y",       "strdata"};
constexpr std::string_view score_names[] = {"score",
                                            "scores",
                                            "probability",
                                            "probabilities",
                                            "prob",
                                            "probs",
                                            "proba",
                                            "probas",
                                            "predict_proba",
                                            "confidence",
                                            "confidences",
                                            "prediction_probability",
                                            "prediction_score",
                                            "predicted_probability",
                                            "class_probabilities",
                                            "logistic",
                                            "softmax"};
constexpr std::string_view other_names[] = {"id",
                                            "request_id",
                                            "requestid",
                                            "prediction_id",
                                            "trace_id",
                                            "correlation_id",
                                            "inference_id",
                                            "model",
                                            "model_id",
                                            "model_name",
                                            "modelname",
                                            "model_version",
                                            "model_version_id",
                                            "modelversion",
                                            "modelid",
                                            "version",
                                            "deployed_model_id",
                                            "deployedmodelid",
                                            "model_display_name",
                                            "modeldisplayname",
                                            "name",
                                            "key",
                                            "index",
                                            "timestamp",
                                            "time",
                                            "datetime",
                                            "created",
                                            "created_at",
                                            "latency",
                                            "latency_ms",
                                            "duration",
                                            "duration_ms",
                                            "elapsed",
                                            "elapsed_ms",
                                            "took",
                                            "took_ms",
                                            "inference_time",
                                            "inference_time_ms",
                                            "processing_time",
                                            "processing_time_ms",
                                            "response_time",
                                            "runtime",
                                            "status",
                                            "status_code",
                                            "statuscode",
                                            "message",
                                            "msg",
                                            "info",
                                            "warning",
                                            "warnings",
                                            "success",
                                            "ok",
                                            "code",
                                            "object",
                                            "error",
                                            "errors",
                                            "detail",
                                            "currency",
                                            "unit",
                                            "units",
                                            "threshold",
                                            "lower",
                                            "upper",
                                            "lower_bound",
                                            "upper_bound",
                                            "std",
                                            "stderr",
                                            "variance",
                                            "interval",
                                            "confidence_interval",
                                            "logits",
                                            "logit",
                                            "all_class_ids",
                                            "all_classes",
                                            "explanation",
                                            "explanations",
                                            "shap_values",
                                            "feature_importance",
                                            "feature_importances",
                                            "features",
                                            "inputs",
                                            "input",
                                            "instances",
                                            "host",
                                            "hostname",
                                            "pod",
                                            "server",
                                            "cached",
                                            "cache",
                                            "system_fingerprint",
                                            "usage",
                                            "meta",
                                            "metadata",
                                            "parameters",
                                            "params",
                                            "headers",
                                            "predict_log_proba"};
constexpr std::string_view error_names[] = {
    "error",     "errors",      "err",        "error_message", "errormessage",
    "error_msg", "errormsg",    "error_code", "errorcode",     "exception",
    "fault",     "faultstring", "traceback",  "stack_trace",   "stacktrace",
    "success",   "ok",          "status",     "state"};
constexpr std::string_view maybe_error_names[] = {
    "detail", "details", "message", "msg", "reason", "code", "status", "status_code", "statuscode"};
constexpr std::string_view language_model_names[] = {
    "choices", "generated_text", "text_output", "object", "done", "content", "type", "data"};

constexpr std::size_t slots = 1'024;  // A power of two, a fifth of them taken.
constexpr std::size_t name_bytes_max = 32;

constexpr char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

// Of its length and four of its letters: names are looked up in every answer, and most are in no
// list.
constexpr std::size_t slot_of(std::string_view name) {
  const auto letter = [name](std::size_t at) {
    return static_cast<std::size_t>(static_cast<unsigned char>(lower(name[at])));
  };
  const std::size_t size = name.size();
  const std::size_t mixed = size * 131 + letter(0) * 31 + letter(size - 1) * 17 +
                            letter(size / 2) * 7 + letter(size / 3) * 257;
  return (mixed ^ (mixed >> 7)) % slots;
}

constexpr bool equals(std::string_view name, std::string_view in_table) {
  if (name.size() != in_table.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    if (lower(name[i]) != in_table[i]) return false;
  }
  return true;
}

struct Entry {
  std::string_view name;
  NameRole role;
};
using Table = std::array<Entry, slots>;

constexpr void add(Table& table, std::span<const std::string_view> names, NameRole::Flag flag) {
  for (std::size_t i = 0; i < names.size(); ++i) {
    std::size_t slot = slot_of(names[i]);
    while (!table[slot].name.empty() && table[slot].name != names[i]) slot = (slot + 1) % slots;
    Entry& entry = table[slot];
    entry.name = names[i];
    entry.role.flags = static_cast<std::uint16_t>(entry.role.flags | flag);
    const bool is_ranked =
        flag == NameRole::sure || flag == NameRole::of_class || flag == NameRole::of_value;
    if (is_ranked) entry.role.rank = static_cast<std::uint8_t>(i);
  }
}

constexpr Table make_table() {
  Table table{};
  add(table, sure_names, NameRole::sure);
  add(table, class_names, NameRole::of_class);
  add(table, value_names, NameRole::of_value);
  add(table, score_names, NameRole::score);
  add(table, other_names, NameRole::other);
  add(table, error_names, NameRole::error);
  add(table, maybe_error_names, NameRole::maybe_error);
  add(table, language_model_names, NameRole::language_model);
  return table;
}

constexpr Table table = make_table();

}  // namespace

NameRole role_of(std::string_view name) {
  if (name.empty() || name.size() > name_bytes_max) return {};
  for (std::size_t slot = slot_of(name); !table[slot].name.empty(); slot = (slot + 1) % slots) {
    if (equals(name, table[slot].name)) return table[slot].role;
  }
  return {};
}

}  // namespace outrider::decode
