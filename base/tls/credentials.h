// SPDX-License-Identifier: Apache-2.0
#pragma once

// The Context of one side, made from files, and made anew when they change: a directory with
// tls.crt, tls.key and ca.crt, as a Kubernetes Secret is mounted. SHELL: reads files.
//
//   Credentials credentials({.directory = "/etc/tls"}, [](const Material& m) { … });  // throws
//   credentials.refresh(seen_version, context);            // each thread: true, it is a new one
//   switch (credentials.look(why)) …                       // one thread, several times a second
//
// A Secret is changed by swapping the link `..data` of its directory, so nothing watches the files:
// each look is a few stat calls, follows the links, and reads the files only where something
// differs. The pair is used whole or not at all. Where the new one cannot be used, the old context
// stays in force.
//
// Thread-safe, but for look(): one thread, which may wait for a disk.

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "base/tls/context.h"

namespace outrider::tls {

class Credentials {
 public:
  struct Files {
    std::filesystem::path directory;  // Of tls.crt, tls.key, ca.crt; "": none of them.
    std::filesystem::path ca;         // Instead of the directory's ca.crt.
  };
  using Make = std::function<Result<std::shared_ptr<const Context>>(const Material&)>;

  // Throws std::runtime_error, which names the file and what to change.
  Credentials(Files files, Make make);

  // Copies the context when it is newer than `seen_version`, which it then advances.
  bool refresh(std::uint64_t& seen_version, std::shared_ptr<const Context>& context) const;

  enum class Look : std::uint8_t {
    unchanged,
    reloaded,
    failed  // The files have changed, and cannot be used; told once a change.
  };
  Look look(std::string& why);
  Time expires_at() const;

 private:
  std::string fingerprint() const;
  Result<Material> read() const;
  Result<std::shared_ptr<const Context>> load();

  const Files files_;
  const Make make_;
  mutable std::mutex lock_;
  std::shared_ptr<const Context> context_;
  std::atomic<std::uint64_t> version_{0};
  std::string loaded_;  // The fingerprint of what was tried last.
};

}  // namespace outrider::tls
