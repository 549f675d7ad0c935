// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who is let in at a port: by a token with roles, by the one token of the port, by user name and
// password, because an authenticating proxy names the person, or by a name of the certificate that
// it has shown, where no Authorization header says anything else. SHELL.
//
//   auto guard = std::make_shared<Guard>(Guard::Settings{.port = "admin", .tokens_file = file});
//   HttpServer server({.listen_address = …, .guard = guard}, router);
//
// Without any of them everybody may do everything. With one, a request that brings nothing, or
// something unknown, is answered 401; one whose token lacks the route's role, or is limited to
// other namespaces or models, 403, and the message names what is missing. A user with a password
// and the port's one token may do everything, and so may whom the proxy names; where there are
// tokens with roles, their file says what that person may do. GET below /-/ is open, for probes; so
// is the rest below it where there are no tokens with roles.
//
// A token's limits: where the route's handler knows whom a request is about, it decides
// (Needs::handler_checks_scope); elsewhere a port is about one namespace and one model as a whole,
// and what it does not know lies outside of every limit.
//
// Thread-safe.

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/net/access.h"
#include "base/net/http_server.h"
#include "base/web/passwords.h"
#include "base/web/tokens.h"
#include "base/web/trusted_proxy.h"
#include "base/wire/exposition.h"

namespace outrider::web {

class Guard final : public net::Guard {
 public:
  // What a port is about; "": it does not know.
  struct Subject {
    std::string name_space, model;
  };
  struct Settings {
    std::string port;               // The label `port`.
    std::string tokens_file = "";   // "": no tokens with roles.
    std::string single_token = "";  // "": none. It may do everything.
    Passwords passwords = {};       // None: nobody has one.
    TrustedProxy proxy = {};        // None: no header is believed.
    // Where there are neither tokens with roles nor passwords, who only reads is not asked.
    bool reading_is_open = false;
    std::function<Subject()> subject = [] { return Subject(); };
  };
  // Throws std::runtime_error: the tokens' mistakes.
  explicit Guard(Settings settings);

  std::optional<net::HttpResponse> refuse(net::HttpRequest& request,
                                          const net::Needs& needs) override;
  bool is_open() const;  // Nobody is asked who he is.

  enum class Reason : std::uint8_t {
    no_credentials,
    unknown_token,
    wrong_password,
    missing_role,
    out_of_scope
  };
  static constexpr std::size_t reason_count = 5;
  const std::string& port() const { return settings_.port; }
  std::array<std::uint64_t, reason_count> refused() const;  // By Reason.
  const Tokens* tokens() const { return tokens_.get(); }

 private:
  std::optional<net::HttpResponse> judge(net::HttpRequest& request, const net::Needs& needs,
                                         const Token& token, const std::string& who);
  std::optional<net::HttpResponse> judge_user(net::HttpRequest& request, const net::Needs& needs,
                                              const std::string& user);
  net::HttpResponse unauthorised(Reason reason, const std::string& what);
  net::HttpResponse forbidden(Reason reason, std::string_view code, const std::string& message);
  std::string wanted() const;

  const Settings settings_;
  const std::unique_ptr<Tokens> tokens_;
  std::array<std::atomic<std::uint64_t>, reason_count> refused_{};
};

// outrider_http_requests_refused_total and outrider_tokens_reloads_total, of all ports of a
// program. What asks nobody has no series.
class GuardMetrics final : public wire::Collector {
 public:
  void add(std::shared_ptr<const Guard> guard) { guards_.push_back(std::move(guard)); }
  void collect(wire::MetricSink& sink) override;

 private:
  std::vector<std::shared_ptr<const Guard>> guards_;
};

}  // namespace outrider::web
