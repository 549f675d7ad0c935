// SPDX-License-Identifier: Apache-2.0
#include "agent/series/anomaly_book.h"

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::series;
using namespace std::chrono_literals;

namespace {

const Time start = from_unix_ms(1'800'000'000'000);

Finding finding(const std::string& job, const std::string& metric, News news, double score = 0.9,
                std::int64_t episode_ms = 1) {
  Finding made;
  made.labels = {{"__name__", metric}, {"job", job}};
  made.timestamp_ms = to_unix_ms(start);
  made.observed.news = news;
  made.observed.score.score = score;
  made.episode_ms = episode_ms;
  return made;
}

AnomalyBook book_of(double alerts_a_week, std::size_t shown_max = 1'000) {
  return AnomalyBook(
      {.alerts_a_week = alerts_a_week, .shown_max = shown_max, .shown_for = std::chrono::hours(1)},
      start);
}

Labels told_before(const std::string& job, const std::string& series) {
  return {{"alertname", "SeriesAnomaly"}, {"anomaly_series", series}, {"job", job}};
}

}  // namespace

TEST_CASE("an episode is raised when it begins, grows, and ends once") {
  AnomalyBook book = book_of(20);
  CHECK(book.judge(finding("shop", "queue", News::began), start) == Outcome::raised);
  CHECK(book.is_open("queue{job=\"shop\"}"));
  CHECK(book.judge(finding("shop", "queue", News::grew), start) == Outcome::grew);
  CHECK(book.judge(finding("shop", "queue", News::ended), start) == Outcome::ended);
  CHECK_FALSE(book.is_open("queue{job=\"shop\"}"));
  CHECK_FALSE(book.judge(finding("shop", "queue", News::ended), start));
  CHECK(book.count(Outcome::ended) == 1);
}

TEST_CASE("an episode of an open incident joins it for free, one of another owner pays") {
  AnomalyBook book = book_of(1);
  CHECK(book.judge(finding("shop", "queue", News::began), start) == Outcome::raised);
  CHECK(book.judge(finding("shop", "errors", News::began), start) == Outcome::joined);
  const auto other = book.judge(finding("mail", "queue", News::began), start);
  CHECK(other == Outcome::held_back);
  CHECK_FALSE(is_told(other));
  // Nobody was told of its beginning, so nobody is told of its end.
  CHECK_FALSE(book.judge(finding("mail", "queue", News::ended), start));
}

TEST_CASE("an incident is over when the last of its episodes has ended") {
  AnomalyBook book = book_of(1);
  book.judge(finding("shop", "queue", News::began), start);
  book.judge(finding("shop", "errors", News::began), start);
  book.judge(finding("shop", "queue", News::ended), start);
  CHECK(book.judge(finding("shop", "queue", News::began), start) == Outcome::joined);
  book.judge(finding("shop", "queue", News::ended), start);
  book.judge(finding("shop", "errors", News::ended), start);
  CHECK(book.judge(finding("shop", "queue", News::began), start) == Outcome::held_back);
}

TEST_CASE("a score below the threshold is listed and counted nowhere") {
  AnomalyBook book = book_of(20);
  CHECK_FALSE(is_told(book.judge(finding("shop", "queue", News::none, 0.4, 0), start)));
  REQUIRE(book.by_score().size() == 1);
  CHECK_FALSE(book.by_score().front()->second.is_held_back());
  CHECK(book.count(Outcome::held_back) == 0);
}

TEST_CASE("the highest finding of an episode is shown, and the highest of all series") {
  AnomalyBook book = book_of(20, 2);
  book.judge(finding("shop", "queue", News::began, 0.8), start);
  book.judge(finding("shop", "queue", News::grew, 0.7), start);
  book.judge(finding("shop", "errors", News::began, 0.9), start);
  book.judge(finding("shop", "latency", News::none, 0.3, 0), start);
  const auto top = book.by_score();
  REQUIRE(top.size() == 2);
  CHECK(top[0]->first == "errors{job=\"shop\"}");
  CHECK(top[1]->second.finding.observed.score.score == 0.8);
}

TEST_CASE("an ended episode is shown for an hour") {
  AnomalyBook book = book_of(20);
  book.judge(finding("shop", "queue", News::began), start);
  book.forget_old(start + 2h);
  CHECK(book.shown().size() == 1);  // It is open.
  book.judge(finding("shop", "queue", News::ended), start + 2h);
  book.forget_old(start + 2h);
  CHECK(book.shown().empty());
}

TEST_CASE("an anomaly of before the start that does not come back has ended after an hour") {
  AnomalyBook book = book_of(0);
  const Labels silent = told_before("shop", "queue{job=\"shop\"}");
  book.expect(silent);
  book.expect(told_before("shop", "errors{job=\"shop\"}"));
  // One comes back: it is open still, and so is its incident.
  CHECK(book.judge(finding("shop", "errors", News::grew), start + 1min) == Outcome::grew);
  CHECK(book.judge(finding("shop", "latency", News::began), start + 1min) == Outcome::joined);
  CHECK(book.end_orphans(start + 59min).empty());
  CHECK(book.end_orphans(start + 1h) == std::vector<Labels>{silent});
  CHECK_FALSE(book.is_open("queue{job=\"shop\"}"));
  CHECK(book.is_open("errors{job=\"shop\"}"));
  CHECK(book.end_orphans(start + 2h).empty());
}
