// SPDX-License-Identifier: Apache-2.0
#include "cli/diagnose/inputs.h"
#include "cli/diagnose/wide_metrics.h"

#include <cmath>

#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::cli;

namespace {

// Fed in pieces of every size, which must not matter.
template <class Reader>
std::string error_of(const std::string& text, const std::function<Reader()>& make) {
  std::string said;
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, text.size() + 1}) {
    Reader reader = make();
    Result<void> done;
    for (std::size_t i = 0; done && i < text.size(); i += piece)
      done = reader.feed(std::string_view(text).substr(i, piece));
    if (done) done = reader.finish();
    said = done ? "" : std::string(done.error().code) + ": " + done.error().message;
  }
  return said;
}

}  // namespace

TEST_CASE(
    "metrics keep what channels are made of, in the order of time, and nothing of the future") {
  std::size_t left = 100;
  MetricsReader reader("extra", 200, left);
  REQUIRE(reader.feed("timestamp,cpu,node_cpu,extra\n160,2,9,1\n100,1,,\n200,3,9,9\n"));
  REQUIRE(reader.finish());
  CHECK(reader.knows("node_cpu"));
  const diagnose::Rows rows = std::move(reader).rows();
  CHECK(rows.times == diagnose::Values{100, 160});
  CHECK(*rows.find("cpu") == diagnose::Values{1, 2});
  CHECK(std::isnan(rows.find("extra")->front()));
  CHECK(rows.find("node_cpu") == nullptr);
  CHECK(left == 100 - 2 * 3);
}

TEST_CASE("a folder of more values than fit is refused before it fills the memory") {
  std::size_t left = 3;
  MetricsReader reader("", 1e9, left);
  const auto fed = reader.feed("timestamp,cpu\n1,1\n2,2\n3,3\n");
  REQUIRE_FALSE(fed);
  CHECK(fed.error().code == "diagnose_limit");
  CHECK_THAT(fed.error().message, Catch::StartsWith("line 3: more than 20000000 values"));
}

TEST_CASE("a slip in a column that is not read is a slip") {
  std::size_t left = 1000;
  CHECK_THAT(error_of<MetricsReader>("timestamp,cpu,node_cpu\n1,1,x\n",
                                     [&left] { return MetricsReader("", 1e9, left); }),
             Catch::StartsWith("diagnose_row: line 2: node_cpu='x'"));
}

TEST_CASE(
    "calls are read by their columns' names, and a slash in a component's name is written _") {
  EdgesReader reader;
  REQUIRE(reader.feed("weight,callee,caller\n3,b/x,a\n"));
  REQUIRE(reader.finish());
  REQUIRE(reader.edges.size() == 1);
  CHECK(reader.edges[0] == std::pair<std::string, std::string>("a", "b_x"));
  CHECK_THAT(error_of<EdgesReader>("a,b\n", [] { return EdgesReader(); }),
             Catch::Contains("no column 'caller'; the header has a, b"));
  CHECK_THAT(error_of<EdgesReader>("", [] { return EdgesReader(); }),
             Catch::Contains("empty file"));
}

TEST_CASE("a file of another encoding is told as such, in whichever pieces its first bytes come") {
  const std::string utf16(
      "\xff\xfe"
      "c\0a\0",
      6);
  EdgesReader reader;
  Result<void> fed;
  for (std::size_t i = 0; fed && i < utf16.size(); ++i) fed = reader.feed(utf16.substr(i, 1));
  REQUIRE_FALSE(fed);
  CHECK_THAT(fed.error().message, Catch::Contains("UTF-16"));
  EdgesReader brief;
  REQUIRE(brief.feed("a\n"));
  CHECK_THAT(brief.finish().error().message,
             Catch::Contains("no column 'caller'; the header has a"));
}

TEST_CASE("log lines are counted by component and site, and later rows are not kept") {
  LogsReader reader(100);
  REQUIRE(
      reader.feed("timestamp,component,template_or_level,count\n9,a,ERROR,3\n5,b,ERROR,1\n"
                  "9,a,\"INFO x, y\",2\n100,a,ERROR,7\n"));
  REQUIRE(reader.finish());
  CHECK(reader.sites == std::vector<std::string>{"ERROR", "INFO x, y"});
  CHECK(reader.counts.at("a").size() == 2);
  CHECK(reader.times() == diagnose::Values{5, 9});
}

TEST_CASE("changes are read by line, with time zones or Unix seconds, and keep what was told") {
  ChangesReader reader;
  REQUIRE(
      reader.feed("{\"time\": \"2026-01-31T13:00:00+01:00\", \"component\": \"a/b\", \"kind\":"));
  REQUIRE(reader.feed(" \"deployment\", \"by\": \"me\"}\n\n{\"time\": 5, \"component\": \"c\"}"));
  REQUIRE(reader.finish());
  REQUIRE(reader.changes.size() == 2);
  CHECK(reader.changes[0].time == 1769860800);
  CHECK(reader.changes[0].component == "a_b");
  CHECK(reader.changes[0].told.dump() ==
        R"({"component":"a/b","time":"2026-01-31T13:00:00+01:00","kind":"deployment"})");
  CHECK(reader.changes[1].time == 5);
  const auto error = [](const std::string& text) {
    return error_of<ChangesReader>(text, [] { return ChangesReader(); });
  };
  CHECK_THAT(error("\n[]\n"), Catch::Contains("line 2: expected an object"));
  CHECK_THAT(error("{\"component\": 3}"), Catch::Contains("component: expected a text"));
  CHECK_THAT(error("{\"component\": \"a\", \"time\": 1e300}"), Catch::Contains("Unix seconds"));
  CHECK_THAT(error("{\"component\": \"a\"}"), Catch::Contains("line 1: time: expected RFC 3339"));
  CHECK_THAT(error(std::string(diagnose_line_bytes_max + 1, ' ')),
             Catch::Contains("longer than 1MiB"));
}

TEST_CASE("one file's columns are components' metrics, in the units that channels have") {
  std::size_t left = 100;
  WideMetricsReader reader(102, left);
  REQUIRE(
      reader.feed("time,carts_cpu,carts_mem,front-end_latency-90,carts-db_cpu,carts_socket,time,"
                  "front-end_load,front-end_error\n"
                  "100,1.5,2097152,0.25,7,3,100,40,1\n"
                  "101,,1048576,inf,8,3,101,NaN,0\n"
                  "102,9,9,9,9,9,102,9,9\n"));
  REQUIRE(reader.finish());
  auto rows = std::move(reader).rows();
  REQUIRE(rows.size() == 3);
  CHECK(rows["carts"].times == diagnose::Values{100, 101});
  CHECK(rows["carts"].metrics.size() == 2);
  CHECK(rows["carts"].find("cpu")->front() == 1.5);
  CHECK(std::isnan(rows["carts"].find("cpu")->back()));
  CHECK(*rows["carts"].find("memory") == diagnose::Values{2, 1});
  CHECK(*rows["carts-db"].find("cpu") == diagnose::Values{7, 8});
  CHECK(rows["front-end"].find("latency_p90_s")->front() == 0.25);
  CHECK(std::isnan(rows["front-end"].find("latency_p90_s")->back()));
  CHECK(rows["front-end"].find("requests")->front() == 40);
  CHECK(*rows["front-end"].find("errors") == diagnose::Values{1, 0});
  CHECK(left == 100 - 2 * 7);
}

TEST_CASE("one file that cannot be meant is refused by line and column") {
  const auto error = [](const std::string& text) {
    std::size_t left = 6;
    return error_of<WideMetricsReader>(text, [&left] { return WideMetricsReader(1e9, left = 6); });
  };
  CHECK_THAT(error("timestamp,carts_cpu\n1,2\n"), Catch::Contains("no column 'time'"));
  CHECK_THAT(error("time,cpu,carts_threads\n1,2,3\n"), Catch::Contains("no column such as"));
  CHECK_THAT(error("time,carts_load,carts_workload\n1,2,3\n"),
             Catch::Contains("both carts_load and carts_workload are requests of carts"));
  CHECK_THAT(error("time,carts_cpu,carts_cpu\n1,2,3\n"), Catch::Contains("line 1: "));
  CHECK_THAT(error("time,carts_cpu,carts_socket\n1,2,fast\n"),
             Catch::Contains("line 2: carts_socket='fast'"));
  CHECK_THAT(error("time,carts_cpu\n5,1\n4,1\n"), Catch::Contains("line 3: the time is before"));
  CHECK_THAT(error("time,carts_cpu\n1,1\n2,1\n3,1\n4,1\n"), Catch::Contains("diagnose_limit"));
  CHECK_THAT(error("time,carts_cpu\n1700000000000,1\n"), Catch::Contains("expected Unix seconds"));
}
