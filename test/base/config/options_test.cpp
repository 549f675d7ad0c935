// SPDX-License-Identifier: Apache-2.0
#include "base/config/options.h"

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>

#include "test/support/catch.h"
#include "test/support/temporary_folder.h"

using namespace outrider;
using namespace outrider::config;
using namespace std::chrono_literals;

namespace {

struct Fixture {
  std::string address = "127.0.0.1:9501";
  std::int64_t tap_bytes = 32 << 20;
  std::int64_t threads = 1;
  Duration timeout = 5s;
  bool dry_run = true;
  std::string upstream, token, pseudonym;
  std::vector<std::string> references;
  std::vector<double> buckets = {.0005, .5, 1, 10};
  std::map<std::string, std::string> variables;
  OptionTable table;

  Fixture() {
    table.add("web.listen-address", address, "Address of the admin API.").value_name("HOST:PORT");
    table.add("tap.max-bytes", tap_bytes, "Ring and buffers.").as_bytes().between(1 << 20, 1 << 30);
    table.add("threads", threads, "Data threads.").between(1, 64);
    table.add("timeout", timeout, "Deadline.").between(0.1, 60);
    table.add("dry-run", dry_run, "Only say what would be done.");
    table.add("upstream", upstream, "The model server.").as_url();
    table.add("token", token, "Bearer token.").secret().one_of({"a", "b"});
    table.add("pseudonym", pseudonym, "Name in Via.").as_word();
    table.add("reference", references, "Reference file.");
    table.add("buckets", buckets, "Upper bounds.").between(1e-3, 100).at_most(4);
  }
  Result<std::vector<std::string>> parse(std::vector<std::string> arguments) {
    return table.parse(arguments, [this](const char* name) -> const char* {
      const auto found = variables.find(name);
      return found == variables.end() ? nullptr : found->second.c_str();
    });
  }
};

std::string write_file(const std::string& text) {
  static const TemporaryFolder folder;
  const auto path = folder.path() / "options.yaml";
  std::ofstream(path) << text;
  return path;
}

}  // namespace

TEST_CASE_METHOD(Fixture,
                 "options parse with their units, lists add up, and positionals come back") {
  const auto positional =
      parse({"inspect", "--tap.max-bytes=64MiB", "--timeout", "250ms", "--no-dry-run",
             "--reference=a", "--reference=b", "--upstream", "unix:/run/m.sock"});
  REQUIRE(positional);
  CHECK(*positional == std::vector<std::string>{"inspect"});
  CHECK(tap_bytes == 64 << 20);
  CHECK(timeout == 250ms);
  CHECK_FALSE(dry_run);
  CHECK(references == std::vector<std::string>{"a", "b"});
}

TEST_CASE_METHOD(Fixture,
                 "a word goes into a protocol's line, so it has no blanks and no line ends") {
  REQUIRE(parse({"--pseudonym=edge-1:9500"}));
  CHECK(pseudonym == "edge-1:9500");
  REQUIRE(parse({"--pseudonym", ""}));
  for (const char* bad : {"two words", "edge\n", "edge\r\nX: y", "caf\xc3\xa9", "\x7f"}) {
    const auto parsed = parse({"--pseudonym", bad});
    REQUIRE_FALSE(parsed);
    CHECK(parsed.error().message.find("expected one word") != std::string::npos);
  }
}

TEST_CASE_METHOD(
    Fixture,
    "the command line beats the environment, which beats the file, which beats the default") {
  const std::string file = write_file("web: {listen-address: 'file:1'}\nthreads: 2\ntimeout: 7s\n");
  variables["OUTRIDER_WEB_LISTEN_ADDRESS"] = "environment:1";
  variables["OUTRIDER_THREADS"] = "3";
  REQUIRE(parse({"--config.file", file, "--web.listen-address", "line:1"}));
  CHECK(address == "line:1");
  CHECK(threads == 3);
  CHECK(timeout == 7s);
  CHECK(tap_bytes == 32 << 20);
}

TEST_CASE_METHOD(Fixture,
                 "every mistake of every source is reported at once, and secrets are not printed") {
  const std::string file = write_file("threads: many\nunknown: 1\n");
  variables["OUTRIDER_TIMEOUT"] = "soon";
  const auto parsed = parse({"--config.file=" + file, "--tap.max-bytes=12", "--nonsense",
                             "--token=hunter2", "--upstream=ftp://x", "--dry-run=perhaps"});
  REQUIRE_FALSE(parsed);
  CHECK(parsed.error().code == "bad_options");
  for (const char* expected :
       {"tap.max-bytes=12: expected a size such as 32MiB, 1MiB to 1GiB",
        "--nonsense: no such option", "threads=many: expected a whole number, 1 to 64", "line 1)",
        "unknown: no such option", "timeout=soon: expected a duration", "OUTRIDER_TIMEOUT",
        "token=<secret>: expected one of a b", "upstream=ftp://x: expected http://",
        "dry-run=perhaps: expected true or false"}) {
    CHECK_THAT(parsed.error().message, Catch::Contains(expected));
  }
  CHECK_THAT(parsed.error().message, !Catch::Contains("hunter2"));
}

TEST_CASE_METHOD(Fixture, "a list of numbers is written with commas or as a YAML list, ascending") {
  CHECK_THAT(table.help(), Catch::Contains("--buckets NUMBER,… (=0.0005,0.5,1,10)") &&
                               Catch::Contains("0.001 to 100, at most 4"));
  REQUIRE(parse({"--buckets=0.01, 30,60"}));
  CHECK(buckets == std::vector<double>{.01, 30, 60});
  REQUIRE(parse({"--config.file", write_file("buckets: [0.25, 2, 3, 4]\n")}));
  CHECK(buckets == std::vector<double>{.25, 2, 3, 4});
  for (const char* bad :
       {"1,1", "2,1", "1,,2", "", "1,two", "0.0001,1", "1,101", "1,2,3,4,5", "nan"}) {
    const auto parsed = parse({"--buckets", bad});
    CAPTURE(bad);
    REQUIRE_FALSE(parsed);
    CHECK_THAT(parsed.error().message,
               Catch::Contains("expected ascending numbers such as 0.1,0.5,1, 0.001 to 100"));
  }
}

TEST_CASE("a whole number fits the variable that it is for") {
  int connections = 64;
  std::size_t rows = 100, bytes = 8 << 20;
  OptionTable table;
  table.add("connections", connections, "Connections.");
  table.add("rows", rows, "Rows.");
  table.add("bytes", bytes, "Bytes.").as_bytes().between(1, 1LL << 40);
  CHECK_THAT(table.help(),
             Catch::Contains("(=64)") && Catch::Contains("(=100)") && Catch::Contains("(=8MiB)"));
  const auto parse = [&](const std::vector<std::string>& arguments) {
    return table.parse(arguments, [](const char*) -> const char* { return nullptr; });
  };
  REQUIRE(parse({"--connections=-2", "--rows=0", "--bytes=8GiB"}));
  CHECK(connections == -2);
  CHECK(rows == 0);
  CHECK(bytes == std::size_t{8} << 30);
  for (const char* bad : {"--connections=4294967296", "--rows=-1"}) {
    CAPTURE(bad);
    const auto parsed = parse({bad});
    REQUIRE_FALSE(parsed);
    CHECK_THAT(parsed.error().message, Catch::Contains("expected a whole number"));
  }
  CHECK(connections == -2);
  CHECK(rows == 0);
}

TEST_CASE("a required option that nobody names is a mistake") {
  std::string data;
  OptionTable table;
  table.add("data", data, "CSV file.").required();
  const auto parsed = table.parse({}, [](const char*) -> const char* { return nullptr; });
  CHECK_THAT(parsed.error().message, Catch::Contains("data: required"));
}

TEST_CASE_METHOD(Fixture, "help shows name, meaning, default and bounds") {
  CHECK_THAT(table.help(), Catch::Contains("--tap.max-bytes BYTES (=32MiB)") &&
                               Catch::Contains("1MiB to 1GiB") && Catch::Contains("--dry-run"));
}

TEST_CASE_METHOD(Fixture, "the markdown table has a row an option, and a bar cannot end a cell") {
  std::string which = "a|b";
  table.add("which", which, "One | two.").value_name("A|B");
  CHECK_THAT(table.markdown(),
             Catch::Contains("| `--tap.max-bytes BYTES` | `32MiB` | ") &&
                 Catch::Contains("(1MiB to 1GiB)") &&
                 Catch::Contains("| `--which A\\|B` | `a\\|b` | One \\| two. |") &&
                 Catch::Contains("| `--dry-run` | on | "));
}
