// SPDX-License-Identifier: Apache-2.0
#pragma once

// Bearer tokens and what each may do: a YAML file, read again when it or a file that it names
// changes.
//
//   tokens:
//     - name: warehouse
//       sha256: 3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b
//       roles: [label]
//       models: [house-prices]          # absent: all; namespaces, clusters, workloads likewise
//     - name: agent
//       token_file: /run/secrets/agent  # the token itself, as another program is given it
//       roles: [read, write]
//     - name: on-call
//       user: ada@example.com           # instead of a token: whom an authenticating proxy names so
//       roles: [read, approve]          # (trusted_proxy.h); "*": everybody else that it names
//     - name: prometheus
//       san: spiffe://cluster.local/ns/monitoring/sa/prometheus   # instead: whose certificate has
//       roles: [read]                   # this URI or DNS name, at a port that requires one
//
// Of tokens nothing but their digests is kept. They are random and long, so the digest needs no
// salt and no slow function; a password does (basic_auth_users).
//
// Tokens: SHELL, thread-safe. parse_tokens: PURE, but for the token files that it reads by `read`.

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"
#include "base/net/access.h"

namespace outrider::web {

struct Token {
  std::string name;
  // Of these three it has one.
  std::string user = {};                               // A person of this name.
  std::string san = {};                                // A certificate of this name.
  std::optional<std::array<std::uint8_t, 32>> digest;  // SHA-256 of the token.
  std::vector<net::Role> roles;
  net::Scope scope;

  // `administer` stands for every role.
  bool may(net::Role role) const;
};

inline constexpr std::size_t tokens_max = 1'000;
inline constexpr std::size_t token_bytes_min =
    16;  // Of a token_file: a shorter one can be guessed.

// What a file's text says, all mistakes at once. Errors: "bad_config", those of `read`.
using ReadFile = std::function<Result<std::string>(const std::string& path)>;
Result<std::vector<Token>> parse_tokens(const std::string& file, const std::string& text,
                                        const ReadFile& read);

// The one that the presented text is; compares with every token, in a time that does not depend on
// which it is. nullptr: none. O(tokens).
const Token* find_token(const std::vector<Token>& tokens, std::string_view presented);

// What stands there for the person, or else for "*". nullptr: nothing. O(tokens).
const Token* find_user(const std::vector<Token>& tokens, std::string_view user);

// What stands there for a certificate of these names; the first of the file, where there are
// several. nullptr: nothing. O(tokens x names).
const Token* find_certificate(const std::vector<Token>& tokens,
                              const std::vector<std::string>& names);

class Tokens {
 public:
  using List = std::shared_ptr<const std::vector<Token>>;

  // Throws std::runtime_error: the file's mistakes.
  explicit Tokens(std::string file);
  // Those in force. Looks at the files at most once a second; where they have changed and cannot be
  // used, the old tokens stay in force, and the log says why.
  List get();
  std::uint64_t reloads() const;
  std::uint64_t reload_failures() const;

 private:
  Result<List> load();
  std::string fingerprint() const;

  const std::string file_;
  mutable std::mutex lock_;
  List tokens_;
  std::vector<std::string> files_;  // That the last text named.
  std::string loaded_;              // The fingerprint of what was tried last.
  std::int64_t looked_ms_ = 0;
  std::uint64_t reloads_ = 0, reload_failures_ = 0;
};

}  // namespace outrider::web
