// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/codec/encode.h"

#include <unordered_map>
#include <unordered_set>

#include "base/remote_write/codec/v1.pb.h"
#include "base/remote_write/codec/v2.pb.h"

namespace outrider::remote_write {
namespace {

namespace v1 = io::prometheus::write::v1;
namespace v2 = io::prometheus::write::v2;
using wire::MetricType;

// Numbers of the metadata types: the same in both versions.
int type_number(MetricType type) {
  switch (type) {
    case MetricType::unknown:
      return 0;
    case MetricType::counter:
      return 1;
    case MetricType::gauge:
      return 2;
    case MetricType::histogram:
      return 3;
    case MetricType::gauge_histogram:
      return 4;
    case MetricType::summary:
      return 5;
    case MetricType::info:
      return 6;
    case MetricType::stateset:
      return 7;
  }
  return 0;
}

MetricType type_of(int number) {
  constexpr MetricType types[] = {
      MetricType::unknown,         MetricType::counter, MetricType::gauge, MetricType::histogram,
      MetricType::gauge_histogram, MetricType::summary, MetricType::info,  MetricType::stateset};
  return number >= 0 && number < 8 ? types[number] : MetricType::unknown;
}

class Symbols {
 public:
  explicit Symbols(v2::Request& request) : request_(request) { (void)ref(""); }

  // The keys are views of the caller's strings, which live as long as the encoding.
  std::uint32_t ref(std::string_view text) {
    const auto [place, is_new] = refs_.try_emplace(text, refs_.size());
    if (is_new) request_.add_symbols(std::string(text));
    return place->second;
  }

 private:
  v2::Request& request_;
  std::unordered_map<std::string_view, std::uint32_t> refs_;
};

void add_series(const WriteSeries& series, Symbols& symbols, v2::TimeSeries& out) {
  for (const Label& label : series.labels) {
    out.add_labels_refs(symbols.ref(label.name));
    out.add_labels_refs(symbols.ref(label.value));
  }
  for (const outrider::Sample& sample : series.samples) {
    v2::Sample& to = *out.add_samples();
    to.set_value(sample.value);
    to.set_timestamp(sample.timestamp_ms);
    to.set_start_timestamp(series.start_timestamp_ms);
  }
  for (const wire::Exemplar& exemplar : series.exemplars) {
    v2::Exemplar& to = *out.add_exemplars();
    for (const Label& label : exemplar.labels) {
      to.add_labels_refs(symbols.ref(label.name));
      to.add_labels_refs(symbols.ref(label.value));
    }
    to.set_value(exemplar.value);
    to.set_timestamp(exemplar.timestamp_ms);
  }
  v2::Metadata& metadata = *out.mutable_metadata();
  metadata.set_type(static_cast<v2::Metadata::MetricType>(type_number(series.metadata.type)));
  metadata.set_help_ref(symbols.ref(series.metadata.help));
  metadata.set_unit_ref(symbols.ref(series.metadata.unit));
}

// Gathers the metadata of a 1.0 request: each wanted family once.
class FamilyMetadata {
 public:
  FamilyMetadata(v1::WriteRequest& request, const WantsMetadata& wants)
      : request_(request), wants_(wants) {}

  void add(std::string_view name, MetricType type, std::string_view help, std::string_view unit) {
    if (type == MetricType::unknown && help.empty() && unit.empty()) return;
    const std::string family(family_of(name, type));
    if (!seen_.insert(family).second || !wants_(family)) return;
    v1::MetricMetadata& to = *request_.add_metadata();
    to.set_type(static_cast<v1::MetricMetadata::MetricType>(type_number(type)));
    to.set_metric_family_name(family);
    to.set_help(std::string(help));
    to.set_unit(std::string(unit));
  }

 private:
  v1::WriteRequest& request_;
  const WantsMetadata& wants_;
  std::unordered_set<std::string> seen_;
};

template <class Message>
void add_label(Message& message, std::string_view name, std::string_view value) {
  v1::Label& label = *message.add_labels();
  label.set_name(std::string(name));
  label.set_value(std::string(value));
}

bool are_pairs_within(const google::protobuf::RepeatedField<std::uint32_t>& refs,
                      const v2::Request& request) {
  if (refs.size() % 2 != 0) return false;
  for (const std::uint32_t ref : refs) {
    if (ref >= static_cast<std::uint32_t>(request.symbols_size())) return false;
  }
  return true;
}

bool are_refs_valid(const v2::Request& request) {
  for (const v2::TimeSeries& series : request.timeseries()) {
    if (!are_pairs_within(series.labels_refs(), request)) return false;
    for (const v2::Exemplar& exemplar : series.exemplars()) {
      if (!are_pairs_within(exemplar.labels_refs(), request)) return false;
    }
    const auto symbols = static_cast<std::uint32_t>(request.symbols_size());
    if (series.metadata().help_ref() >= symbols || series.metadata().unit_ref() >= symbols) {
      return false;
    }
  }
  return true;
}

// Returns the series' name.
template <class From, class To>
std::string_view copy_labels(const v2::Request& request, const From& from, To& to) {
  std::string_view name;
  for (int i = 0; i + 1 < from.labels_refs_size(); i += 2) {
    const std::string& label = request.symbols(static_cast<int>(from.labels_refs(i)));
    const std::string& value = request.symbols(static_cast<int>(from.labels_refs(i + 1)));
    if (label == "__name__") name = value;
    add_label(to, label, value);
  }
  return name;
}

void copy_series(const v2::Request& request, const v2::TimeSeries& from, v1::TimeSeries& to,
                 FamilyMetadata& metadata) {
  const std::string_view name = copy_labels(request, from, to);
  for (const v2::Sample& sample : from.samples()) {
    v1::Sample& copy = *to.add_samples();
    copy.set_value(sample.value());
    copy.set_timestamp(sample.timestamp());
  }
  for (const v2::Exemplar& exemplar : from.exemplars()) {
    v1::Exemplar& copy = *to.add_exemplars();
    copy_labels(request, exemplar, copy);
    copy.set_value(exemplar.value());
    copy.set_timestamp(exemplar.timestamp());
  }
  metadata.add(name, type_of(from.metadata().type()),
               request.symbols(static_cast<int>(from.metadata().help_ref())),
               request.symbols(static_cast<int>(from.metadata().unit_ref())));
}

}  // namespace

Counts count(std::span<const WriteSeries> series) {
  Counts counts{.series = series.size()};
  for (const WriteSeries& one : series) {
    counts.samples += one.samples.size();
    counts.exemplars += one.exemplars.size();
  }
  return counts;
}

std::string encode_v2(std::span<const WriteSeries> series) {
  v2::Request request;
  Symbols symbols(request);
  request.mutable_timeseries()->Reserve(static_cast<int>(series.size()));
  for (const WriteSeries& one : series) add_series(one, symbols, *request.add_timeseries());
  return request.SerializeAsString();
}

std::string encode_v1(std::span<const WriteSeries> series, const WantsMetadata& wants) {
  v1::WriteRequest request;
  FamilyMetadata metadata(request, wants);
  for (const WriteSeries& one : series) {
    v1::TimeSeries& to = *request.add_timeseries();
    for (const Label& label : one.labels) add_label(to, label.name, label.value);
    for (const outrider::Sample& sample : one.samples) {
      v1::Sample& copy = *to.add_samples();
      copy.set_value(sample.value);
      copy.set_timestamp(sample.timestamp_ms);
    }
    for (const wire::Exemplar& exemplar : one.exemplars) {
      v1::Exemplar& copy = *to.add_exemplars();
      for (const Label& label : exemplar.labels) add_label(copy, label.name, label.value);
      copy.set_value(exemplar.value);
      copy.set_timestamp(exemplar.timestamp_ms);
    }
    metadata.add(one.labels.get("__name__"), one.metadata.type, one.metadata.help,
                 one.metadata.unit);
  }
  return request.SerializeAsString();
}

Result<std::string> downgrade(std::string_view v2_message, const WantsMetadata& wants) {
  v2::Request request;
  if (!request.ParseFromArray(v2_message.data(), static_cast<int>(v2_message.size()))) {
    return fail("bad_message", "not an io.prometheus.write.v2.Request");
  }
  if (request.symbols_size() == 0 && request.timeseries_size() == 0) return std::string();
  if (!are_refs_valid(request)) {
    return fail("bad_message", "a reference of the request points outside its symbols");
  }
  v1::WriteRequest older;
  FamilyMetadata metadata(older, wants);
  for (const v2::TimeSeries& series : request.timeseries()) {
    copy_series(request, series, *older.add_timeseries(), metadata);
  }
  return older.SerializeAsString();
}

std::string_view family_of(std::string_view name, MetricType type) {
  const auto without = [name](std::initializer_list<std::string_view> suffixes) {
    for (const std::string_view suffix : suffixes) {
      if (name.size() > suffix.size() && name.ends_with(suffix)) {
        return name.substr(0, name.size() - suffix.size());
      }
    }
    return name;
  };
  switch (type) {
    case MetricType::histogram:
      return without({"_bucket", "_count", "_sum", "_created"});
    case MetricType::gauge_histogram:
      return without({"_bucket", "_gcount", "_gsum"});
    case MetricType::summary:
      return without({"_count", "_sum", "_created"});
    default:
      return name;
  }
}

}  // namespace outrider::remote_write
