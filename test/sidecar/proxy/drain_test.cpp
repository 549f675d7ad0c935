// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/drain.h"

#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;
using Stage = Drain::Stage;
const Drain::Instant start{std::chrono::hours(5)};

TEST_CASE("who is not asked serves for ever") {
  const Drain drain(seconds(5), seconds(20));
  CHECK(drain.stage(start + std::chrono::hours(1000)) == Stage::serving);
  CHECK_FALSE(drain.closes_idle(start + std::chrono::hours(1000)));
}

TEST_CASE("who is asked leaves for the delay, drains for the timeout, and is cut off") {
  Drain drain(seconds(5), seconds(20));
  drain.ask(start);
  CHECK(drain.stage(start) == Stage::leaving);
  CHECK(drain.stage(start + milliseconds(4999)) == Stage::leaving);
  CHECK_FALSE(drain.closes_idle(start + milliseconds(4999)));
  CHECK(drain.stage(start + seconds(5)) == Stage::draining);
  CHECK_FALSE(drain.closes_idle(start + milliseconds(5499)));
  CHECK(drain.closes_idle(start + milliseconds(5500)));
  CHECK(drain.stage(start + milliseconds(24'999)) == Stage::draining);
  CHECK(drain.stage(start + seconds(25)) == Stage::cut_off);
}

TEST_CASE("asked again, the delay ends at once and the timeout begins") {
  Drain drain(seconds(5), seconds(20));
  drain.ask(start);
  drain.ask(start + seconds(1));
  CHECK(drain.stage(start + seconds(1)) == Stage::draining);
  CHECK(drain.stage(start + milliseconds(20'999)) == Stage::draining);
  CHECK(drain.stage(start + seconds(21)) == Stage::cut_off);
}

TEST_CASE("whoever asks once more while it drains moves nothing") {
  Drain drain(seconds(5), seconds(20));
  drain.ask(start);
  drain.ask(start + seconds(6));
  drain.ask(start + seconds(19));
  CHECK(drain.stage(start + seconds(24)) == Stage::draining);
  CHECK(drain.stage(start + seconds(25)) == Stage::cut_off);
}

TEST_CASE("without a delay it drains at once, without a timeout nothing is waited for") {
  Drain at_once(seconds(0), seconds(20));
  at_once.ask(start);
  CHECK(at_once.stage(start) == Stage::draining);
  CHECK_FALSE(at_once.closes_idle(start));
  Drain abrupt(seconds(0), seconds(0));
  abrupt.ask(start);
  CHECK(abrupt.stage(start) == Stage::cut_off);
  CHECK(abrupt.closes_idle(start));
}

}  // namespace
}  // namespace outrider::proxy
