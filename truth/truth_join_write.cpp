// SPDX-License-Identifier: Apache-2.0
// Predictions into the store: from the buffer of append(), and shipped ones.
#include <algorithm>
#include <deque>
#include <numeric>

#include "truth/truth_join.h"
#include "truth/truth_join_group.h"

namespace outrider::truth {

// Gives how many rows came too late to be kept.
std::uint64_t TruthJoin::put_predictions(const AppendBuffer& buffer, Group& group) {
  std::vector<std::size_t> order(buffer.entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::vector<std::uint64_t> slots;
  slots.reserve(order.size());
  for (const AppendEntry& entry : buffer.entries) slots.push_back(slot_of(entry.id));
  const auto by_slot = [&](std::size_t a, std::size_t b) { return slots[a] < slots[b]; };
  if (!std::is_sorted(slots.begin(), slots.end())) {
    std::stable_sort(order.begin(), order.end(), by_slot);
  }

  std::uint64_t evicted = 0;
  std::vector<std::string_view> pieces;
  std::deque<std::string> remaining;  // Of requests of which something was erased.
  for (std::size_t i = 0; i < order.size();) {
    const std::uint64_t slot = slots[order[i]];
    std::uint64_t rows = 0, bytes = 0;
    pieces.clear();
    for (; i < order.size() && slots[order[i]] == slot; ++i) {
      const AppendEntry& entry = buffer.entries[order[i]];
      std::string_view value = buffer.group(entry);
      if (auto rest = erased_names_.remaining(buffer, entry)) {
        if (rest->empty()) continue;
        value = remaining.emplace_back(std::move(*rest));
      }
      pieces.push_back(value);
      rows += entry.rows;
      bytes += value.size() + entry.name_count * alias_bytes;
      if (slot < reads_.watermark()) continue;
      for (std::size_t a = 0; a < entry.name_count; ++a) {
        const AppendName& name = buffer.names[entry.first_name + a];
        const NamedPrediction named{entry.id, name.key_row.has_value(),
                                    name.key_row.value_or(whole_request)};
        group.batch.put(Family::aliases, name_key(name.hash, named), entry.scope);
      }
    }
    if (slot < reads_.watermark()) {  // So long under way that its time has been evicted.
      evicted += rows;
      continue;
    }
    if (pieces.empty()) continue;
    std::string name;
    append_u64_key(name, slot);
    group.batch.append(Family::predictions, name, pieces);
    retention_.segments().add_predictions(slot, rows, bytes);
  }
  retention_.count_written(buffer.rows);
  return evicted;
}

Result<void> TruthJoin::after_predictions(const AppendBuffer& buffer) {
  held_.match(buffer);
  return retention_.after_write(buffer.bytes.size() + buffer.names.size() * alias_bytes);
}

Result<std::uint64_t> TruthJoin::write_predictions(const AppendBuffer& buffer) {
  Group group;
  const std::uint64_t evicted = put_predictions(buffer, group);
  retention_.add_meta(group.batch);
  if (auto ok = store_.write(group.batch, false); !ok) return fail(ok);
  retention_.count_evicted(evicted);
  if (auto ok = after_predictions(buffer); !ok) return fail(ok);
  return buffer.rows - evicted;
}

Result<std::vector<ShipmentTaken>> TruthJoin::take(
    std::span<const DecodedShipment* const> shipments, Time now) {
  Group group;
  AppendBuffer fresh;
  std::vector<ShipmentTaken> answers;
  bool changed = false;
  for (const DecodedShipment* shipment : shipments) {
    ShipmentTaken answer;
    const AppendBuffer& sent = shipment->predictions;
    for (std::size_t i = 0; i < sent.entries.size(); ++i) {
      const AppendEntry& entry = sent.entries[i];
      const auto taken = streams_.take(shipment->stream, shipment->sequences[i], entry.rows);
      answer.lost += taken.lost;
      (taken.fresh ? answer.rows : answer.rows_again) += entry.rows;
      if (taken.fresh) fresh.add_from(sent, entry);
    }
    streams_.note(shipment->stream, shipment->sender, now);
    group.batch.put(Family::meta, stream_key(shipment->stream),
                    encode_stream(streams_.all().at(shipment->stream)));
    for (const ShippedModel& model : shipment->models) {
      metrics_.announce(model.name, model.version);
      changed = consumer_.on_model(model) || changed;
    }
    answers.push_back(answer);
  }
  const std::uint64_t evicted = put_predictions(fresh, group);
  if (changed) {
    BatchState state(group.batch);
    consumer_.changed_state(state);
  }
  retention_.add_meta(group.batch);
  // A shipment that only says how far its sender has come is not worth a wait for the disk.
  if (auto ok = store_.write(group.batch, changed || fresh.rows > 0); !ok) return fail(ok);
  if (changed) consumer_.committed();
  retention_.count_evicted(evicted);
  if (auto ok = after_predictions(fresh); !ok) return fail(ok);
  return answers;
}

}  // namespace outrider::truth
