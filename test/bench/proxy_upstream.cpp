// SPDX-License-Identifier: Apache-2.0
// The cheapest upstream there is: every request is answered with the same 100 bytes.
//   bench_proxy_upstream CORE...       a thread on each core ("-": on any); prints its port
// For measurements in which nginx as upstream would be what limits. One receive and one send a
// request.
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <vector>

namespace {

std::string answer() {
  const std::string body = R"({"price": 412345.678, "model": "house-price"})";
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n" + body +
         std::string(100 - body.size(), ' ');
}

// How many bytes the first request takes; 0: it is not whole.
std::size_t request_size(std::string_view bytes) {
  const std::size_t end = bytes.find("\r\n\r\n");
  if (end == std::string_view::npos) return 0;
  const std::size_t field = bytes.substr(0, end).find("ontent-");
  const std::size_t length = bytes.substr(0, end).find("ength: ", field);
  const std::size_t body = field == std::string_view::npos || length == std::string_view::npos
                               ? 0
                               : std::strtoul(bytes.data() + length + 7, nullptr, 10);
  return bytes.size() >= end + 4 + body ? end + 4 + body : 0;
}

int listen_on(std::uint16_t port) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  const int on = 1;
  ::setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
      ::listen(fd, 4096) != 0)
    std::exit(1);
  return fd;
}

std::uint16_t port_of(int fd) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  ::getsockname(fd, reinterpret_cast<sockaddr*>(&address), &length);
  return ntohs(address.sin_port);
}

void watch(int epoll, int fd) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = fd;
  ::epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

// Answers what has come; `held` keeps the beginning of a request that is not whole. False at the
// end.
bool serve(int fd, std::string& held, const std::string& text) {
  char buffer[16384];
  const ssize_t n = ::recv(fd, buffer, sizeof buffer - 1, MSG_DONTWAIT);
  if (n <= 0) return false;
  held.append(buffer, static_cast<std::size_t>(n));
  std::string out;
  std::size_t used = 0;
  while (const std::size_t size = request_size(std::string_view(held).substr(used))) {
    out += text;
    used += size;
  }
  held.erase(0, used);
  return out.empty() || ::send(fd, out.data(), out.size(), MSG_NOSIGNAL) == ssize_t(out.size());
}

void run(int listening, const char* core) {
  if (*core != '-') {
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(std::atoi(core), &set);
    ::sched_setaffinity(0, sizeof set, &set);
  }
  const std::string text = answer();
  const int epoll = ::epoll_create1(0);
  watch(epoll, listening);
  std::unordered_map<int, std::string> held;
  epoll_event events[256];
  for (;;) {
    const int count = ::epoll_wait(epoll, events, 256, -1);
    for (int i = 0; i < count; ++i) {
      const int fd = events[i].data.fd;
      if (fd == listening) {
        watch(epoll, ::accept(listening, nullptr, nullptr));
      } else if (!serve(fd, held[fd], text)) {
        held.erase(fd);
        ::close(fd);
      }
    }
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "bench_proxy_upstream CORE...\n");
    return 2;
  }
  const int first = listen_on(0);
  const std::uint16_t port = port_of(first);
  std::vector<std::thread> threads;
  for (int i = 1; i < argc; ++i)
    threads.emplace_back(run, i == 1 ? first : listen_on(port), argv[i]);
  std::printf("%d\n", port);
  std::fflush(stdout);
  for (std::thread& thread : threads) thread.join();
}
