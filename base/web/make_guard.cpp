// SPDX-License-Identifier: Apache-2.0
#include "base/web/make_guard.h"

#include <stdexcept>

#include "base/config/yaml.h"
#include "base/core/text.h"
#include "base/web/client_options.h"

namespace outrider::web {
namespace {

// Where Kubernetes writes it; "" elsewhere.
constexpr char namespace_file[] = "/var/run/secrets/kubernetes.io/serviceaccount/namespace";

template <class T>
T value_or_throw(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().message);
  return std::move(*result);
}

std::string namespace_of(const AccessOptions& options) {
  if (!options.name_space.empty()) return options.name_space;
  const auto text = config::read_file(namespace_file, 1024);
  return text ? std::string(trim(*text)) : "";
}

}  // namespace

std::shared_ptr<Guard> make_guard(const AccessOptions& options, const Door& door) {
  Guard::Settings settings{.port = door.port,
                           .tokens_file = options.tokens_file,
                           .reading_is_open = door.reading_is_open};
  if (!door.single_token_file.empty())
    settings.single_token = value_or_throw(read_token(door.single_token_file));
  if (door.with_passwords) settings.passwords = value_or_throw(read_passwords(options.config_file));
  settings.proxy = value_or_throw(parse_trusted_proxy(options.user_header, options.proxies));
  settings.subject = [name_space = namespace_of(options), model = door.model] {
    return Guard::Subject{name_space, model()};
  };
  return std::make_shared<Guard>(std::move(settings));
}

}  // namespace outrider::web
