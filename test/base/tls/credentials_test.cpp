// SPDX-License-Identifier: Apache-2.0
#include "base/tls/credentials.h"

#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "test/base/tls/certificates.h"
#include "test/support/catch.h"

namespace outrider::tls {
namespace {

namespace fs = std::filesystem;

struct Folder {
  Folder() {
    std::string name = (fs::temp_directory_path() / "outrider-tls-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    path = name;
  }
  ~Folder() { fs::remove_all(path); }
  fs::path path;
};

void write(const fs::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

void write(const fs::path& directory, const Material& material) {
  write(directory / "tls.crt", material.certificates);
  write(directory / "tls.key", material.key);
  if (!material.ca.empty()) write(directory / "ca.crt", material.ca);
}

Credentials::Make as_server() {
  return [](const Material& material) { return Context::server(material, {}); };
}

TEST_CASE("credentials are told apart by version, and each reader sees a new one once") {
  const Authority ca;
  Folder folder;
  write(folder.path, ca.issue({.ends_in = 100}));
  Credentials credentials({folder.path, {}}, as_server());
  std::uint64_t seen = 0;
  std::shared_ptr<const Context> context;
  CHECK(credentials.refresh(seen, context));
  CHECK(context->expires_at() == credentials.expires_at());
  CHECK_FALSE(credentials.refresh(seen, context));
  std::string why;
  CHECK(credentials.look(why) == Credentials::Look::unchanged);

  const auto before = context;
  write(folder.path, ca.issue({.ends_in = 5000}));
  CHECK(credentials.look(why) == Credentials::Look::reloaded);
  CHECK(credentials.refresh(seen, context));
  CHECK(context->expires_at() > before->expires_at());
  CHECK(credentials.look(why) == Credentials::Look::unchanged);
}

TEST_CASE("a pair that does not match leaves the old one in force, told once, until it is whole") {
  const Authority ca;
  const Material first = ca.issue(), second = ca.issue();
  Folder folder;
  write(folder.path, first);
  Credentials credentials({folder.path, {}}, as_server());
  std::uint64_t seen = 0;
  std::shared_ptr<const Context> context;
  credentials.refresh(seen, context);
  std::string why;
  write(folder.path / "tls.crt", second.certificates);
  CHECK(credentials.look(why) == Credentials::Look::failed);
  CHECK(why.find(folder.path.string()) == 0);
  CHECK(why.find("tls.key is not the key") != std::string::npos);
  CHECK(credentials.look(why) == Credentials::Look::unchanged);
  CHECK_FALSE(credentials.refresh(seen, context));
  write(folder.path / "tls.key", second.key);
  CHECK(credentials.look(why) == Credentials::Look::reloaded);
  CHECK(credentials.refresh(seen, context));
}

TEST_CASE("the link that a Secret's directory is swapped by is followed") {
  const Authority ca;
  Folder folder;
  for (const char* version : {"..1", "..2"}) {
    fs::create_directory(folder.path / version);
    write(folder.path / version, ca.issue());
  }
  fs::create_directory_symlink("..1", folder.path / "..data");
  for (const char* name : {"tls.crt", "tls.key", "ca.crt"})
    fs::create_symlink(fs::path("..data") / name, folder.path / name);
  Credentials credentials({folder.path, {}}, as_server());
  std::string why;
  CHECK(credentials.look(why) == Credentials::Look::unchanged);
  fs::create_directory_symlink("..2", folder.path / "..data_tmp");
  fs::rename(folder.path / "..data_tmp", folder.path / "..data");
  fs::remove_all(folder.path / "..1");
  CHECK(credentials.look(why) == Credentials::Look::reloaded);
}

TEST_CASE("files that are gone or too large are named, at the start and later") {
  const Authority ca;
  Folder folder;
  CHECK_THROWS_WITH(Credentials({folder.path, {}}, as_server()),
                    Catch::Contains("tls.crt: No such file"));
  write(folder.path, ca.issue());
  Credentials credentials({folder.path, {}}, as_server());
  std::string why;
  write(folder.path / "tls.key", std::string(300 << 10, 'x'));
  CHECK(credentials.look(why) == Credentials::Look::failed);
  CHECK(why.find("tls.key: it is larger than") != std::string::npos);
  fs::remove(folder.path / "tls.key");
  CHECK(credentials.look(why) == Credentials::Look::failed);
  CHECK(why.find("tls.key: No such file") != std::string::npos);
}

TEST_CASE("a client's authorities come from a file of their own, or from its directory") {
  const Authority own, upstream;
  Folder folder;
  write(folder.path, own.issue());
  write(folder.path / "upstream.crt", upstream.pem());
  std::string trusted;
  const auto make = [&](const Material& material) {
    trusted = material.ca;
    return Context::client(material, "model");
  };
  Credentials(Credentials::Files{folder.path, folder.path / "upstream.crt"}, make);
  CHECK(trusted == upstream.pem());
  Credentials(Credentials::Files{folder.path, {}}, make);
  CHECK(trusted == own.pem());
  Credentials(Credentials::Files{{}, folder.path / "upstream.crt"}, make);
  CHECK(trusted == upstream.pem());
  write(folder.path / "upstream.crt", "");
  CHECK_THROWS_WITH(Credentials({{}, folder.path / "upstream.crt"}, make),
                    Catch::Contains("it is empty"));
}

}  // namespace
}  // namespace outrider::tls
