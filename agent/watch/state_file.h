// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a restart must not forget, on disk: chunks of states, each a checked snapshot, and a last
// chunk that says how many there were, so that a file that was cut at a chunk's end is seen too.
// SHELL.
//
//   StateWriter writer("data/series.state");
//   writer.put(bytes);          // a finished snapshot, any number
//   writer.commit();            // fsync and rename: the file before stays whole until then
//
// Throws std::runtime_error with the path when the disk fails.

#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace outrider::watch {

class StateWriter {
 public:
  explicit StateWriter(std::string path);
  ~StateWriter();  // Without commit() nothing is left behind.
  StateWriter(const StateWriter&) = delete;
  StateWriter& operator=(const StateWriter&) = delete;
  void put(std::string_view chunk);
  void commit();

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  void write(std::string_view bytes);

  std::string path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::uint64_t chunks_ = 0;
  bool committed_ = false;
};

// Hands each chunk to `on_chunk`, which says whether it could be read. Success without a call when
// there is no such file. Errors: "state_cut", "state_corrupt", and what on_chunk says; the caller
// starts afresh.
Result<void> read_state(const std::string& path,
                        const std::function<Result<void>(std::string_view chunk)>& on_chunk);

}  // namespace outrider::watch
