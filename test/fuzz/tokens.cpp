// SPDX-License-Identifier: Apache-2.0
// A tokens file and the Authorization field of a request, in one input: the first line is the
// field. Whatever the bytes: what is read of the file is whole, and nobody is let in but by the
// port's own token, or by a password that was asked for and found right.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/digest.h"
#include "base/web/guard.h"
#include "test/fuzz/require.h"

using namespace outrider;
using fuzz::require;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const std::size_t end = std::min(input.find('\n'), input.size());
  const std::string field(input.substr(0, end));
  const std::string text(input.substr(std::min(end + 1, input.size())));

  const auto tokens = web::parse_tokens("fuzz", text, [](const std::string& path) {
    return Result<std::string>("the token in " + path);
  });
  if (tokens) {
    require(!tokens->empty() && tokens->size() <= web::tokens_max, "a file has tokens");
    for (const web::Token& token : *tokens) {
      require(!token.name.empty() && !token.roles.empty(), "a token has a name and a role");
      const int known_by = (token.digest ? 1 : 0) + !token.user.empty() + !token.san.empty();
      require(known_by == 1, "an entry is of a token, a person or a certificate");
    }
    const web::Token* shown = web::find_certificate(*tokens, {field, "web.shop"});
    require(shown == nullptr || shown->san == field || shown->san == "web.shop",
            "a certificate is known by a whole name");
    if (const web::Token* found = web::find_token(*tokens, field)) {
      Sha256 digest;
      digest.update(field);
      require(digest.bytes() == found->digest, "a token is known by its digest");
    }
  } else {
    require(!tokens.error().message.empty(), "a refusal says why");
  }

  bool right_password = false;
  web::Guard guard({.port = "fuzz",
                    .single_token = "the-ports-own",
                    .passwords = [&](std::string_view user, std::string_view password) {
                      right_password = user == "u" && password == "p";
                      return right_password;
                    }});
  net::HttpRequest request;
  request.method = "POST";
  request.path = "/api/v1/labels";
  request.headers = {{"Authorization", field}};
  const auto refused = guard.refuse(request, {.role = net::Role::label});
  const bool has_token = field.find("the-ports-own") != std::string::npos;
  require(refused || right_password || has_token, "nobody is let in without a reason");
  require(!refused || refused->status == 401, "who is unknown is asked who he is");
  return 0;
}
