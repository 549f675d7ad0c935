// SPDX-License-Identifier: Apache-2.0
// The watcher against an API server that is played over HTTP: it drops, forgets, talks nonsense,
// and hangs.
#include "agent/kubernetes/watcher.h"

#include <deque>
#include <thread>

#include "base/core/text.h"
#include "base/net/http_server.h"
#include "test/agent/kubernetes/objects.h"

namespace outrider::kubernetes::testing {
namespace {

using namespace std::chrono_literals;
using incident::Change;

std::string line(const std::string& type, std::string object) {
  for (char& c : object) c = c == '\n' ? ' ' : c;
  return R"({"type": ")" + type + R"(", "object": )" + object + "}\n";
}

net::HttpResponse list_of(const std::string& items, int version) {
  return {.content_type = "application/json",
          .body = R"({"metadata": {"resourceVersion": ")" + std::to_string(version) +
                  R"("}, "items": [)" + items + "]}"};
}

net::HttpResponse stream_of(std::string text) {
  net::HttpResponse response{.content_type = "application/json"};
  response.stream = [text = std::move(text)](const net::HttpResponse::Write& write) {
    write(text);
  };
  return response;
}

// ReplicaSets are played; other resources are empty lists and watches that wait.
class PlayedServer {
 public:
  using Answer = std::function<net::HttpResponse()>;  // Empty: a watch that says nothing.
  using Script = std::deque<Answer>;
  explicit PlayedServer(Script script) : script_(std::move(script)) {
    net::Router router;
    router.add_open("GET", "/{path...}", [this](const net::HttpRequest& request) {
      const bool is_ours = request.path.ends_with("/replicasets");
      std::unique_lock lock(mutex_);
      if (is_ours) asked_.push_back(request.query);
      if (is_ours && !script_.empty()) {
        const auto answer = std::move(script_.front());
        script_.pop_front();
        lock.unlock();
        return answer ? answer() : hanging();
      }
      lock.unlock();
      if (request.query.find("watch=1") == std::string::npos) return list_of("", 1);
      return waiting();
    });
    server_.emplace(net::HttpServer::Settings{.connections_max = 32}, std::move(router));
  }
  ~PlayedServer() { end(); }

  void end() {
    {
      std::lock_guard lock(mutex_);
      ended_ = true;
    }
    wake_.notify_all();
  }
  std::string url() const { return "http://127.0.0.1:" + std::to_string(server_->port()); }
  std::vector<std::string> asked() {
    std::lock_guard lock(mutex_);
    return asked_;
  }

 private:
  // A watch in which nothing happens.
  net::HttpResponse waiting() {
    net::HttpResponse response{.content_type = "application/json"};
    response.stream = [this](const net::HttpResponse::Write& write) {
      std::unique_lock lock(mutex_);
      while (!wake_.wait_for(lock, 100ms, [this] { return ended_; })) {
        if (!write("\n")) return;
      }
    };
    return response;
  }
  // One that says nothing at all.
  net::HttpResponse hanging() {
    net::HttpResponse response{.content_type = "application/json"};
    response.stream = [this](const net::HttpResponse::Write&) {
      std::unique_lock lock(mutex_);
      wake_.wait(lock, [this] { return ended_; });
    };
    return response;
  }

  std::mutex mutex_;
  std::condition_variable wake_;
  bool ended_ = false;
  Script script_;
  std::vector<std::string> asked_;
  std::optional<net::HttpServer> server_;
};

class Filed {
 public:
  void take(const Change& change) {
    {
      std::lock_guard lock(mutex_);
      if (failures_ > 0) {
        --failures_;
        throw std::runtime_error("disk full");
      }
      changes_.push_back(change);
    }
    wake_.notify_all();
  }
  void fail_first(int times) { failures_ = times; }
  std::vector<Change> wait_for(std::size_t count) {
    std::unique_lock lock(mutex_);
    wake_.wait_for(lock, 20s, [&] { return changes_.size() >= count; });
    return changes_;
  }

 private:
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Change> changes_;
  int failures_ = 0;
};

// Now is a minute after the rollouts below.
class FixedClock final : public Clock {
 public:
  Time now() const override { return noon + 2min; }
};

struct Run {
  explicit Run(PlayedServer& server, Duration idle_max = 20s)
      : watcher(settings(server, idle_max), clock,
                [this](const Change& change) { filed.take(change); }) {}
  ~Run() { watcher.stop(); }
  static Watcher::Settings settings(PlayedServer& server, Duration idle_max) {
    Watcher::Settings made;
    made.client.url = server.url();
    made.idle_max = idle_max;
    made.retry = {.initial = 1ms, .max = 5ms};
    return made;
  }
  double figure(const std::string& name) {
    struct Find final : wire::MetricSink {
      explicit Find(std::string name) : what(std::move(name)) {}
      void family(const wire::Family& family) override { current = family.name; }
      void value(const wire::SeriesKey& key, double number, const wire::Exemplar*) override {
        if (current == what && key.labels().get("resource") == "replicasets") found = number;
      }
      void histogram(const wire::SeriesKey&, const wire::HistogramValue&) override {}
      std::string what, current;
      double found = -1;
    };
    Find find(name);
    watcher.collect(find);
    return find.found;
  }
  FixedClock clock;
  Filed filed;
  Watcher watcher;
};

const ReplicaSet first{"a", "house:2.1.2", 1, noon - 48h};
const ReplicaSet second{"b", "house:2.1.3", 2, noon + 1min};

void wait_until(const std::function<bool()>& holds) {
  for (int i = 0; i < 2'000 && !holds(); ++i) std::this_thread::sleep_for(10ms);
  REQUIRE(holds());
}

PlayedServer::Answer answer(net::HttpResponse response) {
  return [response = std::move(response)] { return response; };
}

TEST_CASE("a watch that is dropped is resumed where it was, and nothing is told twice") {
  PlayedServer server({answer(list_of(first.json(1), 10)),
                       answer(stream_of(line("ADDED", second.json(11)))),
                       answer(stream_of(line("MODIFIED", second.json(12)).substr(0, 100)))});
  Run run(server);
  run.watcher.start();
  const auto changes = run.filed.wait_for(1);
  REQUIRE(changes.size() == 1);
  CHECK(changes[0].summary == "Deployment house: image house:2.1.2 -> house:2.1.3");
  wait_until([&] { return server.asked().size() >= 4; });
  const auto asked = server.asked();
  CHECK(asked[0] == "limit=250");
  CHECK_THAT(asked[1], Catch::Contains("resourceVersion=10&"));
  CHECK_THAT(asked[2], Catch::Contains("resourceVersion=11&"));
  // The line that was cut off is no event.
  CHECK_THAT(asked[3], Catch::Contains("resourceVersion=11&"));
  CHECK(run.filed.wait_for(1).size() == 1);
  CHECK(run.figure("outrider_agent_kubernetes_events_total") == 1);
  CHECK(run.figure("outrider_agent_kubernetes_relists_total") == 1);
  CHECK(run.figure("outrider_agent_kubernetes_last_success_timestamp_seconds") ==
        static_cast<double>(to_unix_ms(noon + 2min)) / 1000);
}

TEST_CASE("after 410 the list shows what was missed meanwhile") {
  const std::string gone = line("ERROR", R"({"code": 410, "message": "too old"})");
  const bool in_stream = GENERATE(true, false);
  PlayedServer server({answer(list_of(first.json(1), 10)),
                       in_stream ? answer(stream_of(gone))
                                 : answer({.status = 410, .body = R"({"message": "too old"})"}),
                       answer(list_of(first.json(1) + "," + second.json(20), 21))});
  Run run(server);
  run.watcher.start();
  CHECK(run.filed.wait_for(1).size() == 1);
  wait_until([&] { return server.asked().size() >= 4; });
  CHECK(server.asked()[2] == "limit=250");
  CHECK_THAT(server.asked()[3], Catch::Contains("resourceVersion=21&"));
}

TEST_CASE("garbage, refusals and broken lists are counted, and end in the right changes") {
  PlayedServer server(
      {answer({.status = 500, .body = "etcd is away"}), answer({.status = 200, .body = "<html>"}),
       answer({.status = 403, .body = R"({"message": "no role"})"}),
       answer(list_of(first.json(1), 10)), answer(stream_of("<html>bad gateway</html>\n")),
       answer(stream_of("[]\n")), answer(stream_of(line("ADDED", "{}"))),
       answer(list_of(R"({"metadata": {}},)" + first.json(1) + "," + second.json(20), 21))});
  Run run(server);
  run.watcher.start();
  CHECK(run.filed.wait_for(1).size() == 1);
  wait_until([&] { return server.asked().size() >= 9; });
  CHECK(run.figure("outrider_agent_kubernetes_failures_total") == 6);
  CHECK(run.figure("outrider_agent_kubernetes_invalid_objects_total") == 1);
}

TEST_CASE("a server that falls silent is left after a while") {
  PlayedServer server(
      {answer(list_of(first.json(1), 10)), {}, answer(stream_of(line("ADDED", second.json(11))))});
  Run run(server, 1s);
  run.watcher.start();
  CHECK(run.filed.wait_for(1).size() == 1);
  CHECK_THAT(server.asked()[2], Catch::Contains("resourceVersion=10&"));
}

TEST_CASE("a change waits for the journal, and is filed once") {
  PlayedServer server(
      {answer(list_of(first.json(1), 10)), answer(stream_of(line("ADDED", second.json(11))))});
  Run run(server);
  run.filed.fail_first(1);
  run.watcher.start();
  CHECK(run.filed.wait_for(1).size() == 1);
}

TEST_CASE("without the option the API server is the one that a pod is told") {
  const auto pod = [](const char* name) -> const char* {
    return std::string_view(name) == "KUBERNETES_SERVICE_HOST" ? "fd00::1" : "443";
  };
  CHECK(in_cluster_url(pod) == std::string("https://[fd00::1]:443"));
  const auto none = in_cluster_url([](const char*) -> const char* { return nullptr; });
  CHECK(none.error().code == "not_in_cluster");
}

TEST_CASE("more namespaces than streams can be had are refused at the start") {
  FixedClock clock;
  Watcher::Settings settings;
  settings.namespaces.assign(Watcher::namespaces_max + 1, "a");
  CHECK_THROWS_WITH(Watcher(settings, clock, [](const Change&) {}),
                    Catch::Contains("kubernetes.namespaces"));
}

}  // namespace
}  // namespace outrider::kubernetes::testing
