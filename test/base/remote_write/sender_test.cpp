// SPDX-License-Identifier: Apache-2.0
// The sender against a receiver on this machine that records what it got.
#include "base/remote_write/sender.h"

#include <unistd.h>

#include <deque>
#include <fstream>

#include "base/net/http_server.h"
#include "base/remote_write/codec/snappy_block.h"
#include "base/remote_write/codec/v1.pb.h"
#include "base/remote_write/codec/v2.pb.h"
#include "base/wire/exposition.h"
#include "test/support/catch.h"
#include "test/support/temporary_folder.h"

using namespace outrider;
using namespace outrider::remote_write;
using namespace std::chrono_literals;
namespace fs = std::filesystem;

namespace {

constexpr auto patience = 20s;

// What is no snappy block makes an empty message.
std::string message_of(const net::HttpRequest& request) {
  std::string buffer;
  return std::string(decompress_snappy(request.body, 1 << 24, buffer).value_or(""));
}

class Receiver {
 public:
  explicit Receiver(std::uint16_t port = 0) {
    net::Router router;
    router.add("POST", "/api/v1/write", [this](const net::HttpRequest& r) { return take(r); });
    server_ = std::make_unique<net::HttpServer>(
        net::HttpServer::Settings{.listen_address = "127.0.0.1:" + std::to_string(port)},
        std::move(router));
  }

  // Answers in this order; afterwards a 2.0 receiver's success.
  void answer(net::HttpResponse response) {
    const std::lock_guard hold(mutex_);
    answers_.push_back(std::move(response));
  }
  std::string url() const {
    return "http://127.0.0.1:" + std::to_string(server_->port()) + "/api/v1/write";
  }
  std::uint16_t port() const { return server_->port(); }

  std::vector<net::HttpRequest> wait_for(std::size_t count) {
    std::unique_lock hold(mutex_);
    const bool came = came_.wait_for(hold, patience, [&] { return requests_.size() >= count; });
    if (!came) FAIL("only " << requests_.size() << " of " << count << " requests came");
    return requests_;
  }
  std::size_t count() {
    const std::lock_guard hold(mutex_);
    return requests_.size();
  }

 private:
  net::HttpResponse take(const net::HttpRequest& request) {
    const std::lock_guard hold(mutex_);
    requests_.push_back(request);
    came_.notify_all();
    if (!answers_.empty()) {
      auto response = std::move(answers_.front());
      answers_.pop_front();
      return response;
    }
    io::prometheus::write::v2::Request message;
    message.ParseFromString(message_of(request));
    int samples = 0, exemplars = 0;
    for (const auto& series : message.timeseries()) {
      samples += series.samples_size();
      exemplars += series.exemplars_size();
    }
    return {.status = 204,
            .headers = {{"X-Prometheus-Remote-Write-Samples-Written", std::to_string(samples)},
                        {"X-Prometheus-Remote-Write-Exemplars-Written", std::to_string(exemplars)},
                        {"X-Prometheus-Remote-Write-Histograms-Written", "0"}}};
  }

  std::mutex mutex_;
  std::condition_variable came_;
  std::deque<net::HttpResponse> answers_;
  std::vector<net::HttpRequest> requests_;
  std::unique_ptr<net::HttpServer> server_;
};

Options options_for(const std::string& url) {
  Options options;
  options.url = url;
  options.batch_deadline = 20ms;
  return options;
}

std::vector<WriteSeries> series(const std::string& name, double value = 1, int count = 1) {
  WriteSeries made{.labels = {{"__name__", name}}, .metadata = {wire::MetricType::gauge, "", ""}};
  for (int i = 0; i < count; ++i) made.samples.push_back({1'700'000'000'000 + i, value});
  return {made};
}

io::prometheus::write::v2::Request v2_of(const net::HttpRequest& request) {
  io::prometheus::write::v2::Request message;
  REQUIRE(message.ParseFromString(message_of(request)));
  return message;
}

io::prometheus::write::v1::WriteRequest v1_of(const net::HttpRequest& request) {
  io::prometheus::write::v1::WriteRequest message;
  REQUIRE(message.ParseFromString(message_of(request)));
  return message;
}

std::string page(Sender& sender) {
  wire::TextSink sink(wire::Format::text);
  sender.collect(sink);
  return sink.finish();
}

void wait_for_metric(Sender& sender, const std::string& line) {
  const auto deadline = std::chrono::steady_clock::now() + patience;
  while (page(sender).find(line + "\n") == std::string::npos) {
    if (std::chrono::steady_clock::now() > deadline)
      FAIL(line << " never came in\n" << page(sender));
    std::this_thread::yield();
  }
}

const SystemClock wall_clock;

}  // namespace

TEST_CASE("a 2.0 request bears exactly the headers of the specification") {
  Receiver receiver;
  TemporaryFolder folder;
  auto options = options_for(receiver.url());
  options.headers = {"X-Scope-OrgID: shop"};
  options.external_labels = {"cluster=eu", "job=not me"};
  Sender sender(options, folder.path(), wall_clock);
  auto sent = series("a", 2.5);
  sent[0].labels.set("job", "me");
  sender.append(sent);
  const auto request = receiver.wait_for(1)[0];
  CHECK(request.header("Content-Type") ==
        "application/x-protobuf;proto=io.prometheus.write.v2.Request");
  CHECK(request.header("Content-Encoding") == "snappy");
  CHECK(request.header("X-Prometheus-Remote-Write-Version") == "2.0.0");
  CHECK(std::string(request.header("User-Agent")).starts_with("Outrider/"));
  CHECK(request.header("X-Scope-OrgID") == "shop");
  const auto message = v2_of(request);
  CHECK(message.symbols(0).empty());
  CHECK(encode_v1({}, all_metadata).empty());
  const auto older = downgrade(message.SerializeAsString());
  io::prometheus::write::v1::WriteRequest named;
  REQUIRE(named.ParseFromString(*older));
  REQUIRE(named.timeseries(0).labels_size() == 3);
  CHECK(named.timeseries(0).labels(1).name() == "cluster");
  CHECK(named.timeseries(0).labels(2).value() == "me");
  CHECK(message.timeseries(0).samples(0).value() == 2.5);
  wait_for_metric(sender, "outrider_remote_write_samples_total 1");
  wait_for_metric(sender, "outrider_remote_write_highest_sent_timestamp_seconds 1.7e+09");
}

TEST_CASE(
    "a request has at most so many samples, and a batch does not wait longer than its deadline") {
  Receiver receiver;
  TemporaryFolder folder;
  auto options = options_for(receiver.url());
  options.samples_per_send_max = 100;
  Sender sender(options, folder.path(), wall_clock);
  sender.append(series("long", 1, 250));
  for (int i = 0; i < 70; ++i) sender.append(series("n" + std::to_string(i)));
  std::size_t samples = 0, requests = 0;
  while (samples < 320) {
    ++requests;
    const auto message = v2_of(receiver.wait_for(requests)[requests - 1]);
    std::size_t here = 0;
    for (const auto& one : message.timeseries())
      here += static_cast<std::size_t>(one.samples_size());
    CHECK(here <= 100);
    CHECK(here > 0);
    samples += here;
  }
  CHECK(samples == 320);
}

TEST_CASE("no answer, 503 with Retry-After and 429 are sent again until the receiver takes them") {
  Receiver receiver;
  TemporaryFolder folder;
  receiver.answer({.status = 500});
  receiver.answer({.status = 503, .headers = {{"Retry-After", "1"}}});
  receiver.answer({.status = 429});
  Sender sender(options_for(receiver.url()), folder.path(), wall_clock);
  sender.append(series("a"));
  const auto requests = receiver.wait_for(4);
  for (const auto& request : requests) CHECK(request.body == requests[0].body);
  wait_for_metric(sender, "outrider_remote_write_samples_total 1");
  wait_for_metric(sender, "outrider_remote_write_samples_retried_total 3");
  wait_for_metric(sender, "outrider_remote_write_samples_pending 0");
}

TEST_CASE("any other 4xx is given up, counted by its status, and the next batch goes on") {
  Receiver receiver;
  TemporaryFolder folder;
  receiver.answer({.status = 400, .body = "out of order"});
  receiver.answer({.status = 401});
  Sender sender(options_for(receiver.url()), folder.path(), wall_clock);
  for (const char* name : {"a", "b", "c"}) {
    sender.append(series(name));
    sender.flush();
  }
  const auto requests = receiver.wait_for(3);
  CHECK(v2_of(requests[1]).symbols(2) == "b");
  wait_for_metric(sender, "outrider_remote_write_samples_total 1");
  wait_for_metric(sender, "outrider_remote_write_samples_failed_total{reason=\"400\"} 1");
  wait_for_metric(sender, "outrider_remote_write_samples_failed_total{reason=\"401\"} 1");
  CHECK(receiver.count() == 3);
}

TEST_CASE("a receiver that says 415 gets the same batch as 1.0, and 1.0 from then on") {
  Receiver receiver;
  TemporaryFolder folder;
  receiver.answer({.status = 415});
  receiver.answer({.status = 200});
  receiver.answer({.status = 200});
  Sender sender(options_for(receiver.url()), folder.path(), wall_clock);
  sender.append(series("a"));
  sender.flush();
  auto requests = receiver.wait_for(2);
  CHECK(requests[1].header("Content-Type") == "application/x-protobuf");
  CHECK(requests[1].header("X-Prometheus-Remote-Write-Version") == "0.1.0");
  CHECK(v1_of(requests[1]).timeseries(0).labels(0).value() == "a");
  CHECK(v1_of(requests[1]).metadata_size() == 1);
  sender.append(series("a"));
  requests = receiver.wait_for(3);
  CHECK(requests[2].header("X-Prometheus-Remote-Write-Version") == "0.1.0");
  CHECK(v1_of(requests[2]).metadata_size() == 0);  // Once a minute.
  wait_for_metric(sender, "outrider_remote_write_samples_total 2");
  wait_for_metric(sender, "outrider_remote_write_protocol_version 1");
}

TEST_CASE("a receiver that says 204 without Written headers gets the same batch as 1.0") {
  Receiver receiver;
  TemporaryFolder folder;
  receiver.answer({.status = 204});
  receiver.answer({.status = 204});
  Sender sender(options_for(receiver.url()), folder.path(), wall_clock);
  sender.append(series("a"));
  const auto requests = receiver.wait_for(2);
  CHECK(v1_of(requests[1]).timeseries(0).samples(0).timestamp() == 1'700'000'000'000);
  wait_for_metric(sender, "outrider_remote_write_samples_total 1");
}

TEST_CASE("what a 2.0 receiver did not write is counted as failed") {
  Receiver receiver;
  TemporaryFolder folder;
  receiver.answer({.status = 204, .headers = {{"X-Prometheus-Remote-Write-Samples-Written", "3"}}});
  Sender sender(options_for(receiver.url()), folder.path(), wall_clock);
  sender.append(series("a", 1, 5));
  wait_for_metric(sender, "outrider_remote_write_samples_total 3");
  wait_for_metric(sender, "outrider_remote_write_samples_failed_total{reason=\"partial_write\"} 2");
}

TEST_CASE("what a dead receiver did not get is sent after a restart, in order") {
  TemporaryFolder folder;
  std::uint16_t port = 0;
  { port = Receiver().port(); }
  const auto options = options_for("http://127.0.0.1:" + std::to_string(port) + "/api/v1/write");
  {
    Sender sender(options, folder.path(), wall_clock);
    for (const char* name : {"a", "b"}) {
      sender.append(series(name));
      sender.flush();
    }
    CHECK_FALSE(sender.stop(50ms));
  }
  Receiver receiver(port);
  Sender sender(options, folder.path(), wall_clock);
  sender.append(series("c"));
  const auto requests = receiver.wait_for(3);
  CHECK(v2_of(requests[0]).symbols(2) == "a");
  CHECK(v2_of(requests[1]).symbols(2) == "b");
  CHECK(v2_of(requests[2]).symbols(2) == "c");
  CHECK(sender.stop(10s));
}

TEST_CASE("stop sends what is buffered, and takes no more") {
  Receiver receiver;
  TemporaryFolder folder;
  auto options = options_for(receiver.url());
  options.batch_deadline = 5s;
  Sender sender(options, folder.path(), wall_clock);
  sender.append(series("a"));
  CHECK(sender.stop(10s));
  CHECK(receiver.count() == 1);
  sender.append(series("b"));
  CHECK(sender.stop(10s));
  CHECK(receiver.count() == 1);
}

TEST_CASE("stop ends in time when the receiver never answers") {
  TemporaryFolder folder;
  std::uint16_t port = 0;
  { port = Receiver().port(); }
  Sender sender(options_for("http://127.0.0.1:" + std::to_string(port) + "/"), folder.path(),
                wall_clock);
  sender.append(series("a"));
  const auto began = std::chrono::steady_clock::now();
  CHECK_FALSE(sender.stop(100ms));
  CHECK(std::chrono::steady_clock::now() - began < 3s);
}

TEST_CASE("a bearer token is read anew, and a password goes as basic authentication") {
  Receiver receiver;
  TemporaryFolder folder, secrets;
  const fs::path file = secrets.path() / "secret";
  std::ofstream(file) << "one\n";
  SECTION("token") {
    auto options = options_for(receiver.url());
    options.bearer_token_file = file;
    Sender sender(options, folder.path(), wall_clock);
    sender.append(series("a"));
    CHECK(receiver.wait_for(1)[0].header("Authorization") == "Bearer one");
    std::ofstream(file) << "two\n";
    sender.append(series("b"));
    CHECK(receiver.wait_for(2)[1].header("Authorization") == "Bearer two");
  }
  SECTION("password") {
    auto options = options_for(receiver.url());
    options.basic_auth_user = "me";
    options.basic_auth_password_file = file;
    Sender sender(options, folder.path(), wall_clock);
    sender.append(series("a"));
    CHECK(receiver.wait_for(1)[0].header("Authorization") == "Basic bWU6b25l");
  }
}

TEST_CASE("options that are wrong are named when the sender is made") {
  TemporaryFolder folder;
  const auto message = [&](Options options) -> std::string {
    options.url = "http://127.0.0.1:1/";
    try {
      Sender sender(options, folder.path(), wall_clock);
    } catch (const std::runtime_error& error) {
      return error.what();
    }
    return "";
  };
  Options options;
  options.headers = {"content-type: text/plain"};
  CHECK(message(options).find("sets this header itself") != std::string::npos);
  options.headers = {"no colon"};
  CHECK(message(options).find("remote-write.header=no colon") != std::string::npos);
  options.headers = {"a: b\r\nc: d"};
  CHECK(message(options).find("one line") != std::string::npos);
  options = {};
  options.external_labels = {"9=x"};
  CHECK(message(options).find("remote-write.external-label=9=x") != std::string::npos);
  options = {};
  options.bearer_token_file = "/no/such/file";
  CHECK(message(options).find("remote-write.bearer-token-file") != std::string::npos);
  options.basic_auth_user = "me";
  CHECK(message(options).find("exclude") != std::string::npos);
}
