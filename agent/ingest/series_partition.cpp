// SPDX-License-Identifier: Apache-2.0
#include "agent/ingest/series_partition.h"

#include <algorithm>
#include <bit>

#include "base/core/text.h"

namespace outrider::ingest {
namespace {

using remote_write::Hash128;
using remote_write::SeriesFault;
using series::IncomingSeries;
using series::MetricKind;
using Kind = SampleOrder::Kind;

constexpr std::size_t index_ahead = 16;  // How far memory is fetched before it is needed.
constexpr std::size_t record_ahead = 8;
constexpr std::size_t tidy_share = 300;  // A call looks at one record of so many.

std::uint64_t bits_of(double value) {
  return std::bit_cast<std::uint64_t>(value);
}

std::uint32_t seconds_of(Time time) {
  return static_cast<std::uint32_t>(
      std::chrono::floor<std::chrono::seconds>(time).time_since_epoch().count());
}

std::uint32_t tag_of(const remote_write::WireMetadata& metadata) {
  const auto fold = [](std::string_view text) { return remote_write::fingerprint_of(text).low; };
  const std::uint64_t hash =
      fold(metadata.help) ^ (fold(metadata.unit) << 1) ^ (std::uint64_t{metadata.type} << 40);
  return static_cast<std::uint32_t>(hash ^ (hash >> 32)) | 1;
}

// A time that nobody's calendar has (an attacker's, a unit mixed up) is shown as the number it is.
std::string show_time(std::int64_t timestamp_ms) {
  constexpr std::int64_t year_2200_ms = 7'258'118'400'000;
  if (timestamp_ms < 0 || timestamp_ms > year_2200_ms) return std::to_string(timestamp_ms) + " ms";
  return format_rfc3339(from_unix_ms(timestamp_ms));
}

}  // namespace

std::uint64_t WriteReport::refused_total() const {
  std::uint64_t total = 0;
  for (const std::uint64_t count : refused) total += count;
  return total;
}

SeriesPartition::SeriesPartition(const Settings& settings, Families& families, SeriesCount& count,
                                 series::SeriesSink* sink)
    : settings_(settings),
      families_(families),
      table_(settings.table, count,
             [this](std::uint32_t slot, SeriesTable::Departure departure) {
               forget(slot, departure);
             }),
      order_(settings.ahead_max, settings.age_max),
      exemplars_(settings.exemplars_max),
      histograms_(settings.histogram_bytes_max),
      batch_(sink, settings.partition) {}

std::size_t SeriesPartition::partition_of(const Hash128& fingerprint, std::size_t partitions) {
  return static_cast<std::size_t>(((fingerprint.high >> 32) * partitions) >> 32);
}

void SeriesPartition::take(const remote_write::WriteRequest& request,
                           std::span<const std::uint32_t> indexes, Time now, WriteReport& report,
                           bool is_more) {
  request_ = &request;
  report_ = &report;
  now_ = now;
  order_.begin(now, is_more);
  moved_.clear();
  const auto all = request.series();
  for (std::size_t i = 0; i < indexes.size(); ++i) {
    if (i + index_ahead < indexes.size()) table_.prefetch_index(all[indexes[i + index_ahead]].key);
    if (i + record_ahead < indexes.size()) {
      table_.prefetch_record(all[indexes[i + record_ahead]].key);
    }
    take_one(indexes[i]);
  }
  batch_.flush();
}

void SeriesPartition::take_one(std::uint32_t index) {
  const remote_write::WriteRequest::Series& series = request_->series()[index];
  if (series.fault != SeriesFault::none) {
    return refuse_series(index, refusal_of(series.fault),
                         request_->describe(series, series.fault, index));
  }
  const std::optional<Place> place = find_or_insert(index);
  if (!place) return;
  if (series.metadata > 0) take_metadata(series, *place);
  if (series.sample_count > 0) take_samples(series, index, *place);
  if (series.histogram_count > 0) take_histograms(series, index, *place);
  if (series.exemplar_count > 0) take_exemplars(series, index, *place);
  // The labels of a new series are views into scratch memory that the next one uses.
  if (batch_.has_new()) batch_.flush();
}

std::optional<SeriesPartition::Place> SeriesPartition::find_or_insert(std::uint32_t index) {
  if (const auto slot = table_.find(request_->series()[index].key)) return Place{*slot, false};
  return look_at_labels(index);
}

// The key is unknown: the series is new, or its labels came in an unusual order or encoding.
std::optional<SeriesPartition::Place> SeriesPartition::look_at_labels(std::uint32_t index) {
  const remote_write::WriteRequest::Series& series = request_->series()[index];
  const SeriesFault fault = labels_.read(*request_, series, settings_.labels);
  if (fault != SeriesFault::none) {
    refuse_series(index, refusal_of(fault), request_->describe(series, fault, index));
    return std::nullopt;
  }
  Hash128 fingerprint = series.key;
  if (!labels_.are_canonical()) {
    fingerprint = labels_.fingerprint();
    const std::size_t partition = partition_of(fingerprint, settings_.partitions);
    if (partition != settings_.partition) {
      moved_.emplace_back(index, partition);
      return std::nullopt;
    }
    if (const auto slot = table_.find(fingerprint)) return Place{*slot, false};
  }
  if (!has_something_to_store(series)) {
    // It takes no room in the table, but what is said of its family holds.
    if (series.metadata > 0)
      set_family(labels_.metric_name(), request_->metadata()[series.metadata - 1]);
    refuse_times(series, index);
    return std::nullopt;
  }
  const auto slot = table_.insert(fingerprint, labels_.all(), now_);
  if (!slot) {
    const Refusal refusal =
        slot.error().code == "series_limit" ? Refusal::series_limit : Refusal::label_bytes_limit;
    refuse_series(index, refusal, request_->name_of(series, index) + ": " + slot.error().message);
    return std::nullopt;
  }
  SeriesTable::Record& record = table_.record(*slot);
  if (const auto family = families_.find(labels_.metric_name())) {
    record.metric_kind = static_cast<std::uint8_t>(family->kind) & 0xF;
  }
  return Place{*slot, true};
}

// A new series takes room only when something of it will be stored.
bool SeriesPartition::has_something_to_store(
    const remote_write::WriteRequest::Series& series) const {
  if (series.histogram_count > 0 || series.exemplar_count > 0) return true;
  const auto samples = request_->samples_of(series);
  return std::any_of(samples.begin(), samples.end(), [this](const Sample& sample) {
    return order_.judge_time(sample.timestamp_ms) == Refusal::none;
  });
}

void SeriesPartition::refuse_times(const remote_write::WriteRequest::Series& series,
                                   std::uint32_t index) {
  for (const Sample& sample : request_->samples_of(series))
    refuse_sample(index, order_.judge_time(sample.timestamp_ms), sample.timestamp_ms);
}

// Hands on each run of samples that nothing interrupts: one, nearly always, and without copying.
void SeriesPartition::take_samples(const remote_write::WriteRequest::Series& series,
                                   std::uint32_t index, const Place& place) {
  const auto samples = request_->samples_of(series);
  SeriesTable::Record& record = table_.record(place.slot);
  IncomingSeries incoming = begin_incoming(place, record);
  incoming.start_timestamp_ms = series.start_timestamp_ms;
  if (series.start_timestamp_ms != 0) record.start_timestamp_ms = series.start_timestamp_ms;
  std::size_t run = 0;  // Where the run at hand begins.
  const auto end_run = [&](std::size_t end) {
    if (end == run) return;
    incoming.samples = samples.subspan(run, end - run);
    table_.keep(place.slot, incoming.samples);
    hand_on(incoming, record);
  };
  for (std::size_t i = 0; i < samples.size(); ++i) {
    const std::uint64_t bits = bits_of(samples[i].value);
    bool repetition = false;
    const Refusal refusal =
        order_.judge(Kind::sample, record, samples[i].timestamp_ms, bits, repetition);
    if (refusal == Refusal::none) ++report_->samples;
    if (refusal == Refusal::none && !repetition) {
      order_.note_stored(Kind::sample, record, samples[i].timestamp_ms, bits);
      continue;
    }
    end_run(i);
    run = i + 1;
    if (repetition) {
      ++report_->repetitions;
    } else {
      refuse_sample(index, refusal, samples[i].timestamp_ms);
    }
  }
  end_run(samples.size());
  record.has_ended =
      record.has_sample && !record.last_is_histogram && record.last_value_bits == stale_nan_bits;
  record.last_seen_s = seconds_of(now_);
}

void SeriesPartition::take_histograms(const remote_write::WriteRequest::Series& series,
                                      std::uint32_t index, const Place& place) {
  SeriesTable::Record& record = table_.record(place.slot);
  IncomingSeries incoming = begin_incoming(place, record);
  for (const std::string_view encoded : request_->histograms_of(series)) {
    const auto histogram = batch_.decode(encoded);
    if (!histogram) {
      ++report_->refused[static_cast<std::size_t>(Refusal::invalid_histogram)];
      add_message(request_->name_of(series, index) + ": " + histogram.error().message);
      continue;
    }
    const std::uint64_t bits = remote_write::fingerprint_of(encoded).low;
    bool repetition = false;
    const Refusal refusal =
        order_.judge(Kind::histogram, record, histogram->timestamp_ms, bits, repetition);
    if (refusal != Refusal::none) {
      refuse_sample(index, refusal, histogram->timestamp_ms);
      continue;
    }
    ++report_->histograms;
    if (repetition) {
      ++report_->repetitions;
      continue;
    }
    order_.note_stored(Kind::histogram, record, histogram->timestamp_ms, bits);
    record.has_ended = is_stale_marker(histogram->sum);
    if (histogram->start_timestamp_ms != 0) {
      record.start_timestamp_ms = histogram->start_timestamp_ms;
    }
    histograms_.keep(place.slot, encoded);
    incoming.start_timestamp_ms = histogram->start_timestamp_ms;
    hand_on(incoming, record, &*histogram);
  }
  record.last_seen_s = seconds_of(now_);
}

void SeriesPartition::take_exemplars(const remote_write::WriteRequest::Series& series,
                                     std::uint32_t index, const Place& place) {
  for (const std::string_view encoded : request_->exemplars_of(series)) {
    const auto exemplar = request_->exemplar_of(encoded);
    if (!exemplar) {
      ++report_->refused[static_cast<std::size_t>(Refusal::invalid_exemplar)];
      add_message(request_->name_of(series, index) + ": " + exemplar.error().message);
      continue;
    }
    ++report_->exemplars;
    const Hash128 fingerprint = table_.record(place.slot).fingerprint;
    const std::uint64_t bits = remote_write::fingerprint_of(encoded).low;
    if (order_.note_exemplar(fingerprint, exemplar->timestamp_ms, bits)) {
      ++report_->repetitions;
      continue;
    }
    StoredExemplar stored{fingerprint, {}, exemplar->value, exemplar->timestamp_ms};
    for (const LabelView& label : exemplar->labels) stored.labels.set(label.name, label.value);
    exemplars_.add(std::move(stored));
  }
  table_.record(place.slot).last_seen_s = seconds_of(now_);
}

// 2.0 repeats the metadata with every series; only what has changed is looked at.
void SeriesPartition::take_metadata(const remote_write::WriteRequest::Series& series,
                                    const Place& place) {
  const remote_write::WireMetadata& metadata = request_->metadata()[series.metadata - 1];
  SeriesTable::Record& record = table_.record(place.slot);
  const std::uint32_t tag = tag_of(metadata);
  if (record.metadata_tag == tag) return;
  record.metadata_tag = tag;
  record.metric_kind = metadata.type & 0xF;
  set_family(table_.label(place.slot, "__name__"), metadata);
}

void SeriesPartition::set_family(std::string_view metric,
                                 const remote_write::WireMetadata& metadata) {
  const MetricKind kind = kind_of(metadata.type);
  const std::string_view family = family_of(metric, kind);
  const Families::Outcome outcome = families_.set(family, metadata);
  if (outcome == Families::Outcome::refused) ++report_->metadata_refused;
  if (outcome == Families::Outcome::changed && batch_.sink())
    batch_.sink()->take_metadata(family, kind);
}

void SeriesPartition::refuse_series(std::uint32_t index, Refusal refusal, std::string message) {
  const remote_write::WriteRequest::Series& series = request_->series()[index];
  report_->refused[static_cast<std::size_t>(refusal)] +=
      std::max(1u, series.sample_count + series.histogram_count + series.exemplar_count);
  add_message(std::move(message));
}

void SeriesPartition::refuse_sample(std::uint32_t index, Refusal refusal,
                                    std::int64_t timestamp_ms) {
  ++report_->refused[static_cast<std::size_t>(refusal)];
  if (report_->messages.size() >= WriteReport::messages_max) return;
  const remote_write::WriteRequest::Series& series = request_->series()[index];
  std::string message =
      request_->name_of(series, index) + ": the sample at " + show_time(timestamp_ms);
  if (refusal == Refusal::out_of_order) {
    message += " is older than one that is stored; send samples of a series in order of time";
  } else if (refusal == Refusal::duplicate_timestamp) {
    message += " has another value than the one that is stored for that time";
  } else if (refusal == Refusal::too_far_ahead) {
    message += " is more than " + format_duration(settings_.ahead_max) +
               " ahead of the agent's clock; check the clocks";
  } else {
    message += " is more than " + format_duration(settings_.age_max) + " old";
  }
  add_message(std::move(message));
}

void SeriesPartition::add_message(std::string message) {
  if (report_->messages.size() < WriteReport::messages_max) {
    report_->messages.push_back(std::move(message));
  }
}

IncomingSeries SeriesPartition::begin_incoming(const Place& place,
                                               const SeriesTable::Record& record) {
  IncomingSeries incoming;
  incoming.slot = place.slot;
  incoming.is_new = batch_.sink() && !record.handed_on;
  incoming.kind = static_cast<MetricKind>(record.metric_kind);
  incoming.fingerprint = {record.fingerprint.low, record.fingerprint.high};
  if (!incoming.is_new) return incoming;
  // It may have come before, but nothing of it was stored.
  if (!place.is_new) labels_.read(table_, place.slot);
  incoming.labels = labels_.all();
  return incoming;
}

void SeriesPartition::hand_on(IncomingSeries& incoming, SeriesTable::Record& record,
                              const NativeHistogram* decoded) {
  if (!batch_.sink()) return;
  decoded ? batch_.add(incoming, *decoded) : batch_.add(incoming);
  record.handed_on = true;
  incoming.is_new = false;
  incoming.labels = {};
}

void SeriesPartition::tidy(Time now) {
  table_.expire(now, table_.slots() / tidy_share + tidy_share);
}

void SeriesPartition::forget(std::uint32_t slot, SeriesTable::Departure departure) {
  ++departed_[static_cast<std::size_t>(departure)];
  histograms_.forget(slot);
  batch_.forget(slot);
}

Labels SeriesPartition::labels_of(std::size_t, std::uint32_t slot) const {
  return table_.labels_of(slot);
}

}  // namespace outrider::ingest
