// SPDX-License-Identifier: Apache-2.0
#include "truth/topic_record.h"

#include <algorithm>
#include <cmath>

#include "base/core/text.h"
#include "base/wire/json.h"
#include "truth/label_parser.h"
#include "truth/shipment.pb.h"

namespace outrider::truth {
namespace {

constexpr std::int64_t micros_max = 9'200'000'000'000'000;

Failure invalid(const std::string& what) {
  return fail("invalid_record", what);
}

bool is_name(std::string_view text) {
  return text.size() <= 512 && is_valid_utf8(text) && may_be_scoped(text);
}

Result<void> check(const TopicLabel& one) {
  if (one.label.id.empty() || one.label.id.size() > id_bytes_max || !is_valid_utf8(one.label.id)) {
    return invalid("a label's id: expected UTF-8 of 1 to " + std::to_string(id_bytes_max) +
                   " bytes");
  }
  const double* number = std::get_if<double>(&one.label.truth);
  if (number && !std::isfinite(*number)) return invalid("a label is no finite number");
  const auto* text = std::get_if<std::string>(&one.label.truth);
  if (text && (text->empty() || text->size() > class_bytes_max || !is_valid_utf8(*text))) {
    return invalid("a label's class: expected UTF-8 of 1 to " + std::to_string(class_bytes_max) +
                   " bytes");
  }
  for (const auto* part :
       {&one.scope.cluster, &one.scope.name_space, &one.scope.workload, &one.scope.model}) {
    if (*part && !is_name(**part)) {
      return invalid(
          "cluster, namespace, workload and model: expected UTF-8 of at most 512 bytes without "
          "control characters");
    }
  }
  if (one.label.brought) {
    return invalid(
        "a label that brings its prediction along is no record of a topic; send it to POST "
        "/api/v1/labels of an agent without Kafka");
  }
  return {};
}

Result<TopicContent> parse_json_label(std::string_view value) {
  auto items = parse_labels(value);
  if (!items) return invalid(items.error().message);
  if (items->size() != 1) {
    return invalid("expected one label in a record, found " + std::to_string(items->size()));
  }
  if (!items->front().label) return invalid(items->front().label.error().message);
  TopicLabel one{std::move(*items->front().label), {}};
  const auto json = wire::parse_json(value);
  if (!json) return invalid(json.error().message);
  const auto part = [&](const char* name, std::optional<std::string>& into) {
    if (!json->is_object() || !json->contains(name)) return;
    if (const auto& found = (*json)[name]; found.is_string()) into = found.get<std::string>();
  };
  part("cluster", one.scope.cluster);
  part("namespace", one.scope.name_space);
  part("workload", one.scope.workload);
  part("model", one.scope.model);
  if (auto ok = check(one); !ok) return fail(ok);
  return one;
}

Result<TopicContent> read_label(const v1::TopicLabel& from) {
  TopicLabel one;
  one.label.id = from.id();
  if (from.has_row()) one.label.row = from.row();
  if (from.truth_case() == v1::TopicLabel::kNumber) {
    one.label.truth = from.number();
  } else if (from.truth_case() == v1::TopicLabel::kText) {
    one.label.truth = from.text();
  } else {
    return invalid("a label without a truth");
  }
  if (from.has_timestamp_us()) {
    one.label.timestamp = Time{std::chrono::microseconds(
        std::clamp<std::int64_t>(from.timestamp_us(), -micros_max, micros_max))};
  }
  if (from.has_cluster()) one.scope.cluster = from.cluster();
  if (from.has_namespace_name()) one.scope.name_space = from.namespace_name();
  if (from.has_workload()) one.scope.workload = from.workload();
  if (from.has_model()) one.scope.model = from.model();
  if (auto ok = check(one); !ok) return fail(ok);
  return one;
}

}  // namespace

std::string topic_key(std::string_view name) {
  if (const auto id = parse_uuid7(name)) return format_uuid(*id);
  const std::size_t underscore = name.rfind('_');
  if (underscore == std::string_view::npos) return std::string(name);
  const auto row = parse_uint(name.substr(underscore + 1));
  const auto id = parse_uuid7(name.substr(0, underscore));
  return row && id ? format_uuid(*id) : std::string(name);
}

std::vector<std::string> topic_keys(const PredictionView& prediction) {
  std::vector<std::string> keys;
  for (const RowView& row : prediction.rows) {
    if (row.key.empty()) continue;
    std::string key = topic_key(row.key);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(std::move(key));
  }
  if (keys.empty())
    keys.push_back(topic_key(prediction.key.empty() ? prediction.id : prediction.key));
  return keys;
}

std::string write_topic_prediction(std::string_view shipment) {
  v1::TopicRecord record;
  record.set_version(topic_record_version);
  record.set_shipment(shipment.data(), shipment.size());
  return record.SerializeAsString();
}

std::string write_topic_label(const TopicLabel& one) {
  v1::TopicRecord record;
  record.set_version(topic_record_version);
  v1::TopicLabel& to = *record.mutable_label();
  to.set_id(one.label.id);
  if (one.label.row) to.set_row(*one.label.row);
  if (const double* number = std::get_if<double>(&one.label.truth)) {
    to.set_number(*number);
  } else {
    to.set_text(std::get<std::string>(one.label.truth));
  }
  if (one.label.timestamp) {
    to.set_timestamp_us(
        std::chrono::floor<std::chrono::microseconds>(one.label.timestamp->time_since_epoch())
            .count());
  }
  if (one.scope.cluster) to.set_cluster(*one.scope.cluster);
  if (one.scope.name_space) to.set_namespace_name(*one.scope.name_space);
  if (one.scope.workload) to.set_workload(*one.scope.workload);
  if (one.scope.model) to.set_model(*one.scope.model);
  return record.SerializeAsString();
}

Result<TopicContent> parse_topic_record(std::string_view value, Time now, bool keep_features) {
  // No message of ours begins so: it would be a group of field 15.
  const std::size_t first = value.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && value[first] == '{') return parse_json_label(value);
  v1::TopicRecord record;
  if (!record.ParseFromArray(value.data(), static_cast<int>(value.size())))
    return invalid("the record is neither an outrider.truth.v1.TopicRecord nor a label in JSON");
  if (record.version() > topic_record_version) {
    return fail("newer_record", "version " + std::to_string(record.version()) +
                                    " of the record, and this agent knows " +
                                    std::to_string(topic_record_version) +
                                    "; update the agents before what writes to the topic");
  }
  if (record.version() == 0) return invalid("\"version\" is missing");
  if (record.has_label() == !record.shipment().empty())
    return invalid("expected either a shipment or a label in the record");
  if (record.has_label()) return read_label(record.label());
  auto shipment = decode_shipment(record.shipment(), now, keep_features);
  if (!shipment) {
    return fail(shipment.error().code == "newer_shipment" ? "newer_record" : "invalid_record",
                shipment.error().message);
  }
  shipment->sender.complete_until = now;
  shipment->sender.closed = true;
  shipment->sender.partial = true;
  return std::move(*shipment);
}

}  // namespace outrider::truth
