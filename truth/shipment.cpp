// SPDX-License-Identifier: Apache-2.0
#include "truth/shipment.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/core/text.h"
#include "truth/shipment.pb.h"

namespace outrider::truth {
namespace {

constexpr std::size_t name_bytes_max = 512;
constexpr std::size_t segments_max = 200;  // Of a model in one shipment.
// How long a request may have been under way when it is read here: no clock is shared, so this much
// is taken off what the sender says of its completeness.
constexpr Duration under_way_max = std::chrono::seconds(10);

Failure invalid(const std::string& what) {
  return fail("invalid_shipment", what + "; nothing of the shipment was taken");
}

bool is_name(std::string_view text) {
  return text.size() <= name_bytes_max && may_be_scoped(text) && is_valid_utf8(text);
}

Result<Uuid> read_uuid(const std::string& bytes, const char* field) {
  if (bytes.size() != sizeof(Uuid)) {
    return invalid(std::string("\"") + field + "\" has " + std::to_string(bytes.size()) +
                   " bytes: expected 16");
  }
  Uuid id;
  std::memcpy(id.bytes.data(), bytes.data(), bytes.size());
  return id;
}

Result<Sender> read_sender(const v1::Shipment& message, Time now) {
  Sender sender;
  sender.workload = {message.cluster(), message.namespace_name(), message.workload()};
  sender.pod = message.pod();
  if (sender.workload.name.empty()) {
    return invalid("\"workload\" is empty: set --truth.workload at the sidecar");
  }
  if (sender.workload.name == probe_workload) {
    return invalid("\"workload\" is " + std::string(probe_workload) +
                   ", which is the agent's own: set another --truth.workload at the sidecar");
  }
  for (const std::string* part : {&sender.workload.cluster, &sender.workload.name_space,
                                  &sender.workload.name, &sender.pod}) {
    if (!is_name(*part)) {
      return invalid("cluster, namespace, workload and pod: expected text of at most " +
                     std::to_string(name_bytes_max) + " bytes without control characters");
    }
  }
  const std::int64_t lag =
      std::max<std::int64_t>(message.sent_ms() - message.complete_until_ms(), 0);
  constexpr std::int64_t lag_max = std::int64_t{400} * 86'400'000;
  sender.complete_until = now - std::chrono::milliseconds(std::min(lag, lag_max)) - under_way_max;
  // Shipments of an older attempt may say less than is known; streams.h takes the greater.
  sender.closed = message.closed();
  return sender;
}

ValueView value_of(const v1::Row& row) {
  if (row.prediction_case() == v1::Row::kText) return std::string_view(row.text());
  return row.number();
}

FeatureValueView value_of(const v1::Feature& feature) {
  if (feature.value_case() == v1::Feature::kNumber) return feature.number();
  if (feature.value_case() == v1::Feature::kText) return std::string_view(feature.text());
  return std::monostate();
}

// One message to an entry of the buffer; its memory is used again and again.
class Reader {
 public:
  Reader(const v1::Shipment& message, bool keep_features, DecodedShipment& into)
      : message_(message), keep_features_(keep_features), into_(into) {}

  Result<void> read_models();
  Result<void> read(const v1::Prediction& prediction);

 private:
  Result<void> read_rows(const v1::Prediction& prediction, ShippedModel& model);
  Result<void> read_names(const v1::Prediction& prediction);

  const v1::Shipment& message_;
  const bool keep_features_;
  DecodedShipment& into_;
  std::vector<std::string_view> names_, aliases_;
  std::vector<FeatureValueView> features_;
  std::vector<RowView> rows_;
  std::string group_, id_text_;
  std::vector<AppendName> hashes_;
};

Result<void> Reader::read_models() {
  for (const v1::Model& model : message_.models()) {
    const Tolerance tolerance{model.relative_tolerance(), model.absolute_tolerance()};
    const bool sound = std::isfinite(tolerance.relative) && tolerance.relative >= 0 &&
                       std::isfinite(tolerance.absolute) && tolerance.absolute >= 0;
    Sample sample;
    if (model.sample() != 0) {
      const std::uint32_t by = model.sampled_by() == 0 ? 1 : model.sampled_by();
      sample = {model.sample(), (by & 1) != 0, (by & 2) != 0};
    }
    const bool is_share = sample.share > 0 && sample.share <= 1 && model.sampled_by() <= 3;
    if (!is_name(model.name()) || !is_name(model.version()) || !sound || !is_share) {
      return invalid("a model's name, version, tolerance or sample: expected names of at most " +
                     std::to_string(name_bytes_max) +
                     " bytes, tolerances of 0 or more, and a sample of more than 0 and at most 1");
    }
    into_.models.push_back({.name = scoped_name(into_.sender.workload, model.name()),
                            .version = model.version(),
                            .rule = {model.classification(), tolerance},
                            .segments = {},
                            .sample = sample});
  }
  return {};
}

Result<void> Reader::read_names(const v1::Prediction& prediction) {
  names_.clear();
  if (prediction.feature_names() == 0) return {};
  if (prediction.feature_names() > static_cast<std::uint32_t>(message_.feature_names_size())) {
    return invalid("a prediction names a list of features that is not there");
  }
  for (const std::string& name :
       message_.feature_names(static_cast<int>(prediction.feature_names()) - 1).names()) {
    names_.emplace_back(name);
  }
  return {};
}

Result<void> Reader::read_rows(const v1::Prediction& prediction, ShippedModel& model) {
  std::size_t features = 0;
  for (const v1::Row& row : prediction.rows()) {
    features += static_cast<std::size_t>(row.features_size());
  }
  features_.clear();
  features_.reserve(features);  // Spans into it are kept.
  rows_.clear();
  for (const v1::Row& row : prediction.rows()) {
    RowView view{.prediction = value_of(row), .segment = row.segment()};
    if (row.has_score()) view.score = row.score();
    view.failed = row.failed() || row.prediction_case() == v1::Row::PREDICTION_NOT_SET;
    view.key = row.key();
    const std::size_t first = features_.size();
    for (const v1::Feature& feature : row.features()) features_.push_back(value_of(feature));
    view.features = std::span(features_).subspan(first);
    if (!view.failed && model.segments.size() < segments_max &&
        std::find(model.segments.begin(), model.segments.end(), row.segment()) ==
            model.segments.end()) {
      model.segments.push_back(row.segment());
    }
    rows_.push_back(view);
  }
  return {};
}

Result<void> Reader::read(const v1::Prediction& prediction) {
  const auto id = read_uuid(prediction.id(), "id");
  if (!id) return fail(id);
  if (prediction.rows_size() == 0) return invalid("a prediction has no rows");
  if (prediction.model() >= into_.models.size()) {
    return invalid("a prediction names a model that is not there");
  }
  ShippedModel& model = into_.models[prediction.model()];
  if (auto ok = read_names(prediction); !ok) return ok;
  if (auto ok = read_rows(prediction, model); !ok) return ok;
  aliases_.assign(prediction.aliases().begin(), prediction.aliases().end());
  id_text_ = format_uuid(*id);
  constexpr std::int64_t micros_max = 9'200'000'000'000'000;
  const std::int64_t micros = std::clamp<std::int64_t>(prediction.time_us(), 0, micros_max);
  const PredictionView view{.id = id_text_,
                            .time = Time{std::chrono::microseconds(micros)},
                            .model_name = model.name,
                            .model_version = model.version,
                            .aliases = aliases_,
                            .key = prediction.key(),
                            .feature_names = names_,
                            .rows = rows_};
  encode_prediction(*id, view, keep_features_, group_, hashes_);
  if (group_.size() > group_bytes_max) {
    into_.refused += rows_.size();
    return {};
  }
  into_.predictions.add(*id, static_cast<std::uint32_t>(rows_.size()), group_, hashes_,
                        scope_mark(model.name));
  into_.sequences.push_back(prediction.sequence());
  return {};
}

}  // namespace

Result<DecodedShipment> decode_shipment(std::string_view body, Time now, bool keep_features) {
  google::protobuf::Arena arena;
  auto* message = google::protobuf::Arena::CreateMessage<v1::Shipment>(&arena);
  if (!message->ParseFromArray(body.data(), static_cast<int>(body.size()))) {
    return invalid("the body is no outrider.truth.v1.Shipment of protobuf");
  }
  if (message->version() > shipment_version) {
    return fail("newer_shipment", "version " + std::to_string(message->version()) +
                                      " of the record, and this agent knows " +
                                      std::to_string(shipment_version) +
                                      "; update the agent before its sidecars");
  }
  if (message->version() == 0) return invalid("\"version\" is missing");
  DecodedShipment shipment;
  const auto stream = read_uuid(message->stream(), "stream");
  if (!stream) return fail(stream);
  shipment.stream = *stream;
  auto sender = read_sender(*message, now);
  if (!sender) return fail(sender);
  shipment.sender = std::move(*sender);
  Reader reader(*message, keep_features, shipment);
  if (auto ok = reader.read_models(); !ok) return fail(ok);
  std::uint64_t next = 0;
  for (const v1::Prediction& prediction : message->predictions()) {
    const auto rows = static_cast<std::uint64_t>(prediction.rows_size());
    if (prediction.sequence() < next || prediction.sequence() > UINT64_MAX - rows) {
      return invalid("the predictions are not in the order of their sequence numbers");
    }
    next = prediction.sequence() + rows;
    if (auto ok = reader.read(prediction); !ok) return fail(ok);
  }
  return shipment;
}

}  // namespace outrider::truth
