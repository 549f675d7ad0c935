// SPDX-License-Identifier: Apache-2.0
#include "base/net/tls_front.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "base/net/http_client.h"
#include "base/net/http_server.h"
#include "test/base/tls/certificates.h"
#include "test/support/catch.h"

namespace outrider::net {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using tls::HandshakeResult;

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "outrider-front-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }

  fs::path hold(const std::string& name, const std::string& text) const {
    std::ofstream(path / name, std::ios::binary) << text;
    return path / name;
  }
  void hold(const tls::Material& material) const {
    hold("tls.crt", material.certificates);
    hold("tls.key", material.key);
    hold("ca.crt", material.ca);
  }
  fs::path path;
};

std::uint64_t handshakes(const TlsPort& port, HandshakeResult result) {
  return port.figures().sides[0]->handshakes[static_cast<std::size_t>(result)];
}

// A server behind TLS, and what its client needs.
struct Site {
  explicit Site(tls::ClientRules rules = {}, HttpServer::Settings settings = {}) {
    folder.hold(authority.issue());
    port = std::make_shared<TlsPort>(TlsPort::Settings{"admin", folder.path, std::move(rules)});
    settings.tls = port;
    Router router;
    router.add("POST", "/echo", [](const HttpRequest& r) { return text_response(200, r.body); });
    router.add("GET", "/peer", [](const HttpRequest& r) { return text_response(200, r.peer); });
    server = std::make_unique<HttpServer>(settings, std::move(router));
  }
  ClientRequest request(std::string method, const std::string& path, std::string body = "") const {
    return {.method = std::move(method),
            .url = "https://127.0.0.1:" + std::to_string(server->port()) + path,
            .body = std::move(body),
            .ca_file = (folder.path / "ca.crt").string()};
  }

  const tls::Authority authority;
  Folder folder;
  std::shared_ptr<TlsPort> port;
  std::unique_ptr<HttpServer> server;
  HttpClient client;
};

// A plain connection, from an address of our own choice.
class Plain {
 public:
  Plain(std::uint16_t port, const char* from = "127.0.0.1")
      : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    ::inet_pton(AF_INET, from, &address.sin_addr);
    REQUIRE(::bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    const timeval limit{10, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    REQUIRE(::connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  }
  ~Plain() { ::close(socket_); }
  Plain(const Plain&) = delete;
  Plain& operator=(const Plain&) = delete;

  void send(std::string_view bytes) const {
    REQUIRE(::send(socket_, bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(bytes.size()));
  }
  std::string receive() const {  // "" at the end.
    char room[8192];
    const ssize_t n = ::recv(socket_, room, sizeof room, 0);
    return n > 0 ? std::string(room, static_cast<std::size_t>(n)) : "";
  }
  std::string receive_all() const {
    std::string all;
    for (std::string more = receive(); !more.empty(); more = receive()) all += more;
    return all;
  }

 private:
  int socket_;
};

// A client of TLS over it.
class Secure {
 public:
  Secure(const Site& site, const char* from = "127.0.0.1")
      : context_(*tls::Context::client({.certificates = "", .key = "", .ca = site.authority.pem()},
                                       "127.0.0.1")),
        session_(*context_),
        plain_(site.server->port(), from) {
    exchange("");
  }
  // Sends it, and gives what comes until `end` has come, or the connection's end.
  std::string exchange(std::string_view bytes, std::string_view end = "") {
    std::string out, got;
    if (session_.is_open()) session_.send(bytes, out);
    for (char room[8192];;) {
      std::string_view came = in_;
      const std::size_t n = session_.receive(came, room, out);
      in_.erase(0, in_.size() - came.size());
      got.append(room, n);
      if (!out.empty()) plain_.send(std::exchange(out, {}));
      if (n > 0) continue;
      const bool wanted = !session_.is_open() || (!end.empty() && !got.ends_with(end));
      if (!wanted || session_.state() == tls::Session::State::ended) return got;
      const std::string more = plain_.receive();
      if (more.empty()) return got;
      in_ += more;
    }
  }
  bool is_open() const { return session_.is_open(); }

 private:
  const std::shared_ptr<const tls::Context> context_;
  tls::Session session_;
  std::string in_;
  Plain plain_;
};

// The ports on 127.0.0.1 that this process listens on.
std::vector<std::uint16_t> listening_ports() {
  std::vector<std::string> own;
  for (const auto& entry : fs::directory_iterator("/proc/self/fd")) {
    std::error_code gone;
    own.push_back(fs::read_symlink(entry, gone).string());
  }
  std::vector<std::uint16_t> ports;
  std::ifstream table("/proc/self/net/tcp");
  for (std::string line; std::getline(table, line);) {
    std::istringstream words(line);
    std::string number, local, remote, state, queues, timer, retransmits, user, timeout, inode;
    words >> number >> local >> remote >> state >> queues >> timer >> retransmits >> user >>
        timeout >> inode;
    const bool is_own = std::find(own.begin(), own.end(), "socket:[" + inode + "]") != own.end();
    if (state == "0A" && is_own)
      ports.push_back(static_cast<std::uint16_t>(std::stoul(local.substr(9), nullptr, 16)));
  }
  return ports;
}

TEST_CASE("requests come through TLS, one connection serves many, and large bodies pass whole") {
  Site site;
  std::string body(7 << 20, '\0');
  for (std::size_t i = 0; i < body.size(); ++i) body[i] = static_cast<char>(i * 31 >> 7);
  CHECK(site.client.send(site.request("POST", "/echo", "hello"))->body == "hello");
  const auto answer = site.client.send(site.request("POST", "/echo", body));
  REQUIRE(answer);
  CHECK(answer->body == body);
  CHECK(site.client.send(site.request("GET", "/nowhere"))->status == 404);
  CHECK(handshakes(*site.port, HandshakeResult::success) == 1);
}

TEST_CASE("a handler sees the client's address, not that of the connection behind TLS") {
  Site site;
  Secure client(site, "127.0.0.5");
  CHECK_THAT(client.exchange("GET /peer HTTP/1.1\r\nHost: m\r\n\r\n", "127.0.0.5"),
             Catch::EndsWith("127.0.0.5"));
}

TEST_CASE("pipelined requests are answered in order, and close_notify ends the connection") {
  Site site;
  Secure client(site);
  std::string requests;
  for (int i = 0; i < 20; ++i) {
    requests += "POST /echo HTTP/1.1\r\nHost: m\r\nContent-Length: 2\r\n";
    if (i == 19) requests += "Connection: close\r\n";
    requests += "\r\n" + std::to_string(i + 10);
  }
  const std::string answers = client.exchange(requests, "(until its end)");
  CHECK_FALSE(client.is_open());
  std::size_t at = 0;
  for (int i = 0; i < 20; ++i) {
    at = answers.find("\r\n\r\n" + std::to_string(i + 10), at);
    CHECK(at != std::string::npos);
  }
}

TEST_CASE("who speaks plain HTTP to the port is told that it speaks TLS") {
  Site site;
  const Plain plain(site.server->port());
  plain.send("GET /metrics HTTP/1.1\r\nHost: m\r\n\r\n");
  const std::string answer = plain.receive_all();
  CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 400 ") && Catch::Contains("plain_http") &&
                         Catch::Contains("use https://"));
  CHECK(handshakes(*site.port, HandshakeResult::plain_http) == 1);
}

TEST_CASE("who finds the port behind TLS is refused, and reaches no route") {
  Site site;
  std::size_t refused = 0;
  for (const std::uint16_t port : listening_ports()) {
    if (port == site.server->port()) continue;
    const Plain plain(port);
    plain.send("GET /peer HTTP/1.1\r\nHost: m\r\nConnection: close\r\n\r\n");
    const std::string answer = plain.receive_all();
    CHECK_THAT(answer, Catch::StartsWith("HTTP/1.1 403 ") && Catch::Contains("not_through_tls"));
    ++refused;
  }
  CHECK(refused == 1);
}

TEST_CASE("a body that was cut off is not taken for a whole one") {
  Router router;
  std::atomic<int> taken{0};
  router.add("POST", "/echo", [&taken](const HttpRequest& r) {
    ++taken;
    return text_response(200, r.body);
  });
  HttpServer server({}, std::move(router));
  {
    const Plain plain(server.port());
    plain.send("POST /echo HTTP/1.1\r\nHost: m\r\nContent-Length: 10\r\n\r\nhalf");
  }
  {
    const Plain plain(server.port());
    plain.send("POST /echo HTTP/1.1\r\nHost: m\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n");
  }
  HttpClient client;
  CHECK(client
            .send({.method = "POST",
                   .url = "http://127.0.0.1:" + std::to_string(server.port()) + "/echo",
                   .body = "all"})
            ->body == "all");
  server.stop();  // Everything that was begun has ended.
  CHECK(taken == 1);
}

TEST_CASE("where certificates are asked for, the name in one decides") {
  const std::string uri = "spiffe://cluster.local/ns/shop/sa/web";
  Site site({.required = true, .names = {uri}});
  // TLS 1.3 tells a client after its own handshake is over, so libcurl calls it a lost connection.
  const auto refusal = site.client.send(site.request("GET", "/peer"));
  REQUIRE_FALSE(refusal);
  CHECK_THAT(refusal.error().message, Catch::Contains("certificate required"));
  const auto with = [&](const tls::Material& own, const std::string& name) -> std::string {
    ClientRequest request = site.request("GET", "/peer");
    request.certificate_file = site.folder.hold(name + ".crt", own.certificates).string();
    request.key_file = site.folder.hold(name + ".key", own.key).string();
    HttpClient client;
    const auto answer = client.send(request);
    return answer ? answer->body : "refused";
  };
  CHECK(with(site.authority.issue({.names = "DNS:batch.shop"}), "batch") == "refused");
  CHECK(with(tls::Authority().issue({.names = "URI:" + uri}), "stranger") == "refused");
  CHECK(with(site.authority.issue({.names = "URI:" + uri}), "web") == "127.0.0.1");
  CHECK(handshakes(*site.port, HandshakeResult::certificate_missing) == 1);
  CHECK(handshakes(*site.port, HandshakeResult::certificate_name) == 1);
  CHECK(handshakes(*site.port, HandshakeResult::certificate_untrusted) == 1);
  CHECK(handshakes(*site.port, HandshakeResult::success) == 1);
}

TEST_CASE("a certificate that cannot be used ends the start, one that comes later does not") {
  Folder folder;
  CHECK_THROWS_WITH(TlsPort({"admin", folder.path, {}}), Catch::Contains("tls.crt: No such file"));
  const tls::Authority authority;
  folder.hold(authority.issue({.ends_in = 1000}));
  TlsPort port({"admin", folder.path, {}});
  const auto ends = port.figures().sides[0]->expires_at;
  folder.hold("tls.key", "nonsense");
  port.look();
  CHECK(port.figures().reload_failures == 1);
  CHECK(port.figures().sides[0]->expires_at == ends);
  folder.hold(authority.issue({.ends_in = 5000}));
  port.look();
  CHECK(port.figures().reloads == 1);
  CHECK(port.figures().sides[0]->expires_at > ends);
}

TEST_CASE("an address in use is named when the port cannot listen") {
  Site site;
  Router router;
  const std::string address = "127.0.0.1:" + std::to_string(site.server->port());
  CHECK_THROWS_WITH(HttpServer({.listen_address = address, .tls = site.port}, std::move(router)),
                    Catch::Contains("cannot listen on " + address) && Catch::Contains("in use"));
}

// ---- One relay, on a socket pair and a clock of our own ----

struct RelayBench {
  RelayBench() {
    folder.hold(authority.issue());
    port = std::make_unique<TlsPort>(TlsPort::Settings{"admin", folder.path, {}});
    listening = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    REQUIRE(::bind(listening, reinterpret_cast<sockaddr*>(&address), size) == 0);
    REQUIRE(::listen(listening, 5) == 0);
    ::getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size);
    int pair[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
    ours = pair[0];
    relay = std::make_unique<TlsRelay>(pair[1], "10.0.0.7",
                                       TlsRelay::Settings{.port = *port,
                                                          .peers = peers,
                                                          .backend_port = ntohs(address.sin_port),
                                                          .handshake_timeout = 10s,
                                                          .first_byte_timeout = 30s,
                                                          .close_timeout = 20s},
                                       start);
    context =
        *tls::Context::client({.certificates = "", .key = "", .ca = authority.pem()}, "127.0.0.1");
    session = std::make_unique<tls::Session>(*context);
  }
  ~RelayBench() {
    for (const int socket : {ours, listening, accepted})
      if (socket >= 0) ::close(socket);
  }
  // The client takes what came, says what there is to say, and the relay goes on.
  std::string talk(TlsRelay::Instant now, std::string_view said = "") {
    std::string got, out;
    if (!said.empty()) session->send(said, out);
    for (int i = 0; i < 20; ++i) {
      char cipher[8192], plain[8192];
      const ssize_t n = ::recv(ours, cipher, sizeof cipher, 0);
      std::string_view came(cipher, n > 0 ? static_cast<std::size_t>(n) : 0);
      got.append(plain, session->receive(came, plain, out));
      if (!out.empty()) (void)!::send(ours, out.data(), out.size(), MSG_NOSIGNAL);
      out.clear();
      relay->pump(now);
    }
    return got;
  }
  void accept() {
    accepted = ::accept4(listening, nullptr, nullptr, SOCK_CLOEXEC);
    REQUIRE(accepted >= 0);
  }

  const TlsRelay::Instant start{1h};
  const tls::Authority authority;
  Folder folder;
  std::unique_ptr<TlsPort> port;
  TlsPeers peers;
  int listening = -1, ours = -1, accepted = -1;
  std::unique_ptr<TlsRelay> relay;
  std::shared_ptr<const tls::Context> context;
  std::unique_ptr<tls::Session> session;
};

TEST_CASE("a silent client has its time for the handshake, and counts as timed out after it") {
  RelayBench bench;
  bench.relay->pump(bench.start + 9s);
  CHECK(bench.relay->deadline() == bench.start + 10s);
  bench.relay->give_up(HandshakeResult::timeout);
  CHECK(bench.relay->is_over());
  CHECK(handshakes(*bench.port, HandshakeResult::timeout) == 1);
}

TEST_CASE("who has shaken hands holds no connection to the server before asking for something") {
  RelayBench bench;
  bench.talk(bench.start + 5s);
  REQUIRE(bench.session->is_open());
  CHECK(bench.relay->backend() < 0);
  CHECK_FALSE(bench.relay->has_asked());
  CHECK(bench.relay->deadline() == bench.start + 35s);
  bench.talk(bench.start + 6s, "G");
  CHECK(bench.relay->has_asked());
  CHECK(bench.relay->deadline() == TlsRelay::Instant::max());
  bench.accept();
  sockaddr_in from{};
  socklen_t size = sizeof from;
  ::getpeername(bench.accepted, reinterpret_cast<sockaddr*>(&from), &size);
  const auto found = bench.peers.find(ntohs(from.sin_port));
  REQUIRE(found);
  CHECK(found->address == "10.0.0.7");
  CHECK(found->names.empty());
}

TEST_CASE("a client that is cut off resets the connection to the server") {
  RelayBench bench;
  bench.talk(bench.start);
  bench.talk(bench.start, "POST /labels");
  bench.accept();
  char room[100];
  CHECK(::recv(bench.accepted, room, sizeof room, 0) == 12);
  ::close(std::exchange(bench.ours, -1));
  bench.relay->pump(bench.start);
  CHECK(bench.relay->is_over());
  CHECK(::recv(bench.accepted, room, sizeof room, 0) == -1);
  CHECK(errno == ECONNRESET);
}

TEST_CASE("a client's close_notify is the end of its requests, and the answer still comes") {
  RelayBench bench;
  bench.talk(bench.start);
  bench.talk(bench.start, "GET /");
  bench.accept();
  std::string out;
  bench.session->close(out);
  (void)!::send(bench.ours, out.data(), out.size(), MSG_NOSIGNAL);
  bench.relay->pump(bench.start);
  char room[100];
  CHECK(::recv(bench.accepted, room, sizeof room, 0) == 5);
  CHECK(::recv(bench.accepted, room, sizeof room, 0) == 0);
  CHECK(::send(bench.accepted, "answer", 6, 0) == 6);
  ::close(std::exchange(bench.accepted, -1));
  CHECK(bench.talk(bench.start) == "answer");
  CHECK(bench.session->state() == tls::Session::State::ended);
}

TEST_CASE("a client that reads nothing stops the server from being read, and has time to the end") {
  RelayBench bench;
  bench.talk(bench.start);
  bench.talk(bench.start, "GET /");
  bench.accept();
  const std::string much(64 << 10, 'x');
  std::size_t sent = 0;
  for (int stuck = 0; stuck < 5;) {
    const ssize_t n = ::send(bench.accepted, much.data(), much.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n > 0) sent += static_cast<std::size_t>(n);
    stuck = n > 0 ? 0 : stuck + 1;
    bench.relay->pump(bench.start);
    REQUIRE(sent < (64u << 20));  // What two sockets hold, and no more.
  }
  CHECK(bench.relay->client_interest() == (EPOLLOUT | EPOLLIN));
  CHECK(bench.relay->backend_interest() == 0);
  CHECK(bench.relay->deadline() == TlsRelay::Instant::max());
}

}  // namespace
}  // namespace outrider::net
