// SPDX-License-Identifier: Apache-2.0
// One request each millisecond over one kept-alive connection, and the median of how long they
// took:
//   bench_proxy_pace HOST PORT PATH SECONDS      prints microseconds: p50 p99 requests failed
// A load generator that sends as fast as it can says nothing about the time that a proxy adds.
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

using Clock = std::chrono::steady_clock;

namespace {

int connect_to(const char* host, int port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  ::inet_pton(AF_INET, host, &address.sin_addr);
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) return -1;
  return fd;
}

// Reads one response with a Content-Length; false when the connection ended or it is no 200.
bool read_response(int fd) {
  char buffer[16384];
  std::string text;
  for (;;) {
    const ssize_t n = ::recv(fd, buffer, sizeof buffer, 0);
    if (n <= 0) return false;
    text.append(buffer, static_cast<std::size_t>(n));
    const std::size_t end = text.find("\r\n\r\n");
    if (end == std::string::npos) continue;
    const std::size_t field = text.find("ontent-");
    const std::size_t length = text.find("ength: ", field);
    if (field == std::string::npos || length == std::string::npos || length > end) return false;
    if (text.size() >= end + 4 + std::strtoul(text.c_str() + length + 7, nullptr, 10))
      return text.compare(9, 3, "200") == 0;
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 5) {
    std::fprintf(stderr, "bench_proxy_pace HOST PORT PATH SECONDS\n");
    return 2;
  }
  const std::string body = R"({"size": 1800, "bedrooms": 3, "age": 12, "lot": 5000, "x": 1})";
  const std::string request = "POST " + std::string(argv[3]) +
                              " HTTP/1.1\r\nHost: model\r\nContent-Type: application/json\r\n"
                              "Content-Length: " +
                              std::to_string(body.size()) + "\r\n\r\n" + body;
  int fd = connect_to(argv[1], std::atoi(argv[2]));
  std::vector<double> times;
  int failed = 0;
  const auto begin = Clock::now();
  const auto end = begin + std::chrono::duration_cast<Clock::duration>(
                               std::chrono::duration<double>(std::atof(argv[4])));
  for (auto next = begin; next < end; next += std::chrono::milliseconds(1)) {
    std::this_thread::sleep_until(next);
    const auto sent = Clock::now();
    const bool good = ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
                          static_cast<ssize_t>(request.size()) &&
                      read_response(fd);
    times.push_back(std::chrono::duration<double, std::micro>(Clock::now() - sent).count());
    if (!good) {
      ++failed;
      ::close(fd);
      fd = connect_to(argv[1], std::atoi(argv[2]));
    }
  }
  if (times.empty()) return 1;
  std::sort(times.begin(), times.end());
  std::printf("%.1f %.1f %zu %d\n", times[times.size() / 2], times[times.size() * 99 / 100],
              times.size(), failed);
  return 0;
}
