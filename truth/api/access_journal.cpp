// SPDX-License-Identifier: Apache-2.0
#include "truth/api/access_journal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "base/core/text.h"

namespace outrider::truth {

Result<void> AccessJournal::note(const net::HttpRequest& request, std::string_view action,
                                 wire::Json about) {
  const std::string line = wire::to_text(wire::Json{{"at", format_rfc3339(clock_.now())},
                                                    {"caller", request.caller},
                                                    {"peer", request.peer},
                                                    {"action", action},
                                                    {"about", std::move(about)}}) +
                           "\n";
  const std::lock_guard hold(mutex_);
  const auto failed = [this](const char* what) {
    return fail("journal_failed", std::string(what) + " " + file_.string() + ": " +
                                      std::strerror(errno) +
                                      "; what is read or erased here must be journalled: make "
                                      "room there or mend the folder's rights");
  };
  const int file = ::open(file_.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0640);
  if (file < 0) return failed("cannot open");
  const bool written =
      ::write(file, line.data(), line.size()) == static_cast<ssize_t>(line.size()) &&
      ::fdatasync(file) == 0;
  struct stat now {};
  const bool is_long =
      ::fstat(file, &now) == 0 && static_cast<std::uint64_t>(now.st_size) >= bytes_max_;
  ::close(file);
  if (!written) return failed("cannot write");
  if (is_long) {
    std::error_code ignored;  // It goes on growing then, and is tried again.
    std::filesystem::rename(file_, file_.string() + ".1", ignored);
  }
  return {};
}

net::HttpResponse journalled(AccessJournal* journal, const net::HttpRequest& request,
                             std::string_view action, wire::Json about, net::HttpResponse answer) {
  if (!journal) return answer;
  if (auto ok = journal->note(request, action, std::move(about)); !ok) {
    return net::error_response(503, ok.error().code, ok.error().message);
  }
  return answer;
}

}  // namespace outrider::truth
