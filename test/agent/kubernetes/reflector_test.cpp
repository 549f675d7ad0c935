// SPDX-License-Identifier: Apache-2.0
#include "agent/kubernetes/reflector.h"

#include <vector>

#include "test/agent/kubernetes/objects.h"

namespace outrider::kubernetes::testing {
namespace {

using namespace std::chrono_literals;

Result<Reflector::Page> page(Reflector& reflector, const std::string& items,
                             const std::string& metadata) {
  return reflector.take_page(
      *wire::parse_json(R"({"metadata": {)" + metadata + R"(}, "items": [)" + items + "]}"));
}

std::string event(const std::string& type, const std::string& object) {
  std::string line = R"({"type": ")" + type + R"(", "object": )" + object + "}";
  for (char& c : line) c = c == '\n' ? ' ' : c;
  return line + "\n";
}

// One that watches from version 10 on.
Reflector watching() {
  Reflector reflector(Resource::deployments, "shop");
  REQUIRE(page(reflector, "", R"("resourceVersion": "10")"));
  return reflector;
}

TEST_CASE("a list comes in pages, and the watch begins at the list's version") {
  Reflector reflector(Resource::deployments, "shop");
  CHECK(reflector.next_path(90s) == "/apis/apps/v1/namespaces/shop/deployments?limit=250");
  const auto first = page(reflector, Deployment{}.json(3) + R"(, {"metadata": {}})",
                          R"("resourceVersion": "10", "continue": "a/b")");
  REQUIRE(first);
  CHECK_FALSE(first->is_last);
  CHECK(first->invalid == 1);
  CHECK(reflector.next_path(90s) ==
        "/apis/apps/v1/namespaces/shop/deployments?limit=250&continue=a%2Fb");
  Deployment other;
  other.uid = "e";
  REQUIRE(page(reflector, other.json(4), R"("resourceVersion": "10", "continue": "")")->is_last);
  CHECK(reflector.take_listed().size() == 2);
  CHECK(reflector.next_path(90s) ==
        "/apis/apps/v1/namespaces/shop/deployments?watch=1&allowWatchBookmarks=true"
        "&resourceVersion=10&timeoutSeconds=90");
}

TEST_CASE("events come whole wherever the stream was cut, and the watch resumes after the last") {
  const std::string stream = event("ADDED", Deployment{3}.json(11)) +
                             event("MODIFIED", Deployment{8}.json(12, 2)) +
                             event("DELETED", Deployment{8}.json(13, 2));
  for (const std::size_t size : {1UL, 7UL, 100UL, stream.size()}) {
    CAPTURE(size);
    Reflector reflector = watching();
    std::vector<Reflector::Event> events;
    for (std::size_t at = 0; at < stream.size(); at += size) {
      REQUIRE(
          reflector.take_piece(std::string_view(stream).substr(at, size),
                               [&](Reflector::Event one) { events.push_back(std::move(one)); }));
    }
    REQUIRE(events.size() == 3);
    CHECK(events[1].object.replicas == 8);
    CHECK_FALSE(events[1].is_deleted);
    CHECK(events[2].is_deleted);
    CHECK(reflector.next_path(90s).find("resourceVersion=13&") != std::string::npos);
  }
}

TEST_CASE("a bookmark moves the version on where nothing changed") {
  Reflector reflector = watching();
  REQUIRE(reflector.take_piece(
      event("BOOKMARK", R"({"kind": "Deployment", "metadata": {"resourceVersion": "99"}})"),
      [](const Reflector::Event&) { FAIL("a bookmark is no change"); }));
  CHECK(reflector.next_path(90s).find("resourceVersion=99&") != std::string::npos);
}

TEST_CASE("410 in a watch means that the list is asked for anew") {
  Reflector reflector = watching();
  const auto taken = reflector.take_piece(
      event("ERROR", R"({"kind": "Status", "code": 410, "message": "too old resource version"})"),
      [](const Reflector::Event&) {});
  CHECK(taken.error().code == "gone");
  CHECK(reflector.is_listing());
}

TEST_CASE("garbage is an error, and the version stays where it was") {
  for (const std::string& line :
       {std::string("<html>502</html>\n"), std::string("{}\n"), std::string("[]\n"),
        std::string(R"({"type": "ADDED"})") + "\n", event("RENAMED", "{}"), event("ADDED", "{}"),
        event("BOOKMARK", R"({"metadata": {"resourceVersion": 7}})")}) {
    CAPTURE(line);
    Reflector reflector = watching();
    CHECK_FALSE(reflector.take_piece(line, [](const Reflector::Event&) {}));
    CHECK(reflector.next_path(90s).find("resourceVersion=10&") != std::string::npos);
  }
}

TEST_CASE("a line without an end is given up at the limit") {
  Reflector reflector = watching();
  const std::string piece(1 << 20, 'x');
  Result<void> taken;
  int pieces = 0;
  while (taken && pieces++ < 10)
    taken = reflector.take_piece(piece, [](const Reflector::Event&) {});
  CHECK(taken.error().code == "line_too_long");
  CHECK(pieces == 5);
}

TEST_CASE("what is no list begins the list anew") {
  Reflector reflector(Resource::events, "");
  for (const char* json :
       {"{}", "[]", R"({"items": []})", R"({"items": {}, "metadata": {"resourceVersion": "1"}})"})
    CHECK(reflector.take_page(*wire::parse_json(json)).error().code == "bad_list");
  CHECK(reflector.is_listing());
}

}  // namespace
}  // namespace outrider::kubernetes::testing
