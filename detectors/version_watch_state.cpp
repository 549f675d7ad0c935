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

auto numbers_of(Verdict& v) {
  Scores& s = v.scores;
  Thresholds& t = v.thresholds;
  HoursAllowance& h = v.hours;
  DesignEffect& d = v.design;
  return std::array{&s.psi,        &s.psi_plain,   &s.ks,    &s.js,      &s.hellinger,
                    &s.l_infinity, &s.wasserstein, &s.chi2,  &s.degrees, &s.p,
                    &t.psi,        &t.ks,          &t.chi2,  &t.q,       &d.rank,
                    &d.bins,       &v.q,           &v.ratio, &h.noise,   &h.unknown};
}

void write_verdict(SnapshotWriter& out, Verdict verdict) {
  out.u64(static_cast<std::uint64_t>(verdict.state));
  out.u64(verdict.n);
  out.u64(verdict.m);
  out.boolean(verdict.effect);
  out.boolean(verdict.exceeded);
  out.u64(verdict.window_hours);
  for (const double* number : numbers_of(verdict)) out.f64(*number);
}

// False when a field cannot be what write_verdict wrote.
bool read_verdict(SnapshotReader& in, Verdict& verdict) {
  const std::uint64_t state = in.u64();
  verdict.state = static_cast<State>(std::min<std::uint64_t>(state, 3));
  verdict.n = in.u64();
  verdict.m = in.u64();
  verdict.effect = in.boolean();
  verdict.exceeded = in.boolean();
  verdict.window_hours = in.u64();
  bool finite = true;
  for (double* number : numbers_of(verdict)) {
    *number = in.f64();
    finite = finite && std::isfinite(*number);
  }
  return finite && state <= 3 && verdict.window_hours <= 24 && verdict.hours.noise >= 0 &&
         verdict.hours.unknown >= 0;
}

}  // namespace

// Names the reference's bins: a state counted over others is of no use.
std::string VersionWatch::fingerprint() const {
  std::string all;
  for (const FrozenSubject* subject : frozen_) all += subject->name + "=" + subject->hash + "\n";
  return all;
}

std::string VersionWatch::serialise() const {
  SnapshotWriter out("WTCH", state_version);
  out.text(fingerprint());
  out.text(panes_.serialise());
  write(out, joined_);
  out.i64(joined_since_.time_since_epoch().count());
  out.u64(panes_judged_);
  out.u64(judgements_);
  out.u64(looks_.taken());
  for (const Dispersion& dispersion : dispersions_) dispersion.write(out);
  for (std::size_t i = 0; i < verdicts_.size(); ++i) {
    out.u64(histories_[i].bits());
    out.boolean(voted_[i]);
    write_verdict(out, pane_verdicts_[i]);
  }
  out.u64(long_verdicts_.size());
  for (const auto& [i, verdict] : long_verdicts_) {
    out.u64(i);
    write_verdict(out, verdict);
  }
  out.boolean(rhythm_.has_value());
  if (rhythm_) rhythm_->write(out);
  return out.finish();
}

// What a snapshot says, before it is taken over.
struct VersionWatch::Restored {
  Panes panes;
  Frame joined;
  Time joined_since{};
  std::uint64_t panes_judged = 0, judgements = 0, looks = 0;
  std::vector<Dispersion> dispersions;
  std::vector<Verdict> verdicts;
  std::vector<PaneHistory> histories = {};
  std::vector<bool> voted = {};
  std::map<std::size_t, Verdict> long_verdicts = {};
  std::optional<Rhythm> rhythm;
};

// False when a count or a verdict cannot be.
bool VersionWatch::read_restored(SnapshotReader& in, Restored& to) const {
  bool sound = read(in, to.joined);
  to.joined_since = Time{Duration{in.i64()}};
  sound = sound && to.joined_since >= Time{};  // So that no difference of times overflows.
  to.panes_judged = in.u64();
  to.judgements = in.u64();
  to.looks = in.u64();
  for (Dispersion& dispersion : to.dispersions) sound = sound && Dispersion::read(in, dispersion);
  for (Verdict& verdict : to.verdicts) {
    const std::uint64_t bits = in.u64();
    sound = sound && bits <= 0xFF;
    to.voted.push_back(in.boolean());
    to.histories.push_back(PaneHistory::of(static_cast<std::uint8_t>(bits)));
    sound = read_verdict(in, verdict) && sound;
  }
  const std::uint64_t longs = in.u64();
  sound = sound && longs <= to.verdicts.size();
  for (std::uint64_t left = longs; sound && left > 0; --left) {
    const std::uint64_t i = in.u64();
    if (i >= to.verdicts.size()) return false;
    Verdict& verdict = to.long_verdicts[i] = pane_verdicts_[i];
    sound = read_verdict(in, verdict);
  }
  return sound && in.boolean() == to.rhythm.has_value() && (!to.rhythm || to.rhythm->read(in));
}

Result<void> VersionWatch::restore(std::string_view bytes) {
  auto in = SnapshotReader::open(bytes, "WTCH", state_version);
  if (!in) return fail(in);
  if (in->text() != fingerprint()) {
    return fail("snapshot_foreign",
                "drift state: it was counted against another reference. Starting afresh");
  }
  Restored restored{.panes = Panes(panes_.layout()),
                    .joined = Frame(panes_.layout()),
                    .dispersions = std::vector<Dispersion>(dispersions_.size()),
                    .verdicts = pane_verdicts_,
                    .rhythm = rhythm_};
  if (auto ok = restored.panes.restore(in->text()); !ok) return fail(ok);
  const bool sound = read_restored(*in, restored);
  if (auto whole = in->finish(); !whole) return fail(whole);
  if (!sound) {
    return fail("snapshot_corrupt",
                "drift state: a count or verdict that cannot be. Starting afresh");
  }
  adopt(std::move(restored));
  return {};
}

void VersionWatch::adopt(Restored restored) {
  panes_ = std::move(restored.panes);
  joined_ = std::move(restored.joined);
  joined_since_ = restored.joined_since;
  panes_judged_ = restored.panes_judged;
  judgements_ = restored.judgements;
  looks_.restore(static_cast<std::uint8_t>(std::min<std::uint64_t>(restored.looks, 0xFF)));
  voted_ = std::move(restored.voted);
  dispersions_ = std::move(restored.dispersions);
  std::transform(dispersions_.begin(), dispersions_.end(), designs_.begin(),
                 [](const Dispersion& dispersion) { return dispersion.effect(); });
  pane_verdicts_ = std::move(restored.verdicts);
  long_verdicts_ = std::move(restored.long_verdicts);
  rhythm_ = std::move(restored.rhythm);
  histories_ = std::move(restored.histories);
  publish();
  judgements_ = restored.judgements;  // publish() counted one.
}

}  // namespace outrider::detectors
