// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/acceptor.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include "sidecar/http2/frame.h"
#include "sidecar/proxy/client_connection.h"

namespace outrider::proxy {
namespace {

constexpr int accepts_per_batch = 64;
constexpr int backlog_batches_max = 64;  // When it stops to accept: a whole backlog.
constexpr std::chrono::milliseconds accept_pause{100};

// In the HTTP that the upstream's clients speak. Behind https:// that is not known before they have
// said something: a client of HTTP/2 takes the answer of HTTP/1.1 for a broken connection.
std::string render_too_many(const ExchangeContext& exchanges) {
  const Answer answer{503, "too_many_connections",
                      "proxy.connections-max connections are open; raise it or add replicas", 1};
  if (exchanges.settings.passes_http1()) return render_error(answer, {.now = exchanges.now.wall});
  std::string frames;
  http2::put_frame_head({0, http2::FrameType::settings, 0, 0}, frames);
  // Nothing of it was looked at: its calls may be sent again over another connection.
  http2::put_goaway(0, http2::ErrorCode::no_error,
                    std::string(answer.code).append(": ").append(answer.message), frames);
  return frames;
}

}  // namespace

Acceptor::Acceptor(ThreadContext& context, Descriptor listening)
    : context_(context),
      listening_(std::move(listening)),
      spare_(::open("/dev/null", O_RDONLY | O_CLOEXEC)) {
  resume();
}

void Acceptor::on_events(std::uint32_t) {
  accept_some();
}

bool Acceptor::accept_some() {
  for (int i = 0; i < accepts_per_batch; ++i) {
    sockaddr_storage peer{};
    socklen_t length = sizeof peer;
    Descriptor socket(::accept4(listening_.get(), reinterpret_cast<sockaddr*>(&peer), &length,
                                SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (!socket.is_open()) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS)
        pause();
      else if (errno == EINTR || errno == ECONNABORTED)
        continue;
      return false;
    }
    context_.exchanges.counters.connections_accepted.add();
    if (!context_.connections.has_room() && !context_.connections.evict_idle()) {
      turn_away(socket);
      continue;
    }
    auto connection = std::make_unique<ClientConnection>(context_, std::move(socket), peer);
    epoll_event event{};
    event.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;
    event.data.ptr = static_cast<EventTarget*>(connection.get());
    if (::epoll_ctl(context_.epoll.get(), EPOLL_CTL_ADD, connection->descriptor(), &event) == 0)
      context_.connections.add(std::move(connection));
  }
  return true;
}

void Acceptor::turn_away(const Descriptor& socket) {
  ExchangeContext& exchanges = context_.exchanges;
  exchanges.counters.rejected[static_cast<std::size_t>(tap::Rejection::too_many_connections)].add();
  exchanges.models.count(tap::ModelTable::unknown, tap::Outcome::rejected, 503);
  if (context_.tls) return;  // It would have to shake hands first.
  const std::string answer = render_too_many(exchanges);
  (void)!::send(socket.get(), answer.data(), answer.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  ::shutdown(socket.get(), SHUT_WR);
}

// No file descriptor is left. A connection that waits in the backlog keeps a level-triggered
// listening socket ready for ever, so the spare descriptor takes and closes it, the longest idle
// connection goes, and accepting rests for a moment.
void Acceptor::pause() {
  context_.exchanges.counters.accept_paused.add();
  spare_.reset();
  Descriptor refused(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC));
  refused.reset();
  context_.connections.evict_idle();
  spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  ::epoll_ctl(context_.epoll.get(), EPOLL_CTL_DEL, listening_.get(), nullptr);
  is_accepting_ = false;
  accept_again_ = context_.exchanges.now.monotonic + accept_pause;
}

void Acceptor::resume() {
  if (!spare_.is_open()) spare_.reset(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = static_cast<EventTarget*>(this);
  is_accepting_ = ::epoll_ctl(context_.epoll.get(), EPOLL_CTL_ADD, listening_.get(), &event) == 0;
  accept_again_ = context_.exchanges.now.monotonic + accept_pause;
}

void Acceptor::tend(Monotonic now) {
  if (!is_accepting_ && listening_.is_open() && now >= accept_again_) resume();
}

// Who is in the backlog has connected: they are served before the socket goes.
void Acceptor::stop() {
  if (!listening_.is_open()) return;
  for (int batches = 0; batches < backlog_batches_max && accept_some();) ++batches;
  forget(context_.epoll.get(), listening_);
  is_accepting_ = false;
}

}  // namespace outrider::proxy
