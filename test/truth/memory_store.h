// SPDX-License-Identifier: Apache-2.0
#pragma once

// A store without a disk: ordered maps, and a copy of what a power cut would leave. A write can be
// made to fail, unwritten or written all the same: whoever asked cannot know which.

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "truth/kept_log.h"
#include "truth/log_store.h"

namespace outrider::truth::test {

class MemoryStore final : public LogStore {
 public:
  enum class Fault : std::uint8_t { lost, written };

  KeptLog load() const {
    KeptLog kept;
    for (const auto& [key, value] : in(Family::meta)) {
      if (const auto trouble = kept.add_meta(key, value))
        throw std::runtime_error(std::string(*trouble));
    }
    for (const auto& [key, value] : in(Family::early)) {
      if (const auto trouble = kept.add_early(key, value))
        throw std::runtime_error(std::string(*trouble));
    }
    return kept;
  }

  Result<void> get(Family family, std::span<const std::string_view> keys,
                   const OnValues& on_values) const override {
    std::vector<std::optional<std::string_view>> values;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (i > 0 && keys[i] < keys[i - 1]) throw std::logic_error("the keys are not ascending");
      const auto found = in(family).find(std::string(keys[i]));
      values.push_back(found == in(family).end() ? std::nullopt
                                                 : std::optional<std::string_view>(found->second));
    }
    on_values(values);
    return {};
  }

  Result<void> scan(Family family, std::span<const std::string_view> prefixes,
                    const OnEntry& on_entry) const override {
    for (std::size_t i = 0; i < prefixes.size(); ++i) {
      for (auto at = in(family).lower_bound(std::string(prefixes[i]));
           at != in(family).end() && at->first.starts_with(prefixes[i]); ++at) {
        if (!on_entry(i, at->first, at->second)) break;
      }
    }
    return {};
  }

  Result<Duration> write(const WriteBatch& batch, bool sync) override {
    ++writes_;
    const bool fails = fails_at_ == writes_;
    if (fails && fault_ == Fault::lost) return unavailable();
    for (std::size_t i = 0; i < batch.size(); ++i) apply(batch[i]);
    if (sync) synced_ = families_;
    if (fails) return unavailable();
    return Duration{};
  }

  Result<void> sync() override {
    synced_ = families_;
    return {};
  }
  Result<void> drop_below(std::uint64_t slot) override {
    dropped_below_ = slot;
    return {};
  }
  void compact_stale() override {}
  bool purge(std::uint64_t, std::uint64_t) override {
    ++purges_;
    return true;
  }
  std::uint64_t disk_bytes() const override {
    std::uint64_t bytes = extra_bytes;
    for (const auto& family : families_) {
      for (const auto& [key, value] : family) bytes += key.size() + value.size();
    }
    return bytes;
  }
  Failure damaged(std::string_view what) const override {
    return fail("log_corrupt", std::string(what));
  }

  // The write of this number, from 1, fails.
  void fail_at(std::uint64_t write, Fault fault) {
    fails_at_ = write;
    fault_ = fault;
  }
  void cut_power() { families_ = synced_; }

  std::uint64_t writes() const { return writes_; }
  std::uint64_t dropped_below() const { return dropped_below_; }
  std::uint64_t purges() const { return purges_; }
  std::size_t entries(Family family) const { return in(family).size(); }
  std::string& value(Family family, const std::string& key) { return of(family)[key]; }

  std::uint64_t extra_bytes = 0;  // Files that hold nothing of ours.

 private:
  using Entries = std::map<std::string, std::string>;
  const Entries& in(Family family) const { return families_[static_cast<std::size_t>(family)]; }
  Entries& of(Family family) { return families_[static_cast<std::size_t>(family)]; }
  static Failure unavailable() { return fail("log_unavailable", "the disk is gone"); }

  void apply(const WriteBatch::Change& change) {
    const std::string key(change.key);
    switch (change.kind) {
      case WriteBatch::Kind::put:
        of(change.family)[key] = change.value;
        break;
      case WriteBatch::Kind::append:
        of(change.family)[key] += change.value;
        break;
      case WriteBatch::Kind::erase:
        of(change.family).erase(key);
        break;
    }
  }

  std::array<Entries, family_count> families_, synced_;
  std::uint64_t writes_ = 0, fails_at_ = 0, dropped_below_ = 0, purges_ = 0;
  Fault fault_ = Fault::lost;
};

}  // namespace outrider::truth::test
