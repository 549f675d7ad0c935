// SPDX-License-Identifier: Apache-2.0
#pragma once

// A folder of a test's own, removed with all that is in it when the test ends. In memory where
// there is such a place: some tests open hundreds of stores.
//
//   const TemporaryFolder folder;
//   write(folder.path() / "rows.csv", …);

#include <cstdlib>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <system_error>

namespace outrider {

class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string name = (parent() / "outrider-test-XXXXXX").string();
    if (!::mkdtemp(name.data())) throw std::runtime_error("cannot create " + name);
    path_ = name;
  }
  ~TemporaryFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  const std::filesystem::path& path() const { return path_; }
  std::string file(const std::string& name) const { return (path_ / name).string(); }

 private:
  static std::filesystem::path parent() {
    const std::filesystem::path memory = "/dev/shm";
    return std::filesystem::exists(memory) ? memory : std::filesystem::temp_directory_path();
  }

  std::filesystem::path path_;
};

}  // namespace outrider
