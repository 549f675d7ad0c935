// SPDX-License-Identifier: Apache-2.0
#include "truth/api/export_api.h"

#include <fstream>
#include <set>

#include "base/core/text.h"
#include "test/support/catch.h"
#include "test/truth/log_fixture.h"

namespace outrider::truth {
namespace {

using namespace std::chrono_literals;
using test::LogFixture;

struct Exporter {
  explicit Exporter(LogFixture& of)
      : f(of), journal(of.folder.path() / "access.ndjson", of.clock) {}

  net::HttpResponse page(const std::string& query) {
    net::HttpRequest request;
    request.caller = "alice";
    request.query = "from=2000-01-01T00:00:00Z&to=2200-01-01T00:00:00Z" + query;
    return give_export(*f.log, request, readers, &journal);
  }
  std::string next_of(const net::HttpResponse& response) {
    for (const net::Header& header : response.headers) {
      if (header.name == export_next_header) return header.value;
    }
    return "";
  }

  LogFixture& f;
  AccessJournal journal;
  std::shared_ptr<std::atomic<int>> readers = std::make_shared<std::atomic<int>>(0);
};

TEST_CASE("an export has each prediction once, with its truth where that is known") {
  LogFixture f;
  f.open();
  Exporter out(f);
  const std::string first = f.predict(1.5), second = f.predict(2);
  f.log->flush(test::patience);
  f.label(first, "yes");
  const auto page = out.page("");
  CHECK(page.status == 200);
  const auto lines = split(page.body, '\n');
  REQUIRE(lines.size() == 3);  // The last one is empty.
  const auto one = wire::parse_json(lines[0]);
  REQUIRE(one);
  CHECK((*one)["id"] == first);
  CHECK((*one)["prediction"] == 1.5);
  CHECK((*one)["label"] == "yes");
  CHECK((*one)["model"] == "house-price");
  CHECK_FALSE(one->contains("features"));
  CHECK_FALSE(wire::parse_json(lines[1])->contains("label"));
  CHECK(out.next_of(page).empty());
  CHECK(split(out.page("&labelled=true").body, '\n').size() == 2);
  CHECK(out.page("&model=other").body.empty());
}

TEST_CASE("pages follow each other without a row twice or none at all, over restarts") {
  LogFixture f;
  f.open();
  std::set<std::string> made;
  for (int i = 0; i < 12'500; ++i) {
    made.insert(f.predict(i));
    if (i % 7 == 0) f.clock.advance(3ms);
    if (i % 1'000 == 0) f.log->flush(test::patience);
  }
  f.log->flush(test::patience);
  std::multiset<std::string> read;
  std::string cursor;
  int pages = 0;
  do {
    Exporter out(f);
    const auto page = out.page(cursor.empty() ? "" : "&cursor=" + cursor);
    REQUIRE(page.status == 200);
    for (const auto line : split(page.body, '\n')) {
      if (!line.empty()) read.insert((*wire::parse_json(line))["id"].get<std::string>());
    }
    cursor = out.next_of(page);
    if (++pages == 1) f.open();
  } while (!cursor.empty());
  CHECK(pages >= 3);
  CHECK(read == std::multiset<std::string>(made.begin(), made.end()));
}

TEST_CASE("features are given by name alone, where the log keeps them") {
  LogFixture f;
  f.settings.keep_features = true;
  f.open();
  Exporter out(f);
  const std::string_view names[] = {"size", "name"};
  const FeatureValueView values[] = {70.0, std::string_view("Ada")};
  const RowView row{.prediction = 1.0, .features = values};
  f.log->append({.id = f.new_id(),
                 .time = f.clock.now(),
                 .model_name = "m",
                 .model_version = "v",
                 .feature_names = names,
                 .rows = std::span(&row, 1)});
  f.log->flush(test::patience);
  CHECK(out.page("").body.find("Ada") == std::string::npos);
  const auto page = out.page("&features=size");
  CHECK(page.body.find("\"features\":{\"size\":70.0}") != std::string::npos);
  CHECK(page.body.find("Ada") == std::string::npos);

  LogFixture without;
  without.open();
  const auto refused = Exporter(without).page("&features=size");
  CHECK(refused.status == 403);
  CHECK(refused.body.find("features_not_kept") != std::string::npos);
}

TEST_CASE("who exported what is in the journal before the answer, and no answer without it") {
  LogFixture f;
  f.open();
  f.predict(1);
  f.log->flush(test::patience);
  Exporter out(f);
  CHECK(out.page("&labelled=false").status == 200);
  std::ifstream file(f.folder.path() / "access.ndjson");
  std::string line;
  std::getline(file, line);
  const auto entry = wire::parse_json(line);
  REQUIRE(entry);
  CHECK((*entry)["caller"] == "alice");
  CHECK((*entry)["action"] == "export");
  CHECK((*entry)["about"]["rows"] == 1);

  AccessJournal nowhere(f.folder.path() / "no" / "such" / "folder", f.clock);
  net::HttpRequest request;
  request.query = "from=2000-01-01T00:00:00Z&to=2200-01-01T00:00:00Z";
  const auto refused = give_export(*f.log, request, out.readers, &nowhere);
  CHECK(refused.status == 503);
  CHECK(refused.body.find("journal_failed") != std::string::npos);
}

TEST_CASE("a journal is bounded by one file behind it") {
  LogFixture f;
  AccessJournal journal(f.folder.path() / "access.ndjson", f.clock, 2'000);
  for (int i = 0; i < 100; ++i) REQUIRE(journal.note({}, "export", {{"rows", i}}));
  std::uintmax_t bytes = 0;
  for (const char* name : {"access.ndjson", "access.ndjson.1"}) {
    std::error_code none;
    const auto size = std::filesystem::file_size(f.folder.path() / name, none);
    if (!none) bytes += size;
  }
  CHECK(bytes > 1'500);
  CHECK(bytes < 4'500);
}

TEST_CASE("what is asked for wrongly is refused with what to write") {
  LogFixture f;
  f.open();
  Exporter out(f);
  net::HttpRequest request;
  for (const auto& [query, code] :
       {std::pair("", "bad_from"), std::pair("from=2026-01-01T00:00:00Z", "bad_to"),
        std::pair("from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "bad_to"),
        std::pair("from=2026-01-01T00:00:00Z&to=2026-01-02T00:00:00Z&cursor=x", "bad_cursor")}) {
    request.query = query;
    const auto refused = give_export(*f.log, request, out.readers, nullptr);
    CHECK(refused.status == 400);
    CHECK(refused.body.find(code) != std::string::npos);
  }
}

}  // namespace
}  // namespace outrider::truth
