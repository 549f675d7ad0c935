// SPDX-License-Identifier: Apache-2.0
#pragma once

// Who read features or rows of predictions, and who had some erased: one line of JSON each, in a
// file of its own, synced before the answer is given. SHELL; thread-safe.
//
//   {"at": "2026-…Z", "caller": "alice", "peer": "10.0.0.7", "action": "export", "about": {…}}
//
// `caller` is the token's name or the user's; "" where the port asks nobody. Values are never in
// it: of what was erased neither its id nor its row. Bounded: past `bytes_max` the file is renamed
// to FILE.1, in place of the one before.

#include <cstdint>
#include <filesystem>
#include <mutex>
#include <string_view>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/net/http_server.h"
#include "base/wire/json.h"

namespace outrider::truth {

class AccessJournal {
 public:
  AccessJournal(std::filesystem::path file, const Clock& clock,
                std::uint64_t bytes_max = std::uint64_t{16} << 20)
      : file_(std::move(file)), clock_(clock), bytes_max_(bytes_max) {}

  // On disk when it returns. Error "journal_failed": the answer is not to be given.
  Result<void> note(const net::HttpRequest& request, std::string_view action, wire::Json about);

 private:
  const std::filesystem::path file_;
  const Clock& clock_;
  const std::uint64_t bytes_max_;
  std::mutex mutex_;
};

// The answer, once it is in the journal; 503 where it cannot be written. Null: no journal is kept.
net::HttpResponse journalled(AccessJournal* journal, const net::HttpRequest& request,
                             std::string_view action, wire::Json about, net::HttpResponse answer);

}  // namespace outrider::truth
