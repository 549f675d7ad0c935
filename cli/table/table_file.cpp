// SPDX-License-Identifier: Apache-2.0
#include "cli/table/table_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>

namespace outrider::cli {
namespace {

constexpr std::size_t piece_bytes = 1 << 18;

struct OpenFile {
  std::ifstream stream;
  double bytes = 1;
};

Result<OpenFile> open(const std::string& path) {
  OpenFile file{std::ifstream(path, std::ios::binary), 1};
  std::error_code error;
  const auto bytes = std::filesystem::file_size(path, error);
  if (!file.stream || error) {
    const std::string why = error ? error.message() : std::strerror(errno);
    return fail("cannot_read", path + ": " + why + "; expected a CSV or NDJSON file");
  }
  file.bytes = std::max(1.0, static_cast<double>(bytes));
  return file;
}

Failure of_file(const std::string& path, const Error& error) {
  return fail(error.code, path + ": " + error.message);
}

}  // namespace

ProgressBar::ProgressBar(std::string title)
    : title_(std::move(title)), terminal_(isatty(STDERR_FILENO) == 1) {}

ProgressBar::~ProgressBar() {
  if (terminal_ && percent_ >= 0) std::fputs("\r\033[K", stderr);
}

void ProgressBar::show(double share) {
  const int percent = static_cast<int>(100 * std::clamp(share, 0.0, 1.0));
  if (!terminal_ || percent == percent_) return;
  percent_ = percent;
  const std::string done(static_cast<std::size_t>(percent / 2), '#');
  std::fprintf(stderr, "\r%s [%-50s] %3d%%", title_.c_str(), done.c_str(), percent);
}

Result<std::vector<std::string>> read_columns(const std::string& path) {
  auto file = open(path);
  if (!file) return fail(file);
  reference::TableReader table;
  const auto ignore = [](std::uint64_t, std::span<const detectors::Value>) {};
  std::string piece(piece_bytes, '\0');
  while (table.columns().empty() &&
         (file->stream.read(piece.data(), static_cast<std::streamsize>(piece.size())),
          file->stream.gcount() > 0)) {
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(file->stream.gcount()));
    // A mistake further down is told by the pass that reads the rows.
    if (auto fed = table.feed(bytes, ignore); !fed && table.columns().empty()) {
      return of_file(path, fed.error());
    }
  }
  if (table.columns().empty()) {
    if (auto whole = table.finish(ignore); !whole) return of_file(path, whole.error());
  }
  return table.columns();
}

Result<void> visit_table(const std::string& path, const reference::TableReader::Visit& visit,
                         const std::function<void(double share)>& on_share) {
  auto file = open(path);
  if (!file) return fail(file);
  reference::TableReader table;
  std::string piece(piece_bytes, '\0');
  double done = 0;
  while (file->stream.read(piece.data(), static_cast<std::streamsize>(piece.size())),
         file->stream.gcount() > 0) {
    const std::string_view bytes(piece.data(), static_cast<std::size_t>(file->stream.gcount()));
    if (auto fed = table.feed(bytes, visit); !fed) return of_file(path, fed.error());
    done += static_cast<double>(bytes.size());
    if (on_share) on_share(done / file->bytes);
  }
  if (file->stream.bad()) return fail("cannot_read", path + ": reading failed before its end");
  if (auto whole = table.finish(visit); !whole) return of_file(path, whole.error());
  return {};
}

}  // namespace outrider::cli
