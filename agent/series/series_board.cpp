// SPDX-License-Identifier: Apache-2.0
#include "agent/series/series_board.h"

#include <algorithm>
#include <cmath>

#include "agent/series/quantile_board.h"
#include "base/core/text.h"

namespace outrider::series {
namespace {

constexpr std::size_t looked_at = 64;

std::string_view quantity_of(const Watched& watched) {
  return watched.as() == As::counter ? "rate" : "";
}

}  // namespace

std::size_t& SeriesBoard::census_of(Use use) {
  switch (use) {
    case Use::watched:
      return census_.watched;
    case Use::bucket:
      return census_.buckets;
    case Use::not_selected:
      return census_.not_selected;
    case Use::no_room:
      return census_.no_room;
    case Use::unknown:
      break;
  }
  return unknown_;
}

void SeriesBoard::set_use(Slot& slot, Use use) {
  if (slot.use != Use::unknown) --census_of(slot.use);
  if (use != Use::unknown) ++census_of(use);
  slot.use = use;
}

void SeriesBoard::take(std::span<const IncomingSeries> series, const SeriesDirectory& directory,
                       std::size_t partition, const WatchTerms& terms, BucketTaker& buckets,
                       Findings& findings) {
  for (const IncomingSeries& one : series) {
    if (one.slot >= slots_.size()) slots_.resize(one.slot + 1);
    census_.native_skipped += one.histograms.size();
    if (one.is_new) {
      end_use(one.slot, buckets);
      begin(one.slot, one, one.labels, buckets);
    } else if (slots_[one.slot].use == Use::no_room &&
               (!free_.empty() || used_ < settings_.watched_max)) {
      try_again(one.slot, one, directory, partition, buckets);
    }
    const Slot slot = slots_[one.slot];
    if (slot.use == Use::bucket) {
      buckets.take(slot.target, slot.bound, one.samples, findings);
    }
    if (slot.use != Use::watched) continue;
    Watched& watched = at(slot.target).watched;
    for (const Sample& sample : one.samples) {
      const Observed seen = watched.observe(sample, terms.threshold, terms.quiet);
      note(
          seen, watched, quantity_of(watched), sample.timestamp_ms, terms,
          [&] { return directory.labels_of(partition, one.slot); }, findings);
      if (seen.news == News::began) {
        const Finding& found = findings.list.back();
        episodes_.push_back({slot.target, found.fingerprint, found.labels, found.quantity});
      }
    }
  }
}

void SeriesBoard::begin(std::uint32_t number, const IncomingSeries& series,
                        std::span<const LabelView> labels, BucketTaker& buckets) {
  Slot& slot = slots_[number];
  const As as = rules_.judge(labels, series.kind);
  if (as == As::ignore) return set_use(slot, Use::not_selected);
  if (as == As::histogram) {
    const auto le = std::find_if(labels.begin(), labels.end(),
                                 [](const LabelView& label) { return label.name == "le"; });
    const auto bound = le == labels.end() ? std::nullopt : parse_double(le->value);
    if (!bound || std::isnan(*bound)) return set_use(slot, Use::not_selected);
    const auto histogram = buckets.bind(labels);
    if (!histogram) return set_use(slot, Use::no_room);
    slot.target = *histogram;
    slot.bound = *bound;
    return set_use(slot, Use::bucket);
  }
  const std::int64_t now_ms = series.samples.empty() ? 0 : series.samples.front().timestamp_ms;
  const auto place = find_place(now_ms);
  if (!place) return set_use(slot, Use::no_room);
  Place& made = at(*place);
  made.watched = restored_.claim(series.fingerprint, as);
  made.slot = number;
  made.used = true;
  if (made.watched.in_episode()) {
    Labels owned;
    for (const LabelView& label : labels) owned.set(label.name, label.value);
    episodes_.push_back(
        {*place, series.fingerprint, std::move(owned), std::string(quantity_of(made.watched))});
  }
  slot.target = *place;
  set_use(slot, Use::watched);
}

// A series that there was no room for, once there is some.
void SeriesBoard::try_again(std::uint32_t slot, const IncomingSeries& series,
                            const SeriesDirectory& directory, std::size_t partition,
                            BucketTaker& buckets) {
  const Labels labels = directory.labels_of(partition, slot);
  std::vector<LabelView> views;
  for (const Label& label : labels) views.push_back({label.name, label.value});
  begin(slot, series, views, buckets);
}

std::optional<std::size_t> SeriesBoard::find_place(std::int64_t now_ms) {
  if (!free_.empty()) {
    const std::size_t place = free_.back();
    free_.pop_back();
    return place;
  }
  if (used_ < settings_.watched_max) {
    if (used_ % block == 0) pool_.push_back(std::make_unique<Block>());
    return used_++;
  }
  return evict(now_ms);
}

std::optional<std::size_t> SeriesBoard::evict(std::int64_t now_ms) {
  std::optional<std::size_t> silent;
  for (std::size_t i = 0; i < std::min(looked_at, used_); ++i) {
    hand_ = (hand_ + 1) % used_;
    if (!silent || at(hand_).watched.last_ms() < at(*silent).watched.last_ms()) silent = hand_;
  }
  if (!silent) return std::nullopt;
  const double age =
      static_cast<double>(now_ms) - static_cast<double>(at(*silent).watched.last_ms());
  if (age < to_seconds(settings_.silent_min) * 1000) return std::nullopt;
  end_episode(*silent);
  set_use(slots_[at(*silent).slot], Use::no_room);
  ++census_.evicted;
  return silent;
}

void SeriesBoard::end_use(std::uint32_t number, BucketTaker& buckets) {
  Slot& slot = slots_[number];
  if (slot.use == Use::bucket) buckets.release(slot.target);
  if (slot.use == Use::watched) {
    end_episode(slot.target);
    at(slot.target).used = false;
    free_.push_back(static_cast<std::uint32_t>(slot.target));
  }
  set_use(slot, Use::unknown);
}

void SeriesBoard::forget(std::uint32_t slot, BucketTaker& buckets) {
  if (slot < slots_.size()) end_use(slot, buckets);
}

// Marked rather than compared later: the same series may be back at the same place before tick()
// looks.
void SeriesBoard::end_episode(std::size_t place) {
  if (!at(place).watched.in_episode()) return;
  for (Episode& episode : episodes_) {
    if (episode.place == place) episode.gone = true;
  }
}

// An episode of a series that is gone has ended too.
void SeriesBoard::tick(std::int64_t now_ms, const WatchTerms& terms, Findings& findings) {
  std::erase_if(episodes_, [&](Episode& episode) {
    Watched& watched = at(episode.place).watched;
    if (!episode.gone && !watched.in_episode()) return true;  // Its end was told by take().
    if (!episode.gone && !watched.end_if_quiet(now_ms, terms.quiet)) return false;
    findings.list.push_back({episode.fingerprint,
                             std::move(episode.labels),
                             std::move(episode.quantity),
                             now_ms,
                             {News::ended, 0, {}},
                             0});
    return true;
  });
}

void SeriesBoard::save(std::size_t first, std::size_t count, detectors::SnapshotWriter& out) const {
  const std::size_t end = std::min(first + count, used_);
  std::uint64_t states = 0;
  for (std::size_t i = first; i < end; ++i) states += at(i).used ? 1U : 0U;
  out.u64(states);
  for (std::size_t i = first; i < end; ++i) {
    if (at(i).used) at(i).watched.save(out);
  }
}

}  // namespace outrider::series
