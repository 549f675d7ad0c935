// SPDX-License-Identifier: Apache-2.0
#include "base/web/tokens.h"

#include <openssl/crypto.h>
#include <spdlog/spdlog.h>
#include <sys/stat.h>

#include <algorithm>
#include <chrono>
#include <set>
#include <stdexcept>
#include <utility>

#include "base/config/yaml.h"
#include "base/core/digest.h"
#include "base/core/text.h"
#include "base/web/client_options.h"

namespace outrider::web {
namespace {

using net::Role;

constexpr std::size_t file_bytes_max = 1 << 20;
constexpr std::int64_t look_every_ms = 1000;

std::array<std::uint8_t, 32> digest_of(std::string_view token) {
  Sha256 digest;
  digest.update(token);
  return digest.bytes();
}

std::optional<std::array<std::uint8_t, 32>> parse_digest(std::string_view hex) {
  std::array<std::uint8_t, 32> bytes{};
  if (hex.size() != 2 * bytes.size()) return std::nullopt;
  for (std::size_t i = 0; i < hex.size(); ++i) {
    const char c = hex[i];
    unsigned digit = 0;
    if (c >= '0' && c <= '9')
      digit = static_cast<unsigned>(c - '0');
    else if (c >= 'a' && c <= 'f')
      digit = static_cast<unsigned>(c - 'a') + 10;
    else if (c >= 'A' && c <= 'F')
      digit = static_cast<unsigned>(c - 'A') + 10;
    else
      return std::nullopt;
    bytes[i / 2] = static_cast<std::uint8_t>(bytes[i / 2] << 4 | digit);
  }
  return bytes;
}

class Parser {
 public:
  Parser(const std::string& file, const ReadFile& read) : reader_(file), read_(read) {}

  Result<std::vector<Token>> parse(const std::string& text) {
    const config::Yaml root = reader_.parse(text);
    reader_.only_keys(root, {"tokens"});
    const auto items = reader_.items(root, "tokens");
    if (items.empty()) reader_.mistake(root, "expected tokens: a list of at least one");
    if (items.size() > tokens_max)
      reader_.mistake(root, "more than " + std::to_string(tokens_max) + " tokens");
    std::vector<Token> tokens;
    for (const config::Yaml& item : items) tokens.push_back(token(item));
    if (auto ok = reader_.finish(); !ok) return fail(ok);
    return tokens;
  }

 private:
  Token token(const config::Yaml& item) {
    reader_.only_keys(item, {"name", "sha256", "token_file", "user", "san", "roles", "namespaces",
                             "models", "clusters", "workloads"});
    Token made;
    made.name = reader_.text(item, "name").value_or("");
    if (made.name.empty()) {
      reader_.mistake(item, "expected a name, by which refusals and the log call the token");
    } else if (!names_.insert(made.name).second) {
      reader_.mistake(item, "the name " + made.name + " is used twice");
    }
    read_bearer(item, made);
    if (made.digest && !digests_.insert(*made.digest).second)
      reader_.mistake(item, "the same token twice");
    for (const std::string& word : reader_.texts(item, "roles")) {
      const auto role = parse_enum_name(net::role_names, word);
      if (role) {
        made.roles.push_back(*role);
      } else {
        reader_.mistake(item,
                        "role " + word + ": expected read, label, write, approve or administer");
      }
    }
    if (made.roles.empty()) reader_.mistake(item, "expected roles: without one it may do nothing");
    made.scope.namespaces = limit(item, "namespaces");
    made.scope.models = limit(item, "models");
    made.scope.clusters = limit(item, "clusters");
    made.scope.workloads = limit(item, "workloads");
    return made;
  }

  // By what it is known: a token, a person or a certificate.
  void read_bearer(const config::Yaml& item, Token& made) {
    std::vector<std::string> given;
    for (const char* key : {"sha256", "token_file", "user", "san"}) {
      if (reader_.child(item, key).node.IsDefined()) given.emplace_back(key);
    }
    if (given.size() != 1)
      return reader_.mistake(item, "expected one of sha256, token_file, user and san");
    const std::string value = reader_.text(item, given.front()).value_or("");
    if (given.front() == "user") {
      made.user = value;
      if (value.empty())
        reader_.mistake(item, "user: expected the name that the proxy gives, or \"*\" for all");
    } else if (given.front() == "san") {
      made.san = san(item, value);
    } else {
      made.digest = digest(item, given.front(), value);
    }
    const bool is_named = !made.user.empty() || !made.san.empty();
    if (is_named && !bearers_.insert(given.front() + " " + made.user + made.san).second)
      reader_.mistake(item, given.front() + " " + value + " stands there twice");
  }

  // As tls::alternative_names has it: a URI as it is, a DNS name in lower case.
  std::string san(const config::Yaml& item, const std::string& value) {
    const bool is_uri = value.find("://") != std::string::npos;
    const bool is_name =
        !value.empty() && value.find_first_of(is_uri ? " \t" : " \t:/") == std::string::npos;
    if (!is_name) {
      reader_.mistake(item,
                      "san: expected a URI such as spiffe://cluster.local/ns/shop/sa/web, or "
                      "a DNS name, as the certificate has it");
    }
    return is_uri ? value : lower_ascii(value);
  }

  // An empty list would be taken for no limit.
  std::vector<std::string> limit(const config::Yaml& item, std::string_view key) {
    auto names = reader_.texts(item, key);
    if (reader_.child(item, key).node.IsDefined() && names.empty())
      reader_.mistake(item, std::string(key) + ": expected names; leave it out for all");
    return names;
  }

  std::optional<std::array<std::uint8_t, 32>> digest(const config::Yaml& item,
                                                     const std::string& key,
                                                     const std::string& value) {
    if (key == "sha256") {
      const auto bytes = parse_digest(value);
      if (!bytes) {
        reader_.mistake(item,
                        "sha256: expected 64 hexadecimal digits, as `printf %s \"$TOKEN\" | "
                        "sha256sum` prints them");
      }
      return bytes;
    }
    const auto token = read_(value);
    if (!token) {
      reader_.mistake(item, "token_file: " + token.error().message);
    } else if (token->size() < token_bytes_min) {
      reader_.mistake(item, "token_file: " + value + ": expected at least " +
                                std::to_string(token_bytes_min) +
                                " characters, as a shorter token can be guessed");
    } else {
      return digest_of(*token);
    }
    return std::nullopt;
  }

  config::YamlReader reader_;
  const ReadFile& read_;
  std::set<std::string> names_, bearers_;
  std::set<std::array<std::uint8_t, 32>> digests_;
};

std::int64_t steady_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

}  // namespace

bool Token::may(Role role) const {
  for (const Role own : roles)
    if (own == role || own == Role::administer) return true;
  return false;
}

Result<std::vector<Token>> parse_tokens(const std::string& file, const std::string& text,
                                        const ReadFile& read) {
  return Parser(file, read).parse(text);
}

const Token* find_token(const std::vector<Token>& tokens, std::string_view presented) {
  const auto digest = digest_of(presented);
  const Token* found = nullptr;
  for (const Token& token : tokens) {
    if (token.digest && CRYPTO_memcmp(token.digest->data(), digest.data(), digest.size()) == 0)
      found = &token;
  }
  return found;
}

const Token* find_user(const std::vector<Token>& tokens, std::string_view user) {
  const Token* found = nullptr;
  for (const Token& token : tokens) {
    if (token.user == user) return &token;
    if (token.user == "*") found = &token;
  }
  return found;
}

const Token* find_certificate(const std::vector<Token>& tokens,
                              const std::vector<std::string>& names) {
  for (const Token& token : tokens) {
    if (!token.san.empty() && std::find(names.begin(), names.end(), token.san) != names.end())
      return &token;
  }
  return nullptr;
}

Tokens::Tokens(std::string file) : file_(std::move(file)) {
  auto loaded = load();
  if (!loaded) throw std::runtime_error(loaded.error().message);
  tokens_ = std::move(*loaded);
  looked_ms_ = steady_ms();
}

std::string Tokens::fingerprint() const {
  std::string text;
  const auto add = [&text](const std::string& path) {
    struct stat found {};
    if (::stat(path.c_str(), &found) != 0) {
      text += "none;";
      return;
    }
    for (const long long part :
         {static_cast<long long>(found.st_ino), static_cast<long long>(found.st_size),
          static_cast<long long>(found.st_mtim.tv_sec),
          static_cast<long long>(found.st_mtim.tv_nsec),
          static_cast<long long>(found.st_ctim.tv_nsec)})
      text += std::to_string(part) + ",";
    text += ';';
  };
  add(file_);
  for (const std::string& path : files_) add(path);
  return text;
}

Result<Tokens::List> Tokens::load() {
  const auto text = config::read_file(file_, file_bytes_max);
  if (!text) return fail(text);
  std::vector<std::string> files;
  auto tokens = parse_tokens(file_, *text, [&files](const std::string& path) {
    files.push_back(path);
    return read_token(path);
  });
  files_ = std::move(files);
  loaded_ = fingerprint();
  if (!tokens) return fail(tokens);
  return std::make_shared<const std::vector<Token>>(std::move(*tokens));
}

Tokens::List Tokens::get() {
  const std::lock_guard hold(lock_);
  const std::int64_t now = steady_ms();
  if (now - looked_ms_ < look_every_ms) return tokens_;
  looked_ms_ = now;
  if (fingerprint() == loaded_) return tokens_;
  auto loaded = load();
  if (loaded) {
    tokens_ = std::move(*loaded);
    ++reloads_;
    spdlog::info("tokens of {} were read again: {}", file_, tokens_->size());
  } else {
    ++reload_failures_;
    loaded_ = fingerprint();
    spdlog::error("tokens of {} have changed and cannot be used; the old ones stay in force: {}",
                  file_, loaded.error().message);
  }
  return tokens_;
}

std::uint64_t Tokens::reloads() const {
  const std::lock_guard hold(lock_);
  return reloads_;
}

std::uint64_t Tokens::reload_failures() const {
  const std::lock_guard hold(lock_);
  return reload_failures_;
}

}  // namespace outrider::web
