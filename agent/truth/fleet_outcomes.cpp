// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/fleet_outcomes.h"

#include <algorithm>
#include <utility>

#include "agent/truth/token_limits.h"
#include "truth/append_buffer.h"
#include "truth/codec.h"
#include "truth/outcome_families.h"
#include "truth/scope.h"

namespace outrider::fleet {
namespace {

using wire::SeriesKey;

constexpr std::string_view state_prefix = "outcomes/";
constexpr std::size_t segments_max = 100;  // Of a version, kept to begin at 0.

std::string state_key(const std::pair<std::string, std::string>& name) {
  const truth::Uuid hash = truth::alias_hash(name.first + '\n' + name.second);
  return std::string(state_prefix) + truth::format_uuid(hash);
}

Labels with(Labels labels, std::string_view name, std::string_view value) {
  labels.set(name, value);
  return labels;
}

}  // namespace

std::string FleetOutcomes::encode(const Name& name, const Kept& kept) {
  std::string out;
  truth::append_text(out, name.first);
  truth::append_text(out, name.second);
  out += static_cast<char>(kept.rule.classification ? 1 : 0);
  truth::append_number(out, kept.rule.tolerance.relative);
  truth::append_number(out, kept.rule.tolerance.absolute);
  truth::append_varint(out, kept.correct);
  truth::append_varint(out, kept.wrong);
  truth::append_varint(out, static_cast<std::uint64_t>(to_unix_ms(kept.newest)));
  truth::append_varint(out, kept.segments.size());
  for (const std::string& segment : kept.segments) truth::append_text(out, segment);
  truth::append_number(out, kept.sample.share);
  out += static_cast<char>((kept.sample.by_id ? 1 : 0) | (kept.sample.by_key ? 2 : 0));
  return out;
}

bool FleetOutcomes::decode(std::string_view bytes, Name& name, Kept& kept) {
  truth::ByteReader in(bytes);
  name.first = in.text();
  name.second = in.text();
  kept.rule.classification = in.byte() == 1;
  kept.rule.tolerance = {in.number(), 0};
  kept.rule.tolerance.absolute = in.number();
  kept.correct = in.varint();
  kept.wrong = in.varint();
  kept.newest = from_unix_ms(static_cast<std::int64_t>(in.varint() & 0xFFFFFFFFFFF));
  const std::uint64_t segments = std::min<std::uint64_t>(in.varint(), segments_max);
  for (std::uint64_t i = 0; i < segments && in.ok(); ++i) kept.segments.emplace_back(in.text());
  if (!in.rest().empty()) {  // Written by an agent that knew of samples.
    kept.sample.share = in.number();
    const std::uint8_t by = in.byte();
    kept.sample.by_id = (by & 1) != 0;
    kept.sample.by_key = (by & 2) != 0;
  }
  return in.ok();
}

std::pair<const FleetOutcomes::Name, FleetOutcomes::Version>& FleetOutcomes::version_of(
    const Name& name) {
  if (const auto found = versions_.find(name); found != versions_.end()) return *found;
  const Name used = versions_.size() < versions_max_ ? name : Name("other", "other");
  return *versions_.try_emplace(used).first;
}

void FleetOutcomes::restore(std::span<const truth::StateBlob> blobs) {
  const std::lock_guard lock(mutex_);
  pending_.clear();
  pending_probes_ = 0;
  changed_.clear();
  for (auto& [name, version] : versions_) version.kept = {};
  for (const truth::StateBlob& blob : blobs) {
    Name name;
    Kept kept;
    if (!blob.key.starts_with(state_prefix) || !decode(blob.bytes, name, kept)) continue;
    Version& version = version_of(name).second;
    version.kept = std::move(kept);
    for (const std::string& segment : version.kept.segments) version.outcomes.announce(segment);
  }
}

bool FleetOutcomes::on_model(const truth::ShippedModel& model) {
  const std::lock_guard lock(mutex_);
  auto& [name, version] = version_of({model.name, model.version});
  bool changed = version.kept.rule != model.rule || version.kept.sample != model.sample;
  version.kept.rule = model.rule;
  version.kept.sample = model.sample;
  for (const std::string& segment : model.segments) {
    auto& known = version.kept.segments;
    if (known.size() >= segments_max ||
        std::find(known.begin(), known.end(), segment) != known.end()) {
      continue;
    }
    known.push_back(segment);
    version.outcomes.announce(segment);
    changed = true;
  }
  if (changed) changed_.insert(name);
  return changed;
}

truth::SampleBounds FleetOutcomes::sample_of(const truth::Scope* scope) const {
  truth::SampleBounds bounds;
  const std::lock_guard lock(mutex_);
  for (const auto& [name, version] : versions_) {
    if (!scope || scope->holds(name.first)) bounds.widen(version.kept.sample);
  }
  return bounds;
}

void FleetOutcomes::on_joined(const truth::JoinedRow& row) {
  const std::lock_guard lock(mutex_);
  if (truth::is_probe(row.model_name)) {
    ++pending_probes_;
    return;
  }
  auto& [name, version] = version_of({row.model_name, row.model_version});
  Pending pending{
      .name = name,
      .judgement = truth::judge(row.prediction, row.truth, version.kept.rule.classification,
                                version.kept.rule.tolerance),
      .segment = row.segment,
      .predicted = row.predicted};
  ++(pending.judgement.correct ? version.kept.correct : version.kept.wrong);
  version.kept.newest = std::max(version.kept.newest, row.predicted);
  changed_.insert(name);
  pending_.push_back(std::move(pending));
}

void FleetOutcomes::changed_state(truth::StateWriter& out) {
  const std::lock_guard lock(mutex_);
  for (const Name& name : changed_) {
    out.put(state_key(name), encode(name, versions_.at(name).kept));
  }
}

void FleetOutcomes::committed() {
  const std::lock_guard lock(mutex_);
  for (const Pending& one : pending_) {
    Version& version = versions_.at(one.name);
    version.outcomes.add(one.judgement, one.segment);
    version.newest = std::max(version.newest, one.predicted);
  }
  probes_ += std::exchange(pending_probes_, 0);
  pending_.clear();
  changed_.clear();
}

template <class Write>
void FleetOutcomes::each(Write write) const {
  for (const auto& [name, version] : versions_) {
    write(version, truth::model_labels(name.first, name.second));
  }
}

void FleetOutcomes::collect(wire::MetricSink& sink) {
  const std::lock_guard lock(mutex_);
  collect_outcomes(sink);
  collect_errors(sink);
}

void FleetOutcomes::collect_outcomes(wire::MetricSink& sink) const {
  const auto value = [&sink](Labels labels, std::uint64_t count) {
    sink.value(SeriesKey(std::move(labels)), static_cast<double>(count));
  };
  sink.family(truth::outcomes_family.text());
  each([&](const Version& version, const Labels& labels) {
    for (const auto& segment : version.outcomes.segments()) {
      const Labels of = with(labels, "segment", segment.name);
      value(with(of, "correct", "true"), segment.counts.correct);
      value(with(of, "correct", "false"), segment.counts.wrong);
    }
  });
  sink.family(truth::newest_outcome_family.text());
  each([&](const Version& version, const Labels& labels) {
    if (version.newest == Time{}) return;
    sink.value(SeriesKey(labels), static_cast<double>(to_unix_ms(version.newest)) / 1000);
  });
  sink.family(truth::confusion_family.text());
  each([&](const Version& version, const Labels& labels) {
    const auto& classes = version.outcomes.classes();
    for (const auto& cell : version.outcomes.confusion()) {
      value(
          with(with(labels, "actual", classes[cell.actual]), "predicted", classes[cell.predicted]),
          cell.count);
    }
  });
}

void FleetOutcomes::collect_errors(wire::MetricSink& sink) const {
  for (const truth::ErrorFamily& one : truth::error_families) {
    sink.family(one.family.text());
    each([&](const Version& version, const Labels& labels) {
      if (version.kept.rule.classification) return;
      const auto& sums = version.outcomes.errors();
      if (!one.negative) return sink.value(SeriesKey(labels), sums.*one.sum);
      sink.value(SeriesKey(with(labels, "sign", "positive")), sums.*one.sum);
      sink.value(SeriesKey(with(labels, "sign", "negative")), sums.*one.negative);
    });
  }
}

std::uint64_t FleetOutcomes::probes() const {
  const std::lock_guard lock(mutex_);
  return probes_;
}

wire::Json FleetOutcomes::status(const net::Scope* limits) const {
  const std::lock_guard lock(mutex_);
  wire::Json json = wire::Json::array();
  for (const auto& [name, version] : versions_) {
    if (!reaches(limits, name.first)) continue;
    const truth::ScopedName of = truth::split_scope(name.first);
    json.push_back({{"cluster", of.cluster},
                    {"namespace", of.name_space},
                    {"workload", of.workload},
                    {"model", of.model},
                    {"version", name.second},
                    {"labels", version.kept.correct + version.kept.wrong},
                    {"correct", version.kept.correct},
                    {"sample", version.kept.sample.share}});
  }
  return json;
}

}  // namespace outrider::fleet
