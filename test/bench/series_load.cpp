// SPDX-License-Identifier: Apache-2.0
// Sends the same remote write bodies to one receiver after the other. Commands on standard input,
// an answer of one line each:
//   make VERSION SERIES SAMPLES_EACH BEGIN_MS      prepares a round; answers "BYTES REQUESTS"
//   send URL CONNECTIONS                           posts it; answers "OK OTHER FIRST_ERROR"
#include <atomic>
#include <iostream>
#include <mutex>
#include <sstream>
#include <thread>

#include "base/net/http_client.h"
#include "test/bench/series_bodies.h"

using namespace outrider;

namespace {

int version = 1;
std::vector<std::string> bodies;

void make(std::istringstream& words) {
  std::size_t series = 0, samples_each = 0;
  std::int64_t begin_ms = 0;
  words >> version >> series >> samples_each >> begin_ms;
  bodies = bench::round_of(series, samples_each, begin_ms, version);
  std::size_t bytes = 0;
  for (const std::string& body : bodies) bytes += body.size();
  std::cout << bytes << ' ' << bodies.size() << std::endl;
}

std::vector<net::Header> headers() {
  return {{"Content-Type", version == 1
                               ? "application/x-protobuf"
                               : "application/x-protobuf;proto=io.prometheus.write.v2.Request"},
          {"Content-Encoding", "snappy"},
          {"X-Prometheus-Remote-Write-Version", version == 1 ? "0.1.0" : "2.0.0"}};
}

void send(std::istringstream& words) {
  std::string url;
  std::size_t connections = 1;
  words >> url >> connections;
  std::atomic<std::size_t> next{0}, succeeded{0}, failed{0};
  std::mutex mutex;
  std::string first_error = "-";
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < connections; ++i) {
    threads.emplace_back([&] {
      net::HttpClient client;
      for (std::size_t at = next++; at < bodies.size(); at = next++) {
        const auto answer =
            client.send({.method = "POST", .url = url, .headers = headers(), .body = bodies[at]});
        if (answer && answer->status / 100 == 2) {
          ++succeeded;
          continue;
        }
        ++failed;
        std::lock_guard lock(mutex);
        if (first_error == "-") first_error = answer ? answer->body : answer.error().message;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  std::cout << succeeded << ' ' << failed << ' ' << first_error.substr(0, first_error.find('\n'))
            << std::endl;
}

}  // namespace

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    command == "make" ? make(words) : send(words);
  }
}
