// SPDX-License-Identifier: Apache-2.0
#include "detectors/verdict_board.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

namespace outrider::detectors {
namespace {

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

VerdictBoard::VerdictBoard(std::vector<Verdict> first)
    : histories_(first.size()), pane_(first), verdicts_(std::move(first)), voted_(pane_.size()) {}

// A subject votes once a pane: by the first look in which it exceeds. One that does not exceed,
// yet, keeps the verdict of the pane before, which had more rows; unless there is none.
void VerdictBoard::take_look(const DriftRule& rule, std::vector<Verdict> look) {
  bool changed = false;
  for (std::size_t i = 0; i < look.size(); ++i) {
    const bool first = pane_[i].state == State::warming_up;
    if (voted_[i] || look[i].state == State::warming_up || !(look[i].exceeded || first)) continue;
    PaneHistory history = histories_[i];  // It moves on when the pane ends.
    look[i].state = history.next(rule, look[i]);
    voted_[i] = look[i].exceeded;
    pane_[i] = std::move(look[i]);
    changed = true;
  }
  if (changed) publish();
}

// A pane's verdicts become those of the watch: what had enough rows moves its history on, and the
// history gives the state. What voted in a look keeps that look's scores: they are why it voted.
void VerdictBoard::take_pane(const DriftRule& rule, std::vector<Verdict> pane) {
  for (std::size_t i = 0; i < pane.size(); ++i) {
    if (voted_[i]) pane[i] = std::move(pane_[i]);
    voted_[i] = false;
    if (pane[i].state == State::warming_up) continue;
    pane[i].state = histories_[i].next(rule, pane[i]);
  }
  pane_ = std::move(pane);
  ++panes_judged_;
  publish();
}

// A long window that calls a subject drift speaks louder than a pane that does not.
void VerdictBoard::publish() {
  verdicts_ = pane_;
  for (const auto& [i, verdict] : long_) {
    if (verdicts_[i].state != State::drift) verdicts_[i] = verdict;
  }
  ++judgements_;
}

void VerdictBoard::put_long(std::size_t verdict, Verdict drift) {
  long_.insert_or_assign(verdict, std::move(drift));
}

void VerdictBoard::write(SnapshotWriter& out) const {
  for (std::size_t i = 0; i < verdicts_.size(); ++i) {
    out.u64(histories_[i].bits());
    out.boolean(voted_[i]);
    write_verdict(out, pane_[i]);
  }
  out.u64(long_.size());
  for (const auto& [i, verdict] : long_) {
    out.u64(i);
    write_verdict(out, verdict);
  }
}

bool VerdictBoard::read(SnapshotReader& in) {
  const std::vector<Verdict> before = pane_;
  bool sound = true;
  for (std::size_t i = 0; i < pane_.size(); ++i) {
    const std::uint64_t bits = in.u64();
    sound = sound && bits <= 0xFF;
    voted_[i] = in.boolean();
    histories_[i] = PaneHistory::of(static_cast<std::uint8_t>(bits));
    sound = read_verdict(in, pane_[i]) && sound;
  }
  const std::uint64_t longs = in.u64();
  sound = sound && longs <= pane_.size();
  long_.clear();
  for (std::uint64_t left = longs; sound && left > 0; --left) {
    const std::uint64_t i = in.u64();
    if (i >= pane_.size()) return false;
    Verdict& verdict = long_[i] = before[i];
    sound = read_verdict(in, verdict);
  }
  return sound;
}

void VerdictBoard::restore_counts(std::uint64_t panes_judged, std::uint64_t judgements) {
  publish();
  panes_judged_ = panes_judged;
  judgements_ = judgements;  // publish() counted one.
}

std::size_t VerdictBoard::memory_bytes() const {
  return (verdicts_.capacity() + pane_.capacity()) * sizeof(Verdict);
}

}  // namespace outrider::detectors
