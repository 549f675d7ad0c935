// SPDX-License-Identifier: Apache-2.0
// A VersionWatch on disk: what it keeps over a restart.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "detectors/snapshot.h"
#include "detectors/version_watch.h"

namespace outrider::detectors {
namespace {

constexpr std::uint16_t state_version = 3;

}  // namespace

std::string VersionWatch::serialise() const {
  SnapshotWriter out("WTCH", state_version);
  out.text(judge_.fingerprint());
  out.text(panes_.serialise());
  write(out, joined_);
  out.i64(joined_since_.time_since_epoch().count());
  out.u64(board_.panes_judged());
  out.u64(board_.judgements());
  out.u64(looks_.taken());
  judge_.write_dispersions(out);
  board_.write(out);
  judge_.write_rhythm(out);
  return out.finish();
}

// What a snapshot says, before it is taken over.
struct VersionWatch::Restored {
  Panes panes;
  Frame joined;
  Time joined_since{};
  std::uint64_t looks = 0;
  SubjectJudge judge;
  VerdictBoard board;
};

// False when a count or a verdict cannot be.
bool VersionWatch::read_restored(SnapshotReader& in, Restored& to) {
  bool sound = read(in, to.joined);
  to.joined_since = Time{Duration{in.i64()}};
  sound = sound && to.joined_since >= Time{};  // So that no difference of times overflows.
  const std::uint64_t panes_judged = in.u64();
  const std::uint64_t judgements = in.u64();
  to.looks = in.u64();
  sound = sound && to.judge.read_dispersions(in);
  sound = to.board.read(in) && sound;
  if (!sound || !to.judge.read_rhythm(in)) return false;
  to.board.restore_counts(panes_judged, judgements);
  return true;
}

Result<void> VersionWatch::restore(std::string_view bytes) {
  auto in = SnapshotReader::open(bytes, "WTCH", state_version);
  if (!in) return fail(in);
  if (in->text() != judge_.fingerprint()) {
    return fail("snapshot_foreign",
                "drift state: it was counted against another reference. Starting afresh");
  }
  Restored restored{.panes = Panes(panes_.layout()),
                    .joined = Frame(panes_.layout()),
                    .judge = judge_,
                    .board = board_};
  if (auto ok = restored.panes.restore(in->text()); !ok) return fail(ok);
  const bool sound = read_restored(*in, restored);
  if (auto whole = in->finish(); !whole) return fail(whole);
  if (!sound) {
    return fail("snapshot_corrupt",
                "drift state: a count or verdict that cannot be. Starting afresh");
  }
  panes_ = std::move(restored.panes);
  joined_ = std::move(restored.joined);
  joined_since_ = restored.joined_since;
  looks_.restore(static_cast<std::uint8_t>(std::min<std::uint64_t>(restored.looks, 0xFF)));
  judge_ = std::move(restored.judge);
  board_ = std::move(restored.board);
  return {};
}

}  // namespace outrider::detectors
