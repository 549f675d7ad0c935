// SPDX-License-Identifier: Apache-2.0
#include "base/web/guard.h"

#include <spdlog/spdlog.h>

#include <utility>

#include "base/core/enum_names.h"
#include "base/core/text.h"

namespace outrider::web {
namespace {

using net::HttpRequest;
using net::HttpResponse;
using net::Needs;
using net::Role;

constexpr std::string_view reason_words[Guard::reason_count] = {
    "no_credentials", "unknown_token", "wrong_password", "missing_role", "out_of_scope"};

// "dXNlcjpwYXNz" taken apart.
std::string base64_decode(std::string_view text) {
  std::string decoded;
  unsigned bits = 0, count = 0;
  for (const char c : text) {
    unsigned value = 0;
    if (c >= 'A' && c <= 'Z')
      value = static_cast<unsigned>(c - 'A');
    else if (c >= 'a' && c <= 'z')
      value = static_cast<unsigned>(c - 'a') + 26;
    else if (c >= '0' && c <= '9')
      value = static_cast<unsigned>(c - '0') + 52;
    else if (c == '+')
      value = 62;
    else if (c == '/')
      value = 63;
    else
      break;
    bits = (bits << 6) | value;
    if ((count += 6) >= 8) {
      count -= 8;
      decoded += static_cast<char>((bits >> count) & 0xFF);
    }
  }
  return decoded;
}

// What follows the scheme's name; nothing where the field is of another scheme.
std::optional<std::string_view> credentials_of(std::string_view field, std::string_view scheme) {
  if (field.size() <= scheme.size() || field[scheme.size()] != ' ' ||
      !iequals_ascii(field.substr(0, scheme.size()), scheme))
    return std::nullopt;
  return trim(field.substr(scheme.size() + 1));
}

std::string join(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string roles_of(const Token& token) {
  std::string words;
  for (const Role role : token.roles)
    words += (words.empty() ? "" : ", ") + std::string(to_string(role));
  return words;
}

std::string limits_of(const net::Scope& scope) {
  const auto listed = [](const char* what, const std::vector<std::string>& names) {
    return names.empty() ? "" : what + join(names);
  };
  std::string all;
  for (const std::string& one :
       {listed("clusters ", scope.clusters), listed("namespaces ", scope.namespaces),
        listed("workloads ", scope.workloads), listed("models ", scope.models)}) {
    if (!one.empty()) all += (all.empty() ? "" : " and ") + one;
  }
  return all;
}

}  // namespace

Guard::Guard(Settings settings)
    : settings_(std::move(settings)),
      tokens_(settings_.tokens_file.empty() ? nullptr
                                            : std::make_unique<Tokens>(settings_.tokens_file)) {}

bool Guard::is_open() const {
  return !tokens_ && settings_.single_token.empty() && !settings_.passwords &&
         settings_.proxy.header.empty();
}

std::optional<HttpResponse> Guard::refuse(HttpRequest& request, const Needs& needs) {
  if (is_open() || !needs.role) return std::nullopt;
  const bool is_read = request.method == "GET" || request.method == "HEAD";
  if (request.path.starts_with("/-/") && (is_read || !tokens_)) return std::nullopt;

  const auto user = settings_.proxy.user_of(request);
  if (!user) return unauthorised(Reason::no_credentials, user.error().message);
  if (*user) return judge_user(request, needs, **user);

  const bool asks_readers = tokens_ || settings_.passwords || !settings_.proxy.header.empty() ||
                            !settings_.reading_is_open;
  if (!asks_readers && *needs.role == Role::read) return std::nullopt;

  const std::string_view field = request.header("Authorization");
  if (const auto basic = credentials_of(field, "Basic"); basic && settings_.passwords) {
    const std::string pair = base64_decode(*basic);
    const std::size_t colon = pair.find(':');
    const std::string_view view = pair;
    if (colon != std::string::npos &&
        settings_.passwords(view.substr(0, colon), view.substr(colon + 1))) {
      request.caller = request.user = view.substr(0, colon);
      return std::nullopt;
    }
    return unauthorised(Reason::wrong_password, "the user name or password is wrong");
  }
  const Tokens::List list = tokens_ ? tokens_->get() : nullptr;
  if (field.empty() && list) {
    if (const Token* token = find_certificate(*list, request.certificate_names)) {
      request.caller = token->name;
      return judge(request, needs, *token, "the certificate " + token->name);
    }
  }
  const auto bearer = credentials_of(field, "Bearer");
  if (!bearer || (!tokens_ && settings_.single_token.empty())) {
    const std::string names = join(request.certificate_names);
    return unauthorised(
        Reason::no_credentials,
        "this listener wants " + wanted() + " in the Authorization header" +
            (list && !names.empty() ? "; under san, its tokens file has none of the names of the "
                                      "client's certificate: " +
                                          names
                                    : ""));
  }
  if (!settings_.single_token.empty() &&
      net::equal_in_constant_time(*bearer, settings_.single_token)) {
    request.caller = "the port's token";
    return std::nullopt;
  }
  const Token* token = list ? find_token(*list, *bearer) : nullptr;
  if (token == nullptr)
    return unauthorised(Reason::unknown_token, "the token is none that this listener knows");
  request.caller = token->name;
  return judge(request, needs, *token, "the token " + token->name);
}

std::optional<HttpResponse> Guard::judge_user(HttpRequest& request, const Needs& needs,
                                              const std::string& user) {
  request.caller = request.user = user;
  if (!tokens_) return std::nullopt;
  const Tokens::List list = tokens_->get();
  const Token* token = find_user(*list, user);
  if (token != nullptr) return judge(request, needs, *token, "the user " + user);
  return forbidden(Reason::missing_role, "missing_role",
                   request.method + " " + request.path + " needs the role " +
                       std::string(to_string(*needs.role)) + "; the user " + user +
                       " has none: name him in the tokens file, under user");
}

std::optional<HttpResponse> Guard::judge(HttpRequest& request, const Needs& needs,
                                         const Token& token, const std::string& who) {
  const std::string what = request.method + " " + request.path;
  if (!token.may(*needs.role)) {
    return forbidden(Reason::missing_role, "missing_role",
                     what + " needs the role " + std::string(to_string(*needs.role)) + "; " + who +
                         " has " + roles_of(token));
  }
  request.roles = std::make_shared<const std::vector<Role>>(token.roles);
  if (!token.scope.is_limited()) return std::nullopt;
  if (needs.handler_checks_scope) {
    request.scope = std::make_shared<const net::Scope>(token.scope);
    return std::nullopt;
  }
  const Subject subject = settings_.subject();
  if (token.scope.covers(subject.name_space, subject.model)) return std::nullopt;
  const auto named = [](const char* kind, const std::string& name) {
    return std::string(kind) + " " + (name.empty() ? "(unknown here)" : name);
  };
  return forbidden(Reason::out_of_scope, "out_of_scope",
                   what + " is about " + named("namespace", subject.name_space) + " and " +
                       named("model", subject.model) + "; " + who + " is limited to " +
                       limits_of(token.scope));
}

std::string Guard::wanted() const {
  const bool has_token = tokens_ || !settings_.single_token.empty();
  if (!has_token && !settings_.passwords)
    return "the proxy that names the person (--web.trusted-proxies), or a bearer token";
  if (!has_token) return "a user name and password";
  return settings_.passwords ? "a bearer token, or a user name and password," : "a bearer token";
}

HttpResponse Guard::unauthorised(Reason reason, const std::string& what) {
  refused_[static_cast<std::size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  HttpResponse response = net::error_response(401, "unauthorized", what);
  if (tokens_ || !settings_.single_token.empty())
    response.headers.push_back({"WWW-Authenticate", "Bearer realm=\"outrider\""});
  if (settings_.passwords)
    response.headers.push_back({"WWW-Authenticate", "Basic realm=\"outrider\""});
  return response;
}

HttpResponse Guard::forbidden(Reason reason, std::string_view code, const std::string& message) {
  refused_[static_cast<std::size_t>(reason)].fetch_add(1, std::memory_order_relaxed);
  spdlog::warn("{} port: {}", settings_.port, message);
  return net::error_response(403, code, message);
}

std::array<std::uint64_t, Guard::reason_count> Guard::refused() const {
  std::array<std::uint64_t, reason_count> counts{};
  for (std::size_t i = 0; i < counts.size(); ++i)
    counts[i] = refused_[i].load(std::memory_order_relaxed);
  return counts;
}

void GuardMetrics::collect(wire::MetricSink& sink) {
  bool any = false, any_tokens = false;
  for (const auto& guard : guards_) {
    any = any || !guard->is_open();
    any_tokens = any_tokens || guard->tokens() != nullptr;
  }
  if (!any) return;
  sink.family(
      {"outrider_http_requests_refused_total", wire::MetricType::counter,
       "Requests that brought no credentials, unknown ones, or too few rights, by reason."});
  for (const auto& guard : guards_) {
    if (guard->is_open()) continue;
    const auto counts = guard->refused();
    for (std::size_t i = 0; i < counts.size(); ++i)
      sink.value(
          wire::SeriesKey({{"port", guard->port()}, {"reason", std::string(reason_words[i])}}),
          static_cast<double>(counts[i]));
  }
  if (!any_tokens) return;
  sink.family({"outrider_tokens_reloads_total", wire::MetricType::counter,
               "Changes of the tokens' files; after a failure the old ones stay in force."});
  for (const auto& guard : guards_) {
    if (guard->tokens() == nullptr) continue;
    for (const bool good : {true, false}) {
      sink.value(
          wire::SeriesKey({{"port", guard->port()}, {"result", good ? "success" : "failure"}}),
          static_cast<double>(good ? guard->tokens()->reloads()
                                   : guard->tokens()->reload_failures()));
    }
  }
}

}  // namespace outrider::web
