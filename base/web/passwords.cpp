// SPDX-License-Identifier: Apache-2.0
#include "base/web/passwords.h"

#include <crypt.h>

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>

#include "base/config/yaml.h"

namespace outrider::web {
namespace {

using Users = std::map<std::string, std::string, std::less<>>;

// In time that depends on the lengths alone.
bool equal(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  unsigned char difference = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference = static_cast<unsigned char>(difference | (a[i] ^ b[i]));
  }
  return difference == 0;
}

bool check_bcrypt(const std::string& password, const std::string& hash) {
  auto data = std::make_unique<crypt_data>();
  const char* made = crypt_r(password.c_str(), hash.c_str(), data.get());
  return made && equal(made, hash);
}

// bcrypt is slow by design, and Prometheus comes every few seconds with the same password: what was
// right once is remembered, up to a bound.
class PasswordCheck {
 public:
  explicit PasswordCheck(Users users) : users_(std::move(users)) {}

  bool operator()(std::string_view user, std::string_view password) {
    constexpr std::size_t remembered_max = 128;
    const auto found = users_.find(user);
    const std::string key = std::string(user) + '\0' + std::string(password);
    {
      const std::lock_guard hold(lock_);
      if (found != users_.end() && right_.contains(key)) return true;
    }
    // An unknown user costs as much as a wrong password, so that nobody learns which users there
    // are.
    const std::string& hash = found != users_.end() ? found->second : users_.begin()->second;
    const bool matches = check_bcrypt(std::string(password), hash);
    if (found == users_.end() || !matches) return false;
    const std::lock_guard hold(lock_);
    if (right_.size() >= remembered_max) right_.clear();
    right_.insert(key);
    return true;
  }

 private:
  const Users users_;
  std::mutex lock_;
  std::set<std::string> right_;
};

}  // namespace

Result<Passwords> read_passwords(const std::string& file) {
  if (file.empty()) return Passwords();
  const auto text = config::read_file(file, 1 << 20);
  if (!text) return fail(text);
  config::YamlReader reader(file);
  const config::Yaml root = reader.parse(*text);
  reader.only_keys(root, {"tls_server_config", "basic_auth_users"});
  const config::Yaml tls = reader.child(root, "tls_server_config");
  if (tls.node.IsDefined()) {
    reader.mistake(tls,
                   "this port's TLS is not set here: give --web.tls-cert-dir a directory with "
                   "tls.crt, tls.key and ca.crt");
  }
  Users users;
  for (const auto& [user, value] : reader.entries(reader.child(root, "basic_auth_users"))) {
    const std::string hash = value.node.IsScalar() ? value.node.Scalar() : "";
    if (hash.size() != 60 || !hash.starts_with("$2")) {
      reader.mistake(value, "expected a bcrypt hash such as $2y$10$…");
    }
    users.emplace(user, hash);
  }
  if (auto ok = reader.finish(); !ok) return fail(ok);
  if (users.empty()) return Passwords();
  return Passwords(
      [check = std::make_shared<PasswordCheck>(std::move(users))](
          std::string_view user, std::string_view password) { return (*check)(user, password); });
}

}  // namespace outrider::web
