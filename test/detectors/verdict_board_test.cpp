// SPDX-License-Identifier: Apache-2.0
#include "detectors/verdict_board.h"

#include "detectors/episode_habits.h"
#include "detectors/hour_profile.h"
#include "test/support/catch.h"

namespace outrider::detectors {
namespace {

const DriftRule rule;

// Of one subject, as judge_pane() leaves it.
std::vector<Verdict> judged(bool exceeded, double psi) {
  Verdict verdict;
  verdict.subject = "size";
  verdict.state = exceeded ? State::drift : State::stable;
  verdict.exceeded = exceeded;
  verdict.scores.psi = psi;
  return {verdict};
}

TEST_CASE("two of three panes that exceed make a drift of a subject, one a warning") {
  VerdictBoard board({Verdict{}});
  CHECK(board.verdicts()[0].state == State::warming_up);
  board.take_pane(rule, judged(true, 0.5));
  CHECK(board.verdicts()[0].state == State::warning);
  board.take_pane(rule, judged(false, 0.1));
  board.take_pane(rule, judged(true, 0.6));
  CHECK(board.verdicts()[0].state == State::drift);
  CHECK(board.panes_judged() == 3);
  CHECK(board.judgements() == 3);
}

TEST_CASE("what exceeded in a look keeps that look's scores when its pane ends, and votes once") {
  VerdictBoard board({Verdict{}});
  board.take_pane(rule, judged(false, 0.1));
  board.take_look(rule, judged(false, 0.2));  // Says nothing: the pane before had more rows.
  CHECK(board.verdicts()[0].scores.psi == 0.1);
  CHECK(board.judgements() == 1);
  board.take_look(rule, judged(true, 0.7));
  board.take_look(rule, judged(true, 0.9));
  CHECK(board.verdicts()[0].scores.psi == 0.7);
  CHECK(board.verdicts()[0].state == State::warning);
  board.take_pane(rule, judged(false, 0.3));
  CHECK(board.verdicts()[0].scores.psi == 0.7);
  CHECK(board.verdicts()[0].state == State::warning);
  board.take_pane(rule, judged(true, 0.8));  // The second of two panes, not the third vote.
  CHECK(board.verdicts()[0].state == State::drift);
}

TEST_CASE("a long window's drift stands over a stable pane until the next hour's windows") {
  VerdictBoard board({Verdict{}});
  board.take_pane(rule, judged(false, 0.1));
  Verdict drift = judged(true, 0.4)[0];
  drift.window_hours = 6;
  board.begin_long();
  board.put_long(0, drift);
  board.publish();
  CHECK(board.verdicts()[0].state == State::drift);
  CHECK(board.verdicts()[0].window_hours == 6);
  board.take_pane(rule, judged(false, 0.2));
  CHECK(board.verdicts()[0].window_hours == 6);
  board.begin_long();
  board.publish();
  CHECK(board.verdicts()[0].scores.psi == 0.2);
}

TEST_CASE("a board comes back from its bytes, and not from those of more subjects") {
  VerdictBoard board({Verdict{}});
  board.take_pane(rule, judged(true, 0.5));
  board.take_look(rule, judged(true, 0.7));
  SnapshotWriter out("TEST", 1);
  board.write(out);
  const std::string bytes = out.finish();
  VerdictBoard back({Verdict{}});
  auto in = SnapshotReader::open(bytes, "TEST", 1);
  REQUIRE(in);
  REQUIRE(back.read(*in));
  REQUIRE(in->finish());
  back.restore_counts(board.panes_judged(), board.judgements());
  CHECK(back.verdicts()[0].scores.psi == board.verdicts()[0].scores.psi);
  CHECK(back.verdicts()[0].state == board.verdicts()[0].state);
  CHECK(back.judgements() == board.judgements());
  back.take_pane(rule, judged(false, 0.1));  // It has voted, as the one before had.
  CHECK(back.verdicts()[0].scores.psi == 0.7);

  VerdictBoard two({Verdict{}, Verdict{}});
  auto again = SnapshotReader::open(bytes, "TEST", 1);
  REQUIRE(again);
  CHECK_FALSE((two.read(*again) && again->finish()));
}

TEST_CASE("an episode is told when it begins and when it grows, not while it lasts") {
  EpisodeHabits episodes;
  const std::int64_t start = 1'700'000'000'000;
  CHECK(episodes.tell(3, 3, start, 60));
  CHECK_FALSE(episodes.tell(3, 3, start + 60'000, 60));
  CHECK(episodes.tell(4, 4, start + 120'000, 60));
  CHECK_FALSE(episodes.tell(1, 1, start + 180'000, 60));
  CHECK(episodes.tell(1, 1, start + 120'000 + 86'400'001, 60));  // A day later it is another.
}

TEST_CASE("past episodes of about a height take evidence away, and are forgotten in months") {
  EpisodeHabits episodes;
  const std::int64_t start = 1'700'000'000'000, week = 7LL * 86'400'000;
  const float high = 10 * EpisodeHabits::evidence_step;
  CHECK(episodes.discount(high, start) == 0);
  std::int64_t now = start;
  for (int i = 0; i < 4; ++i, now += week) CHECK(episodes.tell(10, 10, now, 60));
  const float used_to = episodes.discount(high, now);
  CHECK(used_to > 0.3F);
  CHECK(episodes.discount(14 * EpisodeHabits::evidence_step, now) == 0);  // Far higher than those.
  CHECK(episodes.discount(high, now + 52 * week) < used_to / 100);
}

TEST_CASE("an hour of the day is known from the eighth day on, by what it was before") {
  HourProfile profile;
  const double day = 86'400'000;
  for (int hour = 0; hour < 24 * 9; ++hour) {
    const auto of_day = static_cast<std::size_t>(hour % 24);
    profile.begin(of_day, hour * day / 24);
    CHECK(profile.is_known() == (hour >= 24 * 7));
    if (profile.is_known()) CHECK(profile.usual() == Approx(of_day).margin(1e-3));
    for (int i = 0; i < 2; ++i) profile.follow(of_day, static_cast<float>(of_day), 1800);
  }
}

}  // namespace
}  // namespace outrider::detectors
