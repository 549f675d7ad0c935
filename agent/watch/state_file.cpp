// SPDX-License-Identifier: Apache-2.0
#include "agent/watch/state_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "detectors/snapshot.h"

namespace outrider::watch {
namespace {

constexpr std::size_t chunk_bytes_max = 64 << 20;
constexpr std::string_view end_kind = "SEND";

std::string length_bytes(std::size_t size) {
  std::string bytes;
  for (int i = 0; i < 4; ++i) bytes += static_cast<char>((size >> (8 * i)) & 0xFF);
  return bytes;
}

[[noreturn]] void fail_with(const std::string& path) {
  throw std::runtime_error(path + ": " + std::strerror(errno));
}

}  // namespace

StateWriter::StateWriter(std::string path)
    : path_(std::move(path)), file_(std::fopen((path_ + ".part").c_str(), "wb")) {
  if (!file_) fail_with(path_ + ".part");
}

StateWriter::~StateWriter() {
  std::error_code ignored;
  if (!committed_) std::filesystem::remove(path_ + ".part", ignored);
}

void StateWriter::write(std::string_view bytes) {
  if (std::fwrite(bytes.data(), 1, bytes.size(), file_.get()) != bytes.size()) {
    fail_with(path_ + ".part");
  }
}

void StateWriter::put(std::string_view chunk) {
  write(length_bytes(chunk.size()));
  write(chunk);
  ++chunks_;
}

void StateWriter::commit() {
  detectors::SnapshotWriter end(end_kind, 1);
  end.u64(chunks_);
  const std::string bytes = end.finish();
  write(length_bytes(bytes.size()));
  write(bytes);
  if (std::fflush(file_.get()) != 0 || ::fsync(::fileno(file_.get())) != 0) {
    fail_with(path_ + ".part");
  }
  file_.reset();
  std::filesystem::rename(path_ + ".part", path_);
  committed_ = true;
}

Result<void> read_state(const std::string& path,
                        const std::function<Result<void>(std::string_view)>& on_chunk) {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen(path.c_str(), "rb"),
                                                             &std::fclose);
  if (!file) {
    if (errno == ENOENT) return {};
    return fail("state_unreadable", path + ": " + std::strerror(errno));
  }
  std::string chunk;
  for (std::uint64_t chunks = 0;; ++chunks) {
    unsigned char length[4];
    if (std::fread(length, 1, sizeof length, file.get()) != sizeof length) {
      return fail("state_cut", path + ": it ends after " + std::to_string(chunks) + " chunks");
    }
    const std::size_t size =
        length[0] | length[1] << 8 | length[2] << 16 | static_cast<std::size_t>(length[3]) << 24;
    if (size > chunk_bytes_max) return fail("state_corrupt", path + ": a chunk of impossible size");
    chunk.resize(size);
    if (std::fread(chunk.data(), 1, size, file.get()) != size) {
      return fail("state_cut", path + ": it ends in chunk " + std::to_string(chunks));
    }
    if (auto end = detectors::SnapshotReader::open(chunk, end_kind, 1)) {
      if (end->u64() != chunks || std::fgetc(file.get()) != EOF) {
        return fail("state_corrupt", path + ": chunks are missing or too many");
      }
      return {};
    }
    if (auto read = on_chunk(chunk); !read) {
      return fail(read.error().code,
                  path + ": chunk " + std::to_string(chunks) + ": " + read.error().message);
    }
  }
}

}  // namespace outrider::watch
