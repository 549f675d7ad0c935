// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/series_boards.h"

#include <algorithm>

#include "agent/ingest/series_partition.h"
#include "agent/watch/state_file.h"
#include "detectors/snapshot.h"

namespace outrider::watch {
namespace {

using detectors::SnapshotReader;
using detectors::SnapshotWriter;
using series::Findings;
using series::Watched;

constexpr std::string_view board_kind = "SERB";
constexpr std::string_view quantile_kind = "SERQ";
constexpr std::size_t states_a_chunk = 512;
constexpr std::size_t quantile_shards = 8;

}  // namespace

SeriesBoards::SeriesBoards(const Settings& settings, series::WatchRules rules)
    : settings_(settings), rules_(std::move(rules)) {
  for (std::size_t i = 0; i < settings_.partitions; ++i) {
    series::SeriesBoard::Settings board;
    board.watched_max = std::max<std::size_t>(1, settings_.watched_max / settings_.partitions);
    partitions_.push_back(std::make_unique<Partition>(board, rules_));
  }
  for (std::size_t i = 0; i < quantile_shards; ++i) {
    shards_.push_back(
        std::make_unique<Shard>(rules_.quantiles, 1 + settings_.histograms_max / quantile_shards));
  }
}

template <class Do>
void SeriesBoards::each_board(Do what) {
  const auto locked = [&](auto& part) {
    std::lock_guard lock(part->mutex);
    what(part->board);
  };
  for (const auto& partition : partitions_) locked(partition);
  for (const auto& shard : shards_) locked(shard);
}

series::WatchTerms SeriesBoards::terms() const {
  series::WatchTerms terms;
  terms.threshold = threshold_;
  terms.quiet = settings_.quiet;
  return terms;
}

Findings SeriesBoards::take(std::size_t partition, std::span<const series::IncomingSeries> series,
                            const series::SeriesDirectory& directory) {
  Findings findings;
  Partition& mine = *partitions_[partition];
  std::lock_guard lock(mine.mutex);
  mine.board.take(series, directory, partition, terms(), *this, findings);
  return findings;
}

void SeriesBoards::forget(std::size_t partition, std::uint32_t slot) {
  Partition& mine = *partitions_[partition];
  std::lock_guard lock(mine.mutex);
  mine.board.forget(slot, *this);
}

std::optional<std::uint64_t> SeriesBoards::bind(std::span<const LabelView> labels) {
  const std::size_t shard = series::QuantileBoard::hash_of(labels) % quantile_shards;
  std::lock_guard lock(shards_[shard]->mutex);
  const auto histogram = shards_[shard]->board.bind(labels);
  if (!histogram) return std::nullopt;
  return static_cast<std::uint64_t>(shard) << 32 | *histogram;
}

void SeriesBoards::release(std::uint64_t histogram) {
  Shard& shard = *shards_[histogram >> 32];
  std::lock_guard lock(shard.mutex);
  shard.board.release(static_cast<std::uint32_t>(histogram));
}

void SeriesBoards::take(std::uint64_t histogram, double bound, std::span<const Sample> samples,
                        series::Findings& findings) {
  Shard& shard = *shards_[histogram >> 32];
  std::lock_guard lock(shard.mutex);
  for (const Sample& sample : samples) {
    shard.board.take(static_cast<std::uint32_t>(histogram), bound, sample, terms(), findings);
  }
}

Findings SeriesBoards::tick(Time now) {
  Findings findings;
  each_board([&](auto& board) { board.tick(to_unix_ms(now), terms(), findings); });
  return findings;
}

std::size_t SeriesBoards::watched() {
  std::size_t watched = census().watched;
  for (const auto& shard : shards_) {
    std::lock_guard lock(shard->mutex);
    watched += shard->board.watched();
  }
  return watched;
}

series::SeriesBoard::Census SeriesBoards::census() {
  series::SeriesBoard::Census all;
  for (const auto& partition : partitions_) {
    std::lock_guard lock(partition->mutex);
    const auto& one = partition->board.census();
    all.watched += one.watched;
    all.buckets += one.buckets;
    all.not_selected += one.not_selected;
    all.no_room += one.no_room;
    all.evicted += one.evicted;
    all.native_skipped += one.native_skipped;
  }
  return all;
}

std::uint64_t SeriesBoards::buckets_left_out() {
  std::uint64_t left_out = 0;
  for (const auto& shard : shards_) {
    std::lock_guard lock(shard->mutex);
    left_out += shard->board.left_out();
  }
  return left_out;
}

// A board's states, a chunk at a time, so that who sends samples waits for one chunk at most. Those
// that are watched stand before those that nobody claimed: where there is no room for all, they
// come first.
template <class Part>
void SeriesBoards::save_part(Part& part, std::string_view kind, StateWriter& writer) {
  const auto put = [&](const auto& fill) {
    SnapshotWriter out(kind, state_version);
    {
      std::lock_guard lock(part.mutex);
      fill(out);
    }
    writer.put(out.finish());
  };
  std::size_t end = 1;
  for (std::size_t first = 0; first < end; first += states_a_chunk) {
    put([&](SnapshotWriter& out) {
      end = part.board.pool_size();
      part.board.save(first, states_a_chunk, out);
    });
  }
  std::vector<std::uint64_t> keys;
  {
    std::lock_guard lock(part.mutex);
    keys = part.board.restored().keys();
  }
  for (std::size_t first = 0; first < keys.size(); first += states_a_chunk) {
    const std::size_t count = std::min(states_a_chunk, keys.size() - first);
    put([&](SnapshotWriter& out) {
      part.board.restored().save(std::span(keys).subspan(first, count), out);
    });
  }
}

void SeriesBoards::save(StateWriter& writer) {
  for (const auto& partition : partitions_) save_part(*partition, board_kind, writer);
  for (const auto& shard : shards_) save_part(*shard, quantile_kind, writer);
}

Result<void> SeriesBoards::restore(std::string_view chunk) {
  const bool quantiles = SnapshotReader::open(chunk, quantile_kind, state_version).has_value();
  auto in = SnapshotReader::open(chunk, quantiles ? quantile_kind : board_kind, state_version);
  if (!in) return fail(in);
  const std::uint64_t states = in->count();
  for (std::uint64_t i = 0; i < states; ++i) {
    const auto watched = Watched::load(*in);
    if (!watched) return fail(watched);
    const series::Fingerprint& print = watched->fingerprint();
    const std::size_t partition =
        ingest::SeriesPartition::partition_of({print.low, print.high}, partitions_.size());
    auto& restored = quantiles ? shards_[print.high % quantile_shards]->board.restored()
                               : partitions_[partition]->board.restored();
    if (!restored.put(*watched)) ++unread_;
  }
  return in->finish();
}

void SeriesBoards::forget_restored() {
  each_board([](auto& board) { board.restored().clear(); });
}

}  // namespace outrider::watch
