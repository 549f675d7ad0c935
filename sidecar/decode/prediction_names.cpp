// SPDX-License-Identifier: Apache-2.0
#include "sidecar/decode/prediction_names.h"

#include <algorithm>
#include <iterator>

namespace outrider::decode {
namespace {

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
// About the answer, the model or the server; or about the prediction, without being it.
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

constexpr std::size_t none = Choice::none;

template <std::size_t N>
std::size_t rank(const std::string_view (&names)[N], std::string_view name) {
  const auto found = std::find(std::begin(names), std::end(names), name);
  return found == std::end(names) ? none : static_cast<std::size_t>(found - std::begin(names));
}

// The last piece of a flattened name, in lower case, as the tables have it.
class Name {
 public:
  explicit Name(std::string_view flattened) {
    const std::size_t dot = flattened.rfind('.');
    if (dot != std::string_view::npos) flattened.remove_prefix(dot + 1);
    if (flattened.size() > sizeof text_) return;
    for (const char c : flattened) {
      text_[size_++] = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    }
  }
  std::string_view text() const { return {text_, size_}; }

 private:
  char text_[32];
  std::size_t size_ = 0;
};

bool is_other(std::string_view flattened) {
  for (std::size_t begin = 0; begin <= flattened.size();) {
    const std::size_t end = std::min(flattened.find('.', begin), flattened.size());
    if (rank(other_names, Name(flattened.substr(begin, end - begin)).text()) != none) return true;
    begin = end + 1;
  }
  return false;
}

// A score's members are its own: probabilities.cat.
bool is_score(std::string_view flattened) {
  for (std::size_t begin = 0; begin <= flattened.size();) {
    const std::size_t end = std::min(flattened.find('.', begin), flattened.size());
    if (is_score_name(flattened.substr(begin, end - begin))) return true;
    begin = end + 1;
  }
  return false;
}

struct Best {
  std::size_t place = none, rank = none;
  bool tied = false;

  void offer(std::size_t candidate, std::size_t its_rank) {
    if (its_rank == none) return;
    tied = place != none && its_rank == rank;
    if (place != none && its_rank >= rank) return;
    place = candidate;
    rank = its_rank;
  }
};

Choice ambiguous(Choice choice, std::size_t one, std::size_t other) {
  choice.ambiguous = true;
  choice.one = one;
  choice.other = other;
  return choice;
}

}  // namespace

bool is_score_name(std::string_view name) {
  return rank(score_names, Name(name).text()) != none;
}

bool is_class_list_name(std::string_view name) {
  const Name last(name);
  return last.text() == "classes" || last.text() == "labels" || last.text() == "class_names";
}

Choice choose(std::span<const Candidate> candidates, PredictionKind kind) {
  Choice choice;
  Best sure, of_class, of_value;
  std::size_t only = none, second = none;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    const Candidate& candidate = candidates[i];
    const Name name(candidate.name);
    if (is_score(candidate.name)) {
      if (choice.score == none && candidate.kind != Candidate::Kind::missing) choice.score = i;
      continue;
    }
    const std::size_t sure_rank = rank(sure_names, name.text());
    sure.offer(i, sure_rank);
    if (sure_rank != none || is_other(candidate.name)) continue;
    // An estimate may be written as a text; what else is a text is none.
    const bool is_text = candidate.kind == Candidate::Kind::text;
    of_value.offer(i, rank(value_names, name.text()));
    if (kind == PredictionKind::regression && is_text) continue;
    of_class.offer(i, rank(class_names, name.text()));
    if (only == none) {
      only = i;
    } else if (second == none) {
      second = i;
    }
  }
  for (const Best* best : {&sure, &of_class, &of_value}) {
    if (best->place == none) continue;
    if (best->tied) return ambiguous(choice, best->place, none);
    if (best == &of_class && of_value.place != none) {
      return ambiguous(choice, of_class.place, of_value.place);
    }
    choice.prediction = best->place;
    return choice;
  }
  if (second != none) return ambiguous(choice, only, second);
  choice.prediction = only;
  return choice;
}

}  // namespace outrider::decode
