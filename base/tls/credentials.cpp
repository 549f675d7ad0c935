// SPDX-License-Identifier: Apache-2.0
#include "base/tls/credentials.h"

#include <sys/stat.h>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <stdexcept>
#include <system_error>
#include <utility>

namespace outrider::tls {
namespace {

constexpr std::size_t file_bytes_max = 256 << 10;
constexpr int reads_max = 3;  // While somebody swaps the files.

Result<std::string> read_file(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail("unreadable", path.string() + ": " + std::strerror(errno));
  std::string bytes(file_bytes_max + 1, '\0');
  file.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  bytes.resize(static_cast<std::size_t>(file.gcount()));
  if (file.bad()) return fail("unreadable", path.string() + ": it cannot be read");
  if (bytes.size() > file_bytes_max)
    return fail("unreadable", path.string() + ": it is larger than " +
                                  std::to_string(file_bytes_max) + " bytes, so it is no PEM file");
  return bytes;
}

void add_file(std::string& text, const std::filesystem::path& path) {
  struct stat found {};
  if (path.empty()) return;
  if (::stat(path.c_str(), &found) != 0) {
    text += "none;";
    return;
  }
  for (const long long part :
       {static_cast<long long>(found.st_dev), static_cast<long long>(found.st_ino),
        static_cast<long long>(found.st_size), static_cast<long long>(found.st_mtim.tv_sec),
        static_cast<long long>(found.st_mtim.tv_nsec), static_cast<long long>(found.st_ctim.tv_sec),
        static_cast<long long>(found.st_ctim.tv_nsec)})
    text += std::to_string(part) + ",";
  text += ';';
}

}  // namespace

Credentials::Credentials(Files files, Make make)
    : files_(std::move(files)), make_(std::move(make)) {
  auto made = load();
  if (!made) throw std::runtime_error(made.error().message);
  context_ = std::move(*made);
  version_.store(1, std::memory_order_release);
}

std::string Credentials::fingerprint() const {
  std::string text;
  if (!files_.directory.empty()) {
    for (const char* name : {"tls.crt", "tls.key", "ca.crt"})
      add_file(text, files_.directory / name);
    std::error_code none;
    text += std::filesystem::read_symlink(files_.directory / "..data", none).string() + ";";
  }
  add_file(text, files_.ca);
  return text;
}

Result<Material> Credentials::read() const {
  Material material;
  const auto take = [](std::string& target, const std::filesystem::path& path) -> Result<void> {
    auto bytes = read_file(path);
    if (!bytes) return fail(bytes);
    target = std::move(*bytes);
    return {};
  };
  if (!files_.directory.empty()) {
    if (auto got = take(material.certificates, files_.directory / "tls.crt"); !got)
      return fail(got);
    if (auto got = take(material.key, files_.directory / "tls.key"); !got) return fail(got);
    std::error_code none;
    const std::filesystem::path ca = files_.directory / "ca.crt";
    if (files_.ca.empty() && std::filesystem::exists(ca, none))
      if (auto got = take(material.ca, ca); !got) return fail(got);
  }
  if (files_.ca.empty()) return material;
  if (auto got = take(material.ca, files_.ca); !got) return fail(got);
  if (material.ca.empty())
    return fail("bad_ca", files_.ca.string() + ": it is empty; expected certificates in PEM");
  return material;
}

// Reads until nobody has changed the files meanwhile, so that a pair is of one version.
Result<std::shared_ptr<const Context>> Credentials::load() {
  for (int reads = 1;; ++reads) {
    loaded_ = fingerprint();
    auto material = read();
    if (fingerprint() != loaded_ && reads < reads_max) continue;
    if (!material) return fail(material);
    auto made = make_(*material);
    if (made) return made;
    const std::filesystem::path& where = files_.directory.empty() ? files_.ca : files_.directory;
    return fail(made.error().code, where.string() + ": " + made.error().message);
  }
}

Credentials::Look Credentials::look(std::string& why) {
  const std::string now = fingerprint();
  if (now == loaded_) return Look::unchanged;
  auto made = load();
  if (!made) {
    why = made.error().message;
    return Look::failed;
  }
  const std::lock_guard hold(lock_);
  context_ = std::move(*made);
  version_.fetch_add(1, std::memory_order_release);
  return Look::reloaded;
}

bool Credentials::refresh(std::uint64_t& seen_version,
                          std::shared_ptr<const Context>& context) const {
  if (version_.load(std::memory_order_acquire) == seen_version) return false;
  const std::lock_guard hold(lock_);
  seen_version = version_.load(std::memory_order_relaxed);
  context = context_;
  return true;
}

Time Credentials::expires_at() const {
  const std::lock_guard hold(lock_);
  return context_->expires_at();
}

}  // namespace outrider::tls
