// SPDX-License-Identifier: Apache-2.0
#include "base/tls/session.h"

#include <random>

#include "test/base/tls/certificates.h"
#include "test/support/catch.h"

namespace outrider::tls {
namespace {

std::shared_ptr<const Context> server_of(const Material& material, const ClientRules& rules = {}) {
  auto made = Context::server(material, rules);
  REQUIRE(made);
  return *made;
}
std::shared_ptr<const Context> client_of(const Material& material,
                                         const std::string& host = "model") {
  auto made = Context::client(material, host);
  REQUIRE(made);
  return *made;
}

// A session, and the bytes that it has yet to be given.
struct End {
  explicit End(std::shared_ptr<const Context> c, Resumption* resumption = nullptr,
               Session::Offer offer = Session::Offer::http1)
      : context(std::move(c)), session(*context, resumption, offer) {}

  // Takes up to `piece` bytes of what came. True: it took some, said some, or handed some over.
  bool step(End& peer, std::size_t piece) {
    std::string_view given = std::string_view(came).substr(0, piece);
    const std::size_t offered = given.size();
    char buffer[700];
    const std::size_t got = session.receive(given, buffer, out);
    came.erase(0, offered - given.size());
    read.append(buffer, got);
    const bool moved = offered != given.size() || got != 0 || !out.empty();
    peer.came += out;
    out.clear();
    return moved;
  }

  std::shared_ptr<const Context> context;
  Session session;
  std::string came, out, read;
};

void talk(End& client, End& server, std::size_t piece = 1 << 20) {
  for (bool moves = true; moves;) {
    moves = client.step(server, piece);
    moves = server.step(client, piece) || moves;
  }
}

std::string random_bytes(std::size_t size) {
  std::mt19937 random(7);
  std::string bytes(size, '\0');
  for (char& c : bytes) c = static_cast<char>(random());
  return bytes;
}

struct Pair {
  explicit Pair(const Material& server_material, const Material& client_material,
                const std::string& host = "model", const ClientRules& rules = {})
      : client(client_of(client_material, host)), server(server_of(server_material, rules)) {}
  End client, server;
};

Material trusting(const Authority& ca) {
  return {.certificates = "", .key = "", .ca = ca.pem()};
}

TEST_CASE("a handshake in pieces of any size ends open on both sides, and bytes pass both ways") {
  const Authority ca;
  const Material material = ca.issue();
  for (const std::size_t piece : {std::size_t{1}, std::size_t{7}, std::size_t{1} << 20}) {
    CAPTURE(piece);
    Pair pair(material, trusting(ca));
    talk(pair.client, pair.server, piece);
    REQUIRE(pair.client.session.is_open());
    REQUIRE(pair.server.session.is_open());
    CHECK(pair.server.session.result() == HandshakeResult::success);
    CHECK(pair.server.session.version() == std::string("TLSv1.3"));
    CHECK(pair.client.session.send("question", pair.server.came));
    CHECK(pair.server.session.send("answer", pair.client.came));
    talk(pair.client, pair.server, piece);
    CHECK(pair.server.read == "question");
    CHECK(pair.client.read == "answer");
  }
}

TEST_CASE("nothing is sent before the handshake is over") {
  const Authority ca;
  Pair pair(ca.issue(), trusting(ca));
  std::string out;
  CHECK_FALSE(pair.client.session.send("early", out));
  CHECK(out.empty());
}

TEST_CASE("much passes in records, whatever the room of one read") {
  const Authority ca;
  Pair pair(ca.issue(), trusting(ca));
  talk(pair.client, pair.server);
  const std::string much = random_bytes(1'000'000);
  REQUIRE(pair.client.session.send(much, pair.server.came));
  CHECK(pair.server.came.size() > much.size());
  CHECK(pair.server.came.size() < much.size() + 62 * 40);  // Records of 16 KiB.
  pair.server.step(pair.client, 20'000);
  CHECK(pair.server.session.holds_plaintext());  // A read of 700 bytes takes part of a record.
  talk(pair.client, pair.server);
  CHECK(pair.server.read == much);
  CHECK_FALSE(pair.server.session.holds_plaintext());
}

TEST_CASE("an end with close_notify is clean, an end without is a truncation") {
  const Authority ca;
  Pair pair(ca.issue(), trusting(ca));
  talk(pair.client, pair.server);
  REQUIRE(pair.client.session.send("all of it", pair.server.came));
  SECTION("with") {
    pair.client.session.close(pair.server.came);
    talk(pair.client, pair.server);
    CHECK(pair.server.read == "all of it");
    CHECK(pair.server.session.state() == Session::State::ended);
    CHECK(pair.server.session.end_of_input());
    CHECK(pair.server.session.send("and an answer", pair.client.came));  // Half-closed.
    talk(pair.client, pair.server);
    CHECK(pair.client.read == "and an answer");
  }
  SECTION("without") {
    talk(pair.client, pair.server);
    CHECK(pair.server.read == "all of it");
    CHECK_FALSE(pair.server.session.end_of_input());
    CHECK(pair.server.session.state() == Session::State::failed);
    CHECK(pair.server.session.result() == HandshakeResult::success);
  }
  SECTION("within the last record") {
    pair.server.came.pop_back();
    talk(pair.client, pair.server);
    CHECK(pair.server.read.empty());
    CHECK_FALSE(pair.server.session.end_of_input());
  }
}

TEST_CASE("a connection that ends within the handshake is counted as closed") {
  const Authority ca;
  Pair pair(ca.issue(), trusting(ca));
  pair.client.step(pair.server, 1 << 20);
  pair.server.step(pair.client, 20);
  CHECK_FALSE(pair.server.session.end_of_input());
  CHECK(pair.server.session.result() == HandshakeResult::closed);
}

TEST_CASE("a bit that was flipped on the way fails the session, and nothing of it is handed over") {
  const Authority ca;
  Pair pair(ca.issue(), trusting(ca));
  talk(pair.client, pair.server);
  REQUIRE(pair.client.session.send("something", pair.server.came));
  pair.server.came[9] = static_cast<char>(pair.server.came[9] ^ 1);
  talk(pair.client, pair.server);
  CHECK(pair.server.session.state() == Session::State::failed);
  CHECK(pair.server.read.empty());
}

TEST_CASE("a client refuses a server's certificate of another authority, another name, or past") {
  const Authority ca, other;
  const auto refused = [&](const Material& server, const std::string& host) {
    Pair pair(server, trusting(ca), host);
    talk(pair.client, pair.server);
    CHECK(pair.client.session.state() == Session::State::failed);
    CHECK(pair.server.session.result() == HandshakeResult::refused_by_peer);
    CHECK_FALSE(pair.client.session.why().empty());
    return pair.client.session.result();
  };
  CHECK(refused(other.issue(), "model") == HandshakeResult::certificate_untrusted);
  CHECK(refused(ca.issue(), "another") == HandshakeResult::certificate_name);
  CHECK(refused(ca.issue(), "127.0.0.2") == HandshakeResult::certificate_name);
  CHECK(refused(ca.issue({.ends_in = -1}), "model") == HandshakeResult::certificate_expired);
  CHECK(refused(ca.issue({.begins_in = 60}), "model") == HandshakeResult::certificate_expired);
}

TEST_CASE("a client takes a server's certificate for its address or a wildcard") {
  const Authority ca;
  for (const auto& [names, host] :
       {std::pair{"DNS:model,IP:127.0.0.1", "127.0.0.1"}, std::pair{"IP:::1", "::1"},
        std::pair{"DNS:*.models.svc", "price.models.svc"}}) {
    CAPTURE(host);
    Pair pair(ca.issue({.names = names}), trusting(ca), host);
    talk(pair.client, pair.server);
    CHECK(pair.client.session.is_open());
  }
}

HandshakeResult result_with_client(const Authority& ca, const Material& client,
                                   std::vector<std::string> names) {
  Pair pair(ca.issue(), client, "model", {.required = true, .names = std::move(names)});
  talk(pair.client, pair.server);
  // In TLS 1.3 the client takes itself for connected until the alert comes.
  CHECK(pair.client.session.is_open() == pair.server.session.is_open());
  return pair.server.session.result();
}

TEST_CASE("a client's certificate is required, verified, and authorised by a URI or DNS name") {
  const Authority ca, other;
  const std::string uri = "spiffe://cluster.local/ns/shop/sa/web";
  const Material web = ca.issue({.names = "URI:" + uri}),
                 web_by_dns = ca.issue({.names = "DNS:Web.shop"});
  Material stranger = other.issue({.names = "URI:" + uri});
  stranger.ca = ca.pem();
  CHECK(result_with_client(ca, trusting(ca), {}) == HandshakeResult::certificate_missing);
  CHECK(result_with_client(ca, stranger, {}) == HandshakeResult::certificate_untrusted);
  CHECK(result_with_client(ca, ca.issue({.ends_in = -1}), {}) ==
        HandshakeResult::certificate_expired);
  CHECK(result_with_client(ca, web, {}) == HandshakeResult::success);
  CHECK(result_with_client(ca, web, {"x", uri}) == HandshakeResult::success);
  CHECK(result_with_client(ca, web_by_dns, {"web.Shop"}) == HandshakeResult::success);
  CHECK(result_with_client(ca, web, {uri + "2"}) == HandshakeResult::certificate_name);
  CHECK(result_with_client(ca, web, {"spiffe://cluster.local/ns/SHOP/sa/web"}) ==
        HandshakeResult::certificate_name);
  CHECK(result_with_client(ca, web_by_dns, {uri}) == HandshakeResult::certificate_name);
  CHECK(result_with_client(ca, ca.issue({.names = "IP:127.0.0.1"}), {uri}) ==
        HandshakeResult::certificate_name);
}

TEST_CASE("a client that comes again resumes its session, also where certificates are required") {
  const Authority ca;
  for (const bool is_mutual : {false, true}) {
    CAPTURE(is_mutual);
    const auto server = server_of(ca.issue(), {.required = is_mutual, .names = {}});
    const auto client = client_of(is_mutual ? ca.issue() : trusting(ca));
    Resumption resumption;
    for (const bool is_second : {false, true}) {
      End a(client, &resumption), b(server);
      talk(a, b);
      REQUIRE(a.session.is_open());
      CHECK(a.session.was_resumed() == is_second);
      CHECK(b.session.was_resumed() == is_second);
      CHECK(resumption.get() != nullptr);
    }
  }
}

TEST_CASE("a verified certificate's URI and DNS names are told, those of a resumed session too") {
  const Authority ca;
  const std::string uri = "spiffe://cluster.local/ns/shop/sa/Web";
  const Material web = ca.issue({.names = "URI:" + uri + ",DNS:Web.shop,IP:127.0.0.1"});
  const std::vector<std::string> names = {uri, "web.shop"};
  const auto server = server_of(ca.issue(), {.required = true, .names = {}});
  const auto client = client_of(web);
  Resumption resumption;
  for (const bool is_second : {false, true}) {
    End a(client, &resumption), b(server);
    CHECK(b.session.peer_names().empty());
    talk(a, b);
    REQUIRE(b.session.is_open());
    CHECK(b.session.was_resumed() == is_second);
    CHECK(b.session.peer_names() == names);
  }
  // What nobody asks for nobody has verified.
  Pair unasked(ca.issue(), web);
  talk(unasked.client, unasked.server);
  REQUIRE(unasked.server.session.is_open());
  CHECK(unasked.server.session.peer_names().empty());
}

TEST_CASE("a DNS name that looks like a URI is no name") {
  const Authority ca;
  const auto server = server_of(ca.issue(), {.required = true, .names = {}});
  const auto client = client_of(ca.issue({.names = "DNS:spiffe://a/b,DNS:a/b,URI:web,DNS:good"}));
  End a(client), b(server);
  talk(a, b);
  REQUIRE(b.session.is_open());
  CHECK(b.session.peer_names() == std::vector<std::string>{"good"});
}

TEST_CASE("a resumed session whose client certificate has ended meanwhile is refused") {
  const Authority ca;
  const auto server = server_of(ca.issue(), {.required = true, .names = {}});
  const auto client = client_of(ca.issue({.ends_in = 1}));
  Resumption resumption;
  End first(client, &resumption), its_server(server);
  talk(first, its_server);
  REQUIRE(its_server.session.is_open());
  const std::time_t begun = std::time(nullptr);
  while (std::time(nullptr) < begun + 2) {  // OpenSSL reads the wall clock itself.
  }
  End second(client, &resumption), again(server);
  talk(second, again);
  CHECK(again.session.state() == Session::State::failed);
  CHECK(again.session.result() == HandshakeResult::certificate_expired);
}

// A client that OpenSSL lets do what ours does not.
struct WildClient {
  WildClient() : context(SSL_CTX_new(TLS_client_method())) {}
  ~WildClient() {
    SSL_free(ssl);
    SSL_CTX_free(context);
  }
  void connect() {
    ssl = SSL_new(context);
    SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
    SSL_set_connect_state(ssl);
  }
  void step(End& server) {
    BIO_write(SSL_get_rbio(ssl), server.out.data(), static_cast<int>(server.out.size()));
    server.out.clear();
    SSL_do_handshake(ssl);
    char byte;
    SSL_read(ssl, &byte, 1);
    deliver(server);
  }
  void deliver(End& server) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(SSL_get_wbio(ssl), &bytes);
    std::string_view came(bytes, static_cast<std::size_t>(size));
    char buffer[700];
    server.read.append(buffer, server.session.receive(came, buffer, server.out));
    (void)BIO_reset(SSL_get_wbio(ssl));
  }
  void shake(End& server) {
    for (int i = 0; i < 4; ++i) step(server);
  }
  SSL_CTX* context;
  SSL* ssl = nullptr;
};

TEST_CASE("TLS 1.2 is spoken, 1.1 is not, and CBC ciphers are not") {
  const Authority ca;
  const Material material = ca.issue();
  End server(server_of(material));
  WildClient client;
  SECTION("1.2") {
    SSL_CTX_set_max_proto_version(client.context, TLS1_2_VERSION);
    client.connect();
    client.shake(server);
    CHECK(server.session.is_open());
    CHECK(server.session.version() == std::string("TLSv1.2"));
  }
  SECTION("1.1") {
    SSL_CTX_set_security_level(client.context, 0);
    SSL_CTX_set_min_proto_version(client.context, TLS1_VERSION);
    SSL_CTX_set_max_proto_version(client.context, TLS1_1_VERSION);
    client.connect();
    client.shake(server);
    CHECK(server.session.result() == HandshakeResult::no_common_version);
  }
  SECTION("CBC") {
    SSL_CTX_set_max_proto_version(client.context, TLS1_2_VERSION);
    SSL_CTX_set_cipher_list(client.context, "ECDHE-ECDSA-AES128-SHA256");
    client.connect();
    client.shake(server);
    CHECK(server.session.result() == HandshakeResult::no_common_cipher);
  }
}

TEST_CASE("renegotiation is refused, and the session goes on") {
  const Authority ca;
  End server(server_of(ca.issue()));
  WildClient client;
  SSL_CTX_set_max_proto_version(client.context, TLS1_2_VERSION);
  client.connect();
  client.shake(server);
  REQUIRE(server.session.is_open());
  REQUIRE(SSL_renegotiate(client.ssl) == 1);
  SSL_do_handshake(client.ssl);
  client.deliver(server);
  CHECK_FALSE(server.out.empty());  // The no_renegotiation alert.
  CHECK(server.session.is_open());
}

TEST_CASE("a peer that asks for new keys without end is cut off at 32 KiB of answers") {
  const Authority ca;
  End server(server_of(ca.issue()));
  WildClient client;
  client.connect();
  client.shake(server);
  REQUIRE(server.session.is_open());
  std::size_t answered = 0;
  for (int i = 0; i < 10'000 && server.session.is_open(); ++i) {
    SSL_key_update(client.ssl, SSL_KEY_UPDATE_REQUESTED);
    SSL_do_handshake(client.ssl);
    client.step(server);
    answered += server.out.size();
  }
  CHECK(server.session.state() == Session::State::failed);
  CHECK(answered > (32 << 10) - 100);
  CHECK(answered < (32 << 10) + 100);
}

TEST_CASE("a client that speaks other protocols alone is told so, one without ALPN is served") {
  const Authority ca;
  for (const auto& [offered, wanted] :
       {std::pair{std::string("\x02h2"), HandshakeResult::no_application_protocol},
        std::pair{std::string("\x02h2\x08http/1.1"), HandshakeResult::success},
        std::pair{std::string(), HandshakeResult::success}}) {
    End server(server_of(ca.issue()));
    WildClient client;
    if (!offered.empty())
      SSL_CTX_set_alpn_protos(client.context,
                              reinterpret_cast<const unsigned char*>(offered.data()),
                              static_cast<unsigned>(offered.size()));
    client.connect();
    client.shake(server);
    CHECK(server.session.result() == wanted);
  }
}

TEST_CASE("which HTTP is spoken is what the server likes best of what the client offers") {
  const Authority ca;
  const std::string both("\x02h2\x08http/1.1"), http2_alone("\x02h2");
  for (const auto& [alpn, offered, is_http2] :
       {std::tuple(Alpn::http2_first, both, true), std::tuple(Alpn::http1_first, both, false),
        std::tuple(Alpn::http1_first, http2_alone, true), std::tuple(Alpn::http1, both, false)}) {
    auto context = Context::server(ca.issue(), {}, alpn);
    REQUIRE(context);
    End server(*context);
    WildClient client;
    SSL_CTX_set_alpn_protos(client.context, reinterpret_cast<const unsigned char*>(offered.data()),
                            static_cast<unsigned>(offered.size()));
    client.connect();
    client.shake(server);
    REQUIRE(server.session.is_open());
    CHECK(server.session.has_agreed_on_http2() == is_http2);
  }
}

TEST_CASE("a client offers the one HTTP that it was made for, and knows what was agreed on") {
  const Authority ca;
  for (const auto& [alpn, offer, is_http2] :
       {std::tuple(Alpn::http1_first, Session::Offer::http2, true),
        std::tuple(Alpn::http2_first, Session::Offer::http1, false)}) {
    auto context = Context::server(ca.issue(), {}, alpn);
    REQUIRE(context);
    End server(*context), client(client_of(trusting(ca)), nullptr, offer);
    talk(client, server);
    REQUIRE(client.session.is_open());
    CHECK(client.session.has_agreed_on_http2() == is_http2);
  }
  End server(server_of(ca.issue())),
      client(client_of(trusting(ca)), nullptr, Session::Offer::http2);
  talk(client, server);
  CHECK(client.session.result() == HandshakeResult::no_application_protocol);
}

TEST_CASE("plain HTTP and noise are named, at their first bytes") {
  const Authority ca;
  const auto result_of = [&](std::string_view came) {
    End server(server_of(ca.issue()));
    char buffer[16];
    CHECK(server.session.receive(came, buffer, server.out) == 0);
    CHECK(server.session.state() == Session::State::failed);
    return server.session.result();
  };
  CHECK(result_of("GET / HTTP/1.1\r\n\r\n") == HandshakeResult::plain_http);
  CHECK(result_of("POST / HTTP/1.1\r\n\r\n") == HandshakeResult::plain_http);
  CHECK(result_of(random_bytes(100)) == HandshakeResult::protocol_error);
}

TEST_CASE("a context is refused with what is wrong in which file") {
  const Authority ca;
  const Material good = ca.issue(), other = ca.issue();
  const auto error_of = [](Material material, bool required = false) {
    auto made = Context::server(material, {.required = required, .names = {}});
    REQUIRE_FALSE(made);
    return std::string(made.error().code);
  };
  CHECK(error_of({good.certificates, other.key, ""}) == "key_mismatch");
  CHECK(error_of({"", good.key, ""}) == "bad_certificate");
  CHECK(error_of({good.certificates.substr(0, 200), good.key, ""}) == "bad_certificate");
  CHECK(error_of({good.certificates, "", ""}) == "bad_key");
  CHECK(error_of({good.certificates, good.key, ""}, true) == "bad_ca");
  CHECK(error_of({good.certificates, good.key, "x"}, true) == "bad_ca");
}

TEST_CASE("a context knows when the first of its certificates ends") {
  const Authority ca;
  const Material early = ca.issue({.ends_in = 100}), late = ca.issue({.ends_in = 5000});
  const auto seconds_left = [](const Context& context) {
    return std::chrono::duration<double>(context.expires_at() - std::chrono::system_clock::now())
        .count();
  };
  CHECK(std::abs(seconds_left(*server_of(late)) - 5000) < 5);
  Material chain = late;
  chain.certificates += early.certificates;
  CHECK(std::abs(seconds_left(*server_of(chain)) - 100) < 5);
  CHECK(client_of(trusting(ca))->expires_at() == Time());
}

}  // namespace
}  // namespace outrider::tls
