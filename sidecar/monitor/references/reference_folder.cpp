// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/references/reference_folder.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/config/yaml.h"
#include "reference/reference_json.h"

namespace outrider::monitor {
namespace {

namespace fs = std::filesystem;

bool hidden(const fs::path& path) {
  return path.filename().string().starts_with('.');
}

// The children of a folder; none when it cannot be read.
std::vector<fs::path> children(const fs::path& folder) {
  std::vector<fs::path> found;
  std::error_code ignored;
  for (fs::directory_iterator it(folder, ignored), end; !ignored && it != end;
       it.increment(ignored)) {
    if (!hidden(it->path())) found.push_back(it->path());
  }
  return found;
}

}  // namespace

std::map<fs::path, ReferenceFolder::Stamp> ReferenceFolder::list() {
  left_out_.clear();
  std::map<fs::path, Stamp> found;
  const auto add = [&found](const fs::path& file) {
    struct stat status {};
    if (::stat(file.c_str(), &status) != 0 || !S_ISREG(status.st_mode)) return;
    std::error_code ignored;
    found[file] = {fs::last_write_time(file, ignored), static_cast<std::uint64_t>(status.st_size),
                   static_cast<std::uint64_t>(status.st_ino)};
  };
  std::error_code ignored;
  if (path_.empty()) return found;
  if (!fs::is_directory(path_, ignored)) {
    add(path_);
    return found;
  }
  for (const fs::path& child : children(path_)) {
    if (child.extension() == ".json") add(child);
    if (!fs::is_directory(child, ignored)) continue;
    add(child / "reference.json");
    for (const fs::path& version : children(child)) add(version / "reference.json");
  }
  while (found.size() > files_max_) {
    const auto oldest = std::min_element(
        found.begin(), found.end(),
        [](const auto& a, const auto& b) { return a.second.written < b.second.written; });
    left_out_.push_back(oldest->first);
    found.erase(oldest);
  }
  return found;
}

bool ReferenceFolder::refresh() {
  problems_.clear();
  const auto files = list();
  bool changed =
      std::erase_if(entries_, [&](const auto& entry) { return !files.contains(entry.first); }) > 0;
  for (const auto& [file, stamp] : files) {
    Entry& entry = entries_[file];
    if (entry.stamp == stamp) continue;
    entry.stamp = stamp;
    load(file, entry);
    changed = true;
  }
  return changed;
}

void ReferenceFolder::load(const fs::path& file, Entry& entry) {
  const auto text = config::read_file(file, reference::bytes_max);
  if (!text) {
    problems_.push_back(text.error().message);
    return;
  }
  auto parsed = reference::parse(*text);
  if (!parsed) {
    problems_.push_back(file.string() + ": " + parsed.error().message);
    return;
  }
  entry.reference = std::make_shared<const reference::ModelReference>(std::move(*parsed));
}

std::vector<monitor::SharedReference> ReferenceFolder::references() const {
  std::vector<monitor::SharedReference> all;
  for (const auto& [file, entry] : entries_) {
    if (entry.reference) all.push_back(entry.reference);
  }
  return all;
}

}  // namespace outrider::monitor
