// SPDX-License-Identifier: Apache-2.0
#include "agent/truth/topic_join.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstring>
#include <set>

#include "base/kafka/partition.h"
#include "truth/append_buffer.h"

namespace outrider::fleet {
namespace {

constexpr Duration tell_every = std::chrono::minutes(1);

// Of one sidecar's stream what comes in one partition: numbers ascend there.
truth::Uuid stream_in(truth::Uuid stream, std::int32_t partition) {
  const auto number = static_cast<std::uint32_t>(partition) + 1;
  for (std::size_t i = 0; i < 4; ++i)
    stream.bytes[12 + i] ^= static_cast<std::uint8_t>(number >> (8 * i));
  return stream;
}

// What a label waits for: its prediction's id, or its key.
std::vector<truth::Uuid> awaited(const truth::GroundTruth& label) {
  std::vector<truth::Uuid> names = {truth::key_hash(label.id)};
  if (const auto id = truth::parse_uuid7(truth::topic_key(label.id))) names.push_back(*id);
  return names;
}

}  // namespace

// What a call is going to do, and to count once it is done.
struct TopicJoin::Work {
  std::vector<truth::DecodedShipment> shipments;
  std::map<std::pair<truth::Uuid, std::int32_t>, std::size_t> streams;
  std::vector<truth::KeyedRecord> forwarded;
  std::vector<Label> labels;
  std::set<Place> settled;   // Wait no more.
  std::vector<Label> waits;  // Wait from now on.
  std::vector<Label> final;  // To be counted as what they are.
  std::uint64_t invalid_labels = 0;
  std::string refusal;  // The last one.
  Time now{};
  Figures count;
};

std::size_t TopicJoin::IdHash::operator()(const truth::Uuid& id) const {
  std::size_t hash = 0;
  std::memcpy(&hash, id.bytes.data() + 8, sizeof hash);
  return hash;
}

TopicJoin::TopicJoin(const Settings& settings, truth::PredictionLog& log,
                     truth::PublishRecords forward, const Clock& clock)
    : settings_(settings), log_(log), forward_(std::move(forward)), clock_(clock) {}

void TopicJoin::add_shipment(truth::DecodedShipment shipment, std::int32_t partition,
                             Work& work) const {
  const auto key = std::pair(shipment.stream, partition);
  const auto [found, is_new] = work.streams.try_emplace(key, work.shipments.size());
  if (is_new) {
    shipment.stream = stream_in(shipment.stream, partition);
    work.shipments.push_back(std::move(shipment));
    return;
  }
  truth::DecodedShipment& whole = work.shipments[found->second];
  for (std::size_t i = 0; i < shipment.sequences.size(); ++i) {
    whole.predictions.add_from(shipment.predictions, shipment.predictions.entries[i]);
    whole.sequences.push_back(shipment.sequences[i]);
  }
  for (truth::ShippedModel& model : shipment.models) {
    if (std::find(whole.models.begin(), whole.models.end(), model) == whole.models.end())
      whole.models.push_back(std::move(model));
  }
}

void TopicJoin::read(const TopicBatch& batch, std::int32_t partition_count, Time now,
                     Work& work) const {
  for (const kafka::Record& record : batch.records) {
    auto content = truth::parse_topic_record(record.value, now, log_.settings().keep_features);
    if (!content) {
      ++(content.error().code == "newer_record" ? work.count.newer : work.count.invalid);
      if (batch.counts) ++work.invalid_labels;
      work.refusal = "partition " + std::to_string(record.partition) + ", offset " +
                     std::to_string(record.offset) + ": " + content.error().message;
      continue;
    }
    if (auto* shipment = std::get_if<truth::DecodedShipment>(&*content)) {
      ++(batch.counts ? work.count.predictions_first : work.count.predictions_again);
      add_shipment(std::move(*shipment), record.partition, work);
      continue;
    }
    auto& one = std::get<truth::TopicLabel>(*content);
    ++(batch.counts ? work.count.labels_first : work.count.labels_again);
    // Whoever wrote it knew another partitioner, or another key.
    const std::string key = truth::topic_key(one.label.id);
    if (kafka::partition_of(key, partition_count) != record.partition) {
      if (batch.counts) work.forwarded.push_back({key, truth::write_topic_label(one)});
      continue;
    }
    work.labels.push_back({.one = std::move(one),
                           .place = {record.partition, record.offset},
                           .since = batch.counts ? now : record.time,
                           .counts = batch.counts});
  }
}

// Held labels of the batch's partition whose prediction is in it.
void TopicJoin::match(const TopicBatch& batch, const Work& work, std::vector<Label>& labels) const {
  if (waiting_.empty()) return;
  std::set<Place> found;
  const auto look = [&](const truth::Uuid& name) {
    const auto [first, last] = waiting_.equal_range(name);
    for (auto at = first; at != last; ++at) {
      if (at->second.first == batch.partition) found.insert(at->second);
    }
  };
  for (const auto& [key, index] : work.streams) {
    if (key.second != batch.partition) continue;
    for (const auto& entry : work.shipments[index].predictions.entries) look(entry.id);
    for (const auto& name : work.shipments[index].predictions.names) look(name.hash);
  }
  for (const Place& place : found) {
    labels.push_back(held_.at(place));
    labels.back().counts = batch.counts;
  }
}

void TopicJoin::settle(const Label& label, const truth::LabelAnswer& answer, Work& work) const {
  using truth::LabelResult;
  if (answer.result == LabelResult::unknown) {
    if (work.now - label.since < settings_.early) {
      work.waits.push_back(label);
      return;
    }
    // One that was read again and is as old was decided by whoever read it first.
    if (label.counts || label.held) work.final.push_back(label);
  } else if (answer.result == LabelResult::late || answer.result == LabelResult::evicted ||
             answer.result == LabelResult::sampled_out) {
    if (label.counts) work.final.push_back(label);
  }
  work.settled.insert(label.place);
}

// As questions first (fan_out): the log holds nothing, and counts what its own predictions decide.
Result<void> TopicJoin::join(std::vector<Label>& labels, bool last, Work& work) {
  struct Group {
    bool counts;
    const truth::Scope* scope;
    std::vector<const Label*> labels;
  };
  std::vector<Group> groups;
  for (const Label& label : labels) {
    auto group = std::find_if(groups.begin(), groups.end(), [&](const Group& one) {
      return one.counts == label.counts && *one.scope == label.one.scope;
    });
    if (group == groups.end())
      group = groups.insert(group, Group{label.counts, &label.one.scope, {}});
    group->labels.push_back(&label);
  }
  for (const Group& group : groups) {
    std::vector<truth::GroundTruth> truths;
    for (const Label* label : group.labels) truths.push_back(label->one.label);
    const auto answers =
        log_.join(std::move(truths),
                  {.fan_out = !last, .passed = !last && !group.counts, .scope = *group.scope});
    if (!answers) return fail(answers);
    for (std::size_t i = 0; !last && i < answers->size(); ++i)
      settle(*group.labels[i], (*answers)[i], work);
  }
  return {};
}

Result<void> TopicJoin::take(std::span<const TopicBatch> batches, std::int32_t partition_count) {
  Work work;
  work.now = clock_.now();
  for (const TopicBatch& batch : batches) read(batch, partition_count, work.now, work);
  std::vector<Label> labels;  // Those that were held come first: they are older.
  for (const TopicBatch& batch : batches) match(batch, work, labels);
  labels.insert(labels.end(), std::make_move_iterator(work.labels.begin()),
                std::make_move_iterator(work.labels.end()));
  if (!work.shipments.empty()) {
    if (auto taken = log_.take_all(std::move(work.shipments)); !taken) return fail(taken);
  }
  if (!work.forwarded.empty()) {
    if (auto ok = forward_(work.forwarded); !ok) return ok;
  }
  if (auto ok = join(labels, false, work); !ok) return ok;
  if (auto ok = join(work.final, true, work); !ok) return ok;
  if (work.invalid_labels > 0) log_.count_invalid(work.invalid_labels);
  for (const Place& place : work.settled) let_go(place);
  for (Label& label : work.waits) hold(std::move(label));
  if (!work.refusal.empty() && work.now - told_ >= tell_every) {
    told_ = work.now;
    spdlog::warn("topic: a record is passed over: {}", work.refusal);
  }
  figures_.predictions_first += work.count.predictions_first;
  figures_.predictions_again += work.count.predictions_again;
  figures_.labels_first += work.count.labels_first;
  figures_.labels_again += work.count.labels_again;
  figures_.invalid += work.count.invalid;
  figures_.newer += work.count.newer;
  figures_.forwarded += work.forwarded.size();
  figures_.held = held_.size();
  return {};
}

Result<void> TopicJoin::give_up_old() {
  Work work;
  work.now = clock_.now();
  for (const auto& [place, label] : held_) {
    if (work.now - label.since >= settings_.early) work.final.push_back(label);
  }
  if (work.final.empty()) return {};
  if (auto ok = join(work.final, true, work); !ok) return ok;
  for (const Label& label : work.final) let_go(label.place);
  figures_.held = held_.size();
  return {};
}

void TopicJoin::hold(Label label) {
  const Place place = label.place;
  if (held_.contains(place)) return;
  if (held_.size() >= settings_.held_max) {
    // It is not joined here any more; that is said, and counted as what it is.
    ++figures_.not_held;
    (void)log_.join({label.one.label}, {.scope = label.one.scope});
    return;
  }
  label.held = true;
  for (const truth::Uuid& name : awaited(label.one.label)) waiting_.emplace(name, place);
  held_.emplace(place, std::move(label));
}

void TopicJoin::let_go(const Place& place) {
  const auto held = held_.find(place);
  if (held == held_.end()) return;
  for (const truth::Uuid& name : awaited(held->second.one.label)) {
    const auto [first, last] = waiting_.equal_range(name);
    const auto entry =
        std::find_if(first, last, [&](const auto& one) { return one.second == place; });
    if (entry != last) waiting_.erase(entry);
  }
  held_.erase(held);
}

void TopicJoin::forget(std::int32_t partition) {
  while (const auto offset = first_held(partition)) let_go({partition, *offset});
  figures_.held = held_.size();
}

std::optional<std::int64_t> TopicJoin::first_held(std::int32_t partition) const {
  const auto first = held_.lower_bound({partition, INT64_MIN});
  if (first == held_.end() || first->first.first != partition) return std::nullopt;
  return first->first.second;
}

}  // namespace outrider::fleet
