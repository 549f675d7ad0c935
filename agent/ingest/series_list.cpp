// SPDX-License-Identifier: Apache-2.0
// GET /api/v1/series: what the agent sees.
#include <algorithm>

#include "agent/ingest/remote_write.h"
#include "agent/ingest/series_limits.h"
#include "base/core/text.h"

namespace outrider::ingest {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using wire::Json;

constexpr std::size_t limit_default = 100;
constexpr std::size_t limit_max = 10'000;
constexpr std::uint32_t slots_a_lock = 4096;  // Looked at before writers get their turn.

Json value_pair(std::int64_t timestamp_ms, double value) {
  return Json::array({static_cast<double>(timestamp_ms) / 1000,
                      is_stale_marker(value) ? std::string("stale") : format_double(value)});
}

std::string hex(const remote_write::Hash128& fingerprint) {
  constexpr char digits[] = "0123456789abcdef";
  std::string text;
  for (const std::uint64_t word : {fingerprint.high, fingerprint.low}) {
    for (int shift = 60; shift >= 0; shift -= 4) text += digits[(word >> shift) & 15];
  }
  return text;
}

Json labels_json(const Labels& labels) {
  Json json = Json::object();
  for (const Label& label : labels) json[label.name] = label.value;
  return json;
}

template <class T>
Json list_json(std::span<const T> values) {
  Json json = Json::array();
  for (const T& value : values) {
    if constexpr (std::is_same_v<T, BucketSpan>) {
      json.push_back(Json::array({value.offset, value.length}));
    } else if constexpr (std::is_same_v<T, double>) {
      json.push_back(format_double(value));
    } else {
      json.push_back(value);
    }
  }
  return json;
}

Json histogram_json(const NativeHistogram& histogram) {
  Json json{{"timestamp", static_cast<double>(histogram.timestamp_ms) / 1000},
            {"schema", histogram.schema},
            {"sum", value_pair(0, histogram.sum)[1]},
            {"zero_threshold", format_double(histogram.zero_threshold)},
            {"positive_spans", list_json(histogram.positive_spans)},
            {"negative_spans", list_json(histogram.negative_spans)},
            {"float", histogram.is_float}};
  if (histogram.is_float) {
    json["count"] = format_double(histogram.count_float);
    json["zero_count"] = format_double(histogram.zero_count_float);
    json["positive_counts"] = list_json(histogram.positive_counts);
    json["negative_counts"] = list_json(histogram.negative_counts);
  } else {
    json["count"] = std::to_string(histogram.count);
    json["zero_count"] = std::to_string(histogram.zero_count);
    json["positive_deltas"] = list_json(histogram.positive_deltas);
    json["negative_deltas"] = list_json(histogram.negative_deltas);
  }
  if (!histogram.custom_values.empty()) json["custom_values"] = list_json(histogram.custom_values);
  return json;
}

Json series_json(const SeriesPartition& partition, std::uint32_t slot, const Families& families) {
  const SeriesTable::Record& record = partition.table().record(slot);
  Json json{{"labels", labels_json(partition.table().labels_of(slot))},
            {"fingerprint", hex(record.fingerprint)},
            {"type", to_string(static_cast<series::MetricKind>(record.metric_kind))},
            {"last_seen", format_rfc3339(from_unix_ms(std::int64_t{record.last_seen_s} * 1000))}};
  if (const auto family = families.find(partition.table().label(slot, "__name__"))) {
    json["type"] = to_string(family->kind);
    json["help"] = family->help;
    json["unit"] = family->unit;
  }
  if (record.start_timestamp_ms != 0) {
    json["start"] = static_cast<double>(record.start_timestamp_ms) / 1000;
  }
  const std::vector<Sample> kept = partition.table().kept(slot);
  if (!kept.empty()) {
    json["samples"] = Json::array();
    for (const Sample& sample : kept) {
      json["samples"].push_back(value_pair(sample.timestamp_ms, sample.value));
    }
  }
  if (record.has_sample && !record.last_is_histogram) {
    json["last"] =
        value_pair(record.last_timestamp_ms, std::bit_cast<double>(record.last_value_bits));
  }
  remote_write::HistogramArrays arrays;
  if (const auto encoded = partition.histogram_of(slot); !encoded.empty()) {
    if (const auto histogram = remote_write::decode_histogram(encoded, arrays)) {
      json["histogram"] = histogram_json(*histogram);
    }
  }
  for (const StoredExemplar& exemplar : partition.exemplars()) {
    if (!(exemplar.fingerprint == record.fingerprint)) continue;
    json["exemplars"].push_back({{"labels", labels_json(exemplar.labels)},
                                 {"value", value_pair(0, exemplar.value)[1]},
                                 {"timestamp", static_cast<double>(exemplar.timestamp_ms) / 1000}});
  }
  return json;
}

bool matches(const SeriesTable& table, std::uint32_t slot, const std::vector<Label>& wanted) {
  return std::all_of(wanted.begin(), wanted.end(), [&](const Label& label) {
    return table.label(slot, label.name) == label.value;
  });
}

bool may_see(const HttpRequest& request, const SeriesTable& table, std::uint32_t slot) {
  return !request.scope ||
         reaches(*request.scope, [&](std::string_view name) { return table.label(slot, name); });
}

}  // namespace

HttpResponse RemoteWriteReceiver::list(const HttpRequest& request) const {
  std::size_t limit = limit_default;
  std::vector<Label> wanted;
  for (const std::string_view pair : split(request.query, '&')) {
    if (pair.empty()) continue;
    const std::size_t equals = std::min(pair.find('='), pair.size());
    const std::string name = percent_decode(pair.substr(0, equals), true).value_or("");
    const std::string value =
        percent_decode(pair.substr(std::min(equals + 1, pair.size())), true).value_or("");
    if (name == "limit") {
      const auto asked = parse_uint(value);
      if (!asked || *asked < 1 || *asked > limit_max) {
        return net::error_response(400, "bad_limit", "limit=" + value + ": expected 1 to 10000");
      }
      limit = static_cast<std::size_t>(*asked);
    } else if (name == "name") {
      wanted.push_back({"__name__", value});
    } else if (name == "label" && value.find('=') != std::string::npos && value.front() != '=') {
      const std::size_t split_at = value.find('=');
      wanted.push_back({value.substr(0, split_at), value.substr(split_at + 1)});
    } else {
      return net::error_response(
          400, "bad_parameter",
          name + "=" + value + ": expected name=METRIC, label=NAME=VALUE or limit=N");
    }
  }
  Json found = Json::array();
  bool truncated = false;
  for (const auto& partition : partitions_) {
    for (std::uint32_t begin = 0, end = slots_a_lock; !truncated;
         begin = end, end += slots_a_lock) {
      std::lock_guard lock(partition->mutex);
      const SeriesTable& table = partition->series.table();
      if (begin >= table.slots()) break;
      for (std::uint32_t slot = begin; slot < std::min(end, table.slots()) && !truncated; ++slot) {
        if (!table.record(slot).in_use || !matches(table, slot, wanted)) continue;
        if (!may_see(request, table, slot)) continue;
        truncated = found.size() >= limit;
        if (!truncated) found.push_back(series_json(partition->series, slot, families_));
      }
    }
  }
  return net::json_response(200, {{"series", std::move(found)}, {"truncated", truncated}});
}

}  // namespace outrider::ingest
