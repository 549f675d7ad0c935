// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/codec/delivery.h"

#include "base/remote_write/codec/staleness.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::remote_write;
using namespace std::chrono_literals;
using What = Step::What;

namespace {

const Time start = Time{1'700'000'000s};  // Tue, 14 Nov 2023 22:13:20 GMT
const Counts sent{.series = 10, .samples = 100, .exemplars = 4};

Answer written(const char* samples, const char* exemplars) {
  return {.status = 204, .samples_written = samples, .exemplars_written = exemplars};
}

}  // namespace

TEST_CASE("a 2.0 receiver that wrote all is done with the batch") {
  Delivery delivery({});
  CHECK(delivery.version(start) == Version::v2);
  const Step step = delivery.after(written("100", "4"), sent, start, 0);
  CHECK(step.what == What::done);
  CHECK(step.samples_refused == 0);
  CHECK(step.exemplars_refused == 0);
}

TEST_CASE("what a 2.0 receiver did not write is counted, not sent again") {
  Delivery delivery({});
  Step step = delivery.after(written("97", ""), sent, start, 0);
  CHECK(step.what == What::done);
  CHECK(step.samples_refused == 3);
  CHECK(step.exemplars_refused == 4);  // An absent header counts as 0.
  step = delivery.after(written("many", "7"), sent, start, 0);
  CHECK(step.samples_refused == 100);
  CHECK(step.exemplars_refused == 0);
}

TEST_CASE("no answer, 5xx and 429 are sent again with a growing delay") {
  for (const int status : {0, 500, 502, 503, 504, 599, 429}) {
    Delivery delivery({});
    Duration last{};
    for (const auto expected : {30ms, 60ms, 120ms, 240ms}) {
      const Step step = delivery.after({.status = status}, sent, start, 0);
      CHECK(step.what == What::retry);
      CHECK(step.at - start == expected);
      CHECK(step.at - start > last);
      last = step.at - start;
    }
    for (int i = 0; i < 20; ++i) (void)delivery.after({.status = status}, sent, start, 0);
    CHECK(delivery.after({.status = status}, sent, start, 0).at - start == 5s);
    // A random number takes at most half of the delay away.
    CHECK(delivery.after({.status = status}, sent, start, 0.999).at - start > 2'400ms);
  }
}

TEST_CASE("a success begins the delays anew") {
  Delivery delivery({});
  for (int i = 0; i < 8; ++i) (void)delivery.after({.status = 500}, sent, start, 0);
  (void)delivery.after(written("100", "4"), sent, start, 0);
  CHECK(delivery.after({.status = 500}, sent, start, 0).at - start == 30ms);
}

TEST_CASE("Retry-After is honoured in seconds and as a date, up to a limit") {
  const auto wait = [](const char* text) {
    Delivery delivery({});
    return delivery.after({.status = 503, .retry_after = text}, sent, start, 0).at - start;
  };
  CHECK(wait("7") == 7s);
  CHECK(wait("Tue, 14 Nov 2023 22:13:50 GMT") == 30s);
  CHECK(wait("Tuesday, 14-Nov-23 22:13:50 GMT") == 30s);
  CHECK(wait("Tue Nov 14 22:13:50 2023") == 30s);
  CHECK(wait("86400") == 5min);
  CHECK(wait("0") == 30ms);                              // The back-off holds all the same.
  CHECK(wait("Tue, 14 Nov 2023 22:00:00 GMT") == 30ms);  // Past.
  CHECK(wait("soon") == 30ms);
  CHECK(wait("-3") == 30ms);
  CHECK(wait("Tue, 31 Feb 2023 22:00:00 GMT") == 30ms);
}

TEST_CASE("Retry-After holds for 429 too") {
  Delivery delivery({});
  const Step step = delivery.after({.status = 429, .retry_after = "2"}, sent, start, 0);
  CHECK(step.what == What::retry);
  CHECK(step.at - start == 2s);
}

TEST_CASE("any other 4xx, and a redirect, is given up") {
  for (const int status : {400, 401, 403, 404, 409, 413, 422, 431, 301, 308}) {
    Delivery delivery({});
    CHECK(delivery.after({.status = status}, sent, start, 0).what == What::given_up);
    CHECK(delivery.version(start) == Version::v2);
  }
}

TEST_CASE("415 to a 2.0 request is sent again as 1.0, and 415 to that is given up") {
  Delivery delivery({});
  CHECK(delivery.after({.status = 415}, sent, start, 0).what == What::again_as_v1);
  CHECK(delivery.version(start) == Version::v1);
  CHECK(delivery.after({.status = 204}, sent, start, 0).what == What::done);
  CHECK(delivery.after({.status = 415}, sent, start, 0).what == What::given_up);
}

TEST_CASE("2xx without any Written header is a 1.0 receiver: the batch goes again as 1.0") {
  Delivery delivery({});
  CHECK(delivery.after({.status = 200}, sent, start, 0).what == What::again_as_v1);
  const Step step = delivery.after({.status = 200}, sent, start, 0);
  CHECK(step.what == What::done);
  CHECK(step.samples_refused == 0);  // 1.0 has no such count.
}

TEST_CASE("after an hour of 1.0 the receiver is asked for 2.0 again") {
  Delivery delivery({});
  (void)delivery.after({.status = 415}, sent, start, 0);
  CHECK(delivery.version(start + 59min) == Version::v1);
  CHECK(delivery.version(start + 60min) == Version::v2);
}

TEST_CASE("a version that is set does not change") {
  Delivery only_v1({.version = Version::v1});
  CHECK(only_v1.version(start + 48h) == Version::v1);
  CHECK(only_v1.after({.status = 204}, sent, start, 0).what == What::done);
  Delivery only_v2({.version = Version::v2});
  CHECK(only_v2.after({.status = 415}, sent, start, 0).what == What::given_up);
  CHECK(only_v2.after({.status = 204}, sent, start, 0).what == What::done);
}

TEST_CASE("a series that vanished gets one staleness marker") {
  StalenessTracker tracker;
  const Labels a{{"__name__", "a"}}, b{{"__name__", "b"}};
  CHECK(tracker.round(std::vector{a, b}, 1000).empty());
  const auto markers = tracker.round(std::vector{b}, 2000);
  REQUIRE(markers.size() == 1);
  CHECK(markers[0].labels == a);
  CHECK(markers[0].samples[0].timestamp_ms == 2000);
  CHECK(is_stale_marker(markers[0].samples[0].value));
  CHECK(tracker.round(std::vector{b}, 3000).empty());
  CHECK(tracker.end(4000).size() == 1);
  CHECK(tracker.end(5000).empty());
}
