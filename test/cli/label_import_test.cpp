// SPDX-License-Identifier: Apache-2.0
#include "cli/labels/label_import.h"

#include <set>

#include "base/core/text.h"
#include "base/wire/json.h"
#include "test/support/catch.h"

namespace outrider::cli {
namespace {

const ImportSubject subject{"http://a:9501",
                            "labels.csv",
                            {.id = {"id"}, .label = "y", .time = "", .words = {{"t", "true"}}}};

// An API that joins each id once, and can be stopped: before it has a batch, or after, with its
// answer lost.
class FakeApi final : public LabelSink {
 public:
  Result<BatchAnswer> send(const std::string& body, std::size_t labels) override {
    sizes.push_back(labels);
    if (labels > too_many) return fail("too_large", "too large");
    if (batches++ == stop_before) return fail("unavailable", "nobody there");
    BatchAnswer answer;
    for (const std::string_view line : split(trim(body), '\n')) {
      const auto json = wire::parse_json(line);
      const std::string id = json->at("id");
      if (id.starts_with("unknown")) {
        answer.verdicts.push_back({"unknown", "no prediction goes by " + id});
      } else {
        answer.verdicts.push_back({joined.insert(id).second ? "joined" : "duplicate", ""});
      }
    }
    if (batches - 1 == lose_answer_of) return fail("unavailable", "it went away");
    answer.sent_again = sent_again;
    return answer;
  }
  Result<void> keep(const ImportProgress& progress) override {
    state = encode_state(subject, progress);
    return {};
  }

  std::set<std::string> joined;
  std::vector<std::size_t> sizes;
  std::size_t batches = 0, stop_before = SIZE_MAX, lose_answer_of = SIZE_MAX, too_many = SIZE_MAX;
  bool sent_again = false;
  std::string state;
};

LabelRow label(std::uint64_t line, const std::string& id) {
  return {line, LabelRow::Kind::label, id, "{\"id\":\"" + id + "\",\"label\":1}"};
}

// Runs an import of ids from where it was; gives its error's message, or "".
std::string run(FakeApi& api, ImportProgress& progress, const std::vector<std::string>& ids,
                std::size_t batch = 10) {
  LabelImport import({.labels = batch}, progress, api);
  std::uint64_t line = 1;
  for (const std::string& id : ids) import.take(label(++line, id));
  const auto finished = import.finish();
  progress = import.progress();
  return finished ? "" : finished.error().message;
}

std::vector<std::string> numbered(int count) {
  std::vector<std::string> ids;
  for (int i = 0; i < count; ++i) ids.push_back("k" + std::to_string(i));
  return ids;
}

}  // namespace

TEST_CASE(
    "all rows are sent in batches, and each result is counted, with examples of what was not "
    "joined") {
  FakeApi api;
  LabelImport import({.labels = 10}, {}, api);
  std::uint64_t line = 1;
  for (int i = 0; i < 25; ++i) import.take(label(++line, "k" + std::to_string(i)));
  for (int i = 0; i < 7; ++i) import.take(label(++line, "unknown" + std::to_string(i)));
  import.take({++line, LabelRow::Kind::unlabelled, "k99", ""});
  import.take({++line, LabelRow::Kind::invalid, "", "2 fields, but the header has 3"});
  import.take(label(++line, "k0"));
  REQUIRE(import.finish());
  CHECK(api.sizes == std::vector<std::size_t>{10, 10, 10, 3});
  CHECK(report(import.progress()) ==
        "joined               25  found their prediction, on disk\n"
        "duplicate             1  labelled before; the first label stands\n"
        "unknown               7  no prediction goes by this id\n"
        "             line 27: no prediction goes by unknown0\n"
        "             line 28: no prediction goes by unknown1\n"
        "             line 29: no prediction goes by unknown2\n"
        "             line 30: no prediction goes by unknown3\n"
        "             line 31: no prediction goes by unknown4\n"
        "             …\n"
        "unlabelled            1  the row has no label\n"
        "invalid               1  no label could be read\n"
        "             line 35: 2 fields, but the header has 3\n");
  CHECK(exit_status(import.progress()) == 3);
}

TEST_CASE("an import that stops anywhere goes on without loss and without a double") {
  const auto ids = numbered(95);
  for (std::size_t at = 0; at < 10; ++at) {
    for (const bool answer_lost : {false, true}) {
      FakeApi api;
      (answer_lost ? api.lose_answer_of : api.stop_before) = at;
      ImportProgress first;
      first.under_way = 10;  // As the state says before the first batch.
      REQUIRE(api.keep(first));
      ImportProgress ignored;
      CHECK(run(api, ignored, ids) != "");
      api.stop_before = api.lose_answer_of = SIZE_MAX;
      auto progress = decode_state(api.state, subject);
      REQUIRE(progress);
      CHECK(progress->rows == 10 * at);
      CHECK(run(api, *progress, ids) == "");
      CHECK(api.joined.size() == 95);
      CHECK(progress->of("joined") + progress->of("resent") == 95);
      CHECK(progress->of("resent") == (answer_lost ? std::min<std::size_t>(10, 95 - 10 * at) : 0));
      CHECK(progress->of("duplicate") == 0);
      CHECK(progress->rows == 95);
      CHECK(exit_status(*progress) == 0);
    }
  }
}

TEST_CASE("an import goes on only with the rows that it began with") {
  FakeApi api;
  api.stop_before = 3;
  ImportProgress progress;
  CHECK(run(api, progress, numbered(95)) == "nobody there");
  progress = decode_state(api.state, subject).value();
  CHECK(progress.rows == 30);
  auto other = numbered(95);
  std::swap(other[3], other[4]);
  ImportProgress again = progress;
  CHECK_THAT(run(api, again, other),
             Catch::Contains("the first 30 rows (to line 31) are not those that were imported"));
  again = progress;
  CHECK_THAT(run(api, again, numbered(20)),
             Catch::Contains("the input has 20 rows, but 30 were imported already"));
  CHECK(api.joined.size() == 30);
}

TEST_CASE("a batch that is too large is halved until it is taken") {
  FakeApi api;
  api.too_many = 3;
  ImportProgress progress;
  CHECK(run(api, progress, numbered(25)) == "");
  CHECK(api.joined.size() == 25);
  CHECK(progress.of("joined") == 25);
  api.too_many = 0;
  ImportProgress none;
  CHECK(run(api, none, numbered(1)) == "too large");
}

TEST_CASE(
    "a duplicate of a batch that was sent again may be of the first attempt, and is told so") {
  FakeApi api;
  api.joined = {"k1"};
  api.sent_again = true;
  ImportProgress progress;
  CHECK(run(api, progress, numbered(5)) == "");
  CHECK(progress.of("resent") == 1);
}

TEST_CASE("a state of another import, or none at all, is refused with what differs") {
  ImportProgress progress;
  progress.count("unknown", {3, "k", "no prediction goes by k"});
  progress.rows = 7;
  const std::string state = encode_state(subject, progress);
  CHECK(decode_state(state, subject).value() == progress);
  ImportSubject other = subject;
  other.columns.label = "z";
  CHECK(decode_state(state, other).error().message ==
        "is of another import: --label was \"y\", now it is \"z\"");
  CHECK(decode_state("{}", subject).error().code == "bad_state");
  CHECK(decode_state(state.substr(0, state.size() / 2), subject).error().code == "bad_state");
}

TEST_CASE("the API's answer is read, and another one is refused") {
  const auto verdicts = read_verdicts(
      R"({"results": [{"id": "a", "result": "joined"}, {"id": "b", "result": "unknown", "message": "no"}], "counts": {}})");
  REQUIRE(verdicts);
  CHECK(verdicts->at(1).result == "unknown");
  CHECK(verdicts->at(1).message == "no");
  for (const char* other : {"", "<html>", "[]", "{}", R"({"results": [1]})", R"({"results": 1})"}) {
    CHECK(read_verdicts(other).error().code == "bad_answer");
  }
}

TEST_CASE("an import in which no label found its prediction does not end well") {
  ImportProgress progress;
  progress.rows = 3;
  progress.counts = {{"unknown", 3}};
  CHECK(exit_status(progress) == 3);
  progress.counts = {{"unknown", 2}, {"early", 1}};
  CHECK(exit_status(progress) == 0);
  progress.counts = {{"unlabelled", 3}};
  CHECK(exit_status(progress) == 0);
}

}  // namespace outrider::cli
