// SPDX-License-Identifier: Apache-2.0
// The agent's options are its rooms' settings: each is defined once, and reaches the room.
#include "agent/settings.h"

#include <set>

#include "test/support/catch.h"

using namespace outrider;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  Fixture() { add_options(options, settings); }

  Result<std::vector<std::string>> parse(const std::vector<std::string>& arguments) {
    return options.parse(arguments, [](const char*) -> const char* { return nullptr; });
  }

  AgentSettings settings;
  config::OptionTable options;
};

}  // namespace

TEST_CASE_METHOD(Fixture, "no two rooms of the agent define the same option") {
  std::set<std::string> names;
  for (const config::Option& option : options.options()) {
    CAPTURE(option.name);
    CHECK(names.insert(option.name).second);
  }
}

TEST_CASE_METHOD(Fixture,
                 "each number, size and duration of the agent has bounds, and its default is "
                 "within them") {
  std::size_t bounded = 0;
  for (const config::Option& option : options.options()) {
    if (!std::set<std::string>{"NUMBER", "BYTES", "DURATION"}.count(option.value_text)) continue;
    CAPTURE(option.name, option.default_text);
    CHECK_FALSE(option.bounds_text.empty());
    CHECK(parse({"--" + option.name + "=" + option.default_text}));
    ++bounded;
  }
  CHECK(bounded > 40);
}

TEST_CASE_METHOD(Fixture, "what a user sets reaches the room whose setting it is") {
  REQUIRE(parse({"--web.max-connections=128",
                 "--web.max-body=2MiB",
                 "--incidents.max-open=11",
                 "--incidents.reopen-window=12s",
                 "--actions.max-active=13",
                 "--journal.max-age=14h",
                 "--journal.max-bytes=15MiB",
                 "--actions.allowed-hosts=trainer:8080",
                 "--tickets.max-per-hour=16",
                 "--ingest.max-series=17000",
                 "--ingest.max-label-bytes=18MiB",
                 "--ingest.max-request=19KiB",
                 "--ingest.max-in-flight=20KiB",
                 "--ingest.max-labels=21",
                 "--ingest.max-label-value=22",
                 "--ingest.keep-samples=23",
                 "--ingest.max-ahead=24s",
                 "--ingest.max-age=25h",
                 "--ingest.idle-timeout=26h",
                 "--series.max-watched=27",
                 "--series.max-histograms=28",
                 "--series.quiet=29s",
                 "--series.save-every=30s",
                 "--series.alerts-per-week=31",
                 "--forecast.max-series=32",
                 "--forecast.learn-from=33h",
                 "--forecast.every=34s",
                 "--right-size.every=35h",
                 "--right-size.history=48h",
                 "--diagnose.baseline=36h",
                 "--diagnose.step=37s",
                 "--diagnose.rate-window=38s",
                 "--diagnose.lead=39s",
                 "--diagnose.timeout=40s",
                 "--diagnose.threads=8",
                 "--truth.max-bytes=41MiB",
                 "--truth.max-delay=42h",
                 "--truth.early=43s",
                 "--truth.probe-interval=44s",
                 "--truth.kafka.group=agents",
                 "--truth.kafka.session-timeout=45s"}));
  CHECK(settings.server.connections_max == 128);
  CHECK(settings.server.body_bytes_max == 2 << 20);
  CHECK(settings.dispatch.book.open_max == 11);
  CHECK(settings.dispatch.book.reopen_window == 12s);
  CHECK(settings.dispatch.active_actions_max == 13);
  CHECK(settings.journal.age_max == 14h);
  CHECK(settings.journal.bytes_max == 15 << 20);
  CHECK(settings.sending.allowed_hosts == std::vector<std::string>{"trainer:8080"});
  CHECK(settings.tickets.opened_per_hour_max == 16);
  const auto& ingest = settings.ingest;
  CHECK(ingest.table.series_max == 17'000);
  CHECK(ingest.table.label_bytes_max == 18 << 20);
  CHECK(ingest.decompressed_bytes_max == 19 << 10);
  CHECK(ingest.admission.in_flight_bytes_max == 20 << 10);
  CHECK(ingest.request.labels.labels_max == 21);
  CHECK(ingest.request.labels.value_bytes_max == 22);
  CHECK(ingest.table.kept_samples == 23);
  CHECK(ingest.ahead_max == 24s);
  CHECK(ingest.age_max == 25h);
  CHECK(ingest.table.idle_after == 26h);
  CHECK(settings.watch.watched_max == 27);
  CHECK(settings.watch.histograms_max == 28);
  CHECK(settings.watch.quiet == 29s);
  CHECK(settings.watch.save_every == 30s);
  CHECK(settings.watch.alerts_a_week == 31);
  CHECK(settings.forecast.series_max == 32);
  CHECK(settings.forecast.learn_from == 33h);
  CHECK(settings.forecast.every == 34s);
  CHECK(settings.right_size.every == 35h);
  CHECK(settings.right_size.history == 48h);
  const auto& diagnoser = settings.diagnose.diagnoser;
  CHECK(diagnoser.times.baseline == 36h);
  CHECK(diagnoser.times.step == 37s);
  CHECK(diagnoser.times.rate == 38s);
  CHECK(diagnoser.times.lead == 39s);
  CHECK(diagnoser.bounds.timeout == 40s);
  CHECK(diagnoser.threads == 8);
  CHECK(settings.truth.fleet.bytes_max == 41 << 20);
  CHECK(settings.truth.fleet.max_delay == 42h);
  CHECK(settings.truth.fleet.early_hold == 43s);
  CHECK(settings.truth.fleet.probe_every == 44s);
  CHECK(settings.truth.kafka.group == "agents");
  CHECK(settings.truth.kafka.session_timeout == 45s);
}

TEST_CASE_METHOD(Fixture,
                 "a limit past its bounds is refused with the option and what is expected") {
  const auto parsed = parse({"--ingest.max-series=999", "--truth.early=8d", "--actions.senders=0"});
  REQUIRE_FALSE(parsed);
  for (const char* expected :
       {"ingest.max-series=999: expected a whole number, 1000 to 5e+07",
        "truth.early=8d: expected a duration such as 30s, 5m or 24h, 0 to 7d",
        "actions.senders=0: expected a whole number, 1 to 64"}) {
    CHECK_THAT(parsed.error().message, Catch::Contains(expected));
  }
}
