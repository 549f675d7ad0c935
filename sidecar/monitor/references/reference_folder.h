// SPDX-License-Identifier: Apache-2.0
#pragma once

// The references on disk: one file, a flat folder of *.json, or a model registry's tree
// <folder>/<model>/<version>/reference.json. SHELL; one thread.
//
//   ReferenceFolder folder(path);
//   if (folder.refresh()) use(folder.references());   // true when anything changed
//
// A file is read again when its time, size or inode changed. One that cannot be read leaves the
// reference that was read from it before, and is told in problems(). At most files_max files, the
// newest ones; the others are left_out().

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "sidecar/monitor/versions/version_monitor.h"

namespace outrider::monitor {

class ReferenceFolder {
 public:
  static constexpr std::size_t files_max_default = 256;

  explicit ReferenceFolder(std::filesystem::path path) : path_(std::move(path)) {}

  // Takes effect at refresh().
  void move_to(const std::filesystem::path& path, std::size_t files_max = files_max_default) {
    path_ = path;
    files_max_ = files_max;
  }
  bool refresh();
  const std::vector<std::filesystem::path>& left_out() const { return left_out_; }
  std::vector<monitor::SharedReference> references() const;
  const std::vector<std::string>& problems() const { return problems_; }  // Of the last refresh.

 private:
  struct Stamp {
    std::filesystem::file_time_type written{};
    std::uint64_t bytes = 0, inode = 0;
    bool operator==(const Stamp&) const = default;
  };
  struct Entry {
    Stamp stamp;
    monitor::SharedReference reference;  // Null when it could not be read.
  };
  std::map<std::filesystem::path, Stamp> list();
  void load(const std::filesystem::path& file, Entry& entry);

  std::filesystem::path path_;
  std::size_t files_max_ = files_max_default;
  std::vector<std::filesystem::path> left_out_;
  std::map<std::filesystem::path, Entry> entries_;
  std::vector<std::string> problems_;
};

}  // namespace outrider::monitor
