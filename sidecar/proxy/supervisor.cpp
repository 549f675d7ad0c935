// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/supervisor.h"

#include <signal.h>
#include <spawn.h>
#include <spdlog/spdlog.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <thread>

#include "base/config/sibling_program.h"
#include "base/core/text.h"
#include "sidecar/tap/handover.h"

namespace outrider::sidecar {
namespace {

constexpr std::chrono::seconds proven{
    10};  // A monitor that lived so long starts the back-off anew.
// A killed process ends at once unless the kernel waits for a disk on its behalf.
constexpr std::chrono::seconds kill_patience{1};
// When the whole machine stood still, the monitor is not to blame: a long step counts as a short
// one.
constexpr std::chrono::milliseconds watch_step_max{200};

// posix_spawn's attributes: no signal blocked or ignored, a process group of its own (so that
// Ctrl-C in a terminal reaches the proxy alone, which drains first), and the memory file kept open.
struct SpawnPlan {
  explicit SpawnPlan(int descriptor) {
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, descriptor, descriptor);  // Clears close-on-exec.
    posix_spawnattr_init(&attributes);
    sigset_t none, pipe_only;
    sigemptyset(&none);
    sigemptyset(&pipe_only);
    sigaddset(&pipe_only, SIGPIPE);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &pipe_only);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(
        &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  }
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
};

}  // namespace

std::vector<std::string> monitor_command(const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {monitor_program_name, "monitor"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

Supervisor::Supervisor(std::vector<std::string> arguments, const tap::MemoryFile& file,
                       Duration frozen_timeout)
    : arguments_(std::move(arguments)), file_(file), frozen_timeout_(frozen_timeout) {}

void Supervisor::tend(Instant now) {
  if (stopped_) return;
  int status = 0;
  if (child_ > 0 && ::waitpid(child_, &status, WNOHANG) == child_) note_death(status, now);
  if (child_ < 0 && now >= start_at_) start(now);
  watch(std::min<Duration>(now - tended_, watch_step_max));
  tended_ = now;
}

// A monitor that is still starting shows no signs yet, and may take its time to recover its log.
void Supervisor::watch(Duration passed) {
  tap::ProcessCells& cells = file_.processes();
  const std::uint64_t beats = cells.monitor_beats.get();
  silent_ =
      beats == beats_seen_ && cells.monitor_ready.get() != 0 ? silent_ + passed : Duration::zero();
  beats_seen_ = beats;
  if (child_ < 0 || frozen_timeout_ == Duration::zero() || silent_ < frozen_timeout_) return;
  spdlog::warn("monitor did nothing for {}: killed", format_duration(frozen_timeout_));
  cells.monitor_hangs.add();
  silent_ = Duration::zero();
  ::kill(child_, SIGKILL);
}

void Supervisor::start(Instant now) {
  const std::string program = config::sibling_program(monitor_program_name);
  const std::string handover = handover_variable(file_);
  std::vector<std::string> words = monitor_command(arguments_);
  std::vector<char*> argv, environment;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  for (char** variable = environ; *variable != nullptr; ++variable)
    environment.push_back(*variable);
  environment.push_back(const_cast<char*>(handover.c_str()));
  environment.push_back(nullptr);
  const SpawnPlan plan(file_.descriptor());
  started_ = now;
  const int error = ::posix_spawn(&child_, program.c_str(), &plan.actions, &plan.attributes,
                                  argv.data(), environment.data());
  if (error == 0) {
    spdlog::info("monitor started, process {}", child_);
    return;
  }
  child_ = -1;
  const Duration delay = plan_restart(now);
  spdlog::error(
      "the monitor cannot be started: {}: {}; requests go on, and nothing of them is observed; "
      "{}the next try is in {}",
      program, std::strerror(error),
      error == ENOENT ? "install outrider-monitor beside outrider-sidecar; " : "",
      format_duration(delay));
}

Duration Supervisor::plan_restart(Instant now) {
  file_.processes().monitor_restarts.add();
  const Duration delay = backoff_.next(0);
  start_at_ = now + std::chrono::duration_cast<Instant::duration>(delay);
  return delay;
}

void Supervisor::note_death(int status, Instant now) {
  file_.processes().monitor_ready.set(0);
  if (now - started_ >= proven) backoff_.reset();
  const Duration delay = plan_restart(now);
  const std::string how = WIFSIGNALED(status)
                              ? "by signal " + std::to_string(WTERMSIG(status))
                              : "with status " + std::to_string(WEXITSTATUS(status));
  spdlog::warn("monitor ended {}; requests go on, the next one starts in {}", how,
               format_duration(delay));
  child_ = -1;
}

void Supervisor::reload() {
  if (child_ > 0) ::kill(child_, SIGHUP);
}

void Supervisor::stop(Duration limit) {
  stopped_ = true;
  if (child_ < 0) return;
  ::kill(child_, SIGTERM);
  if (!wait_for_end(limit)) {
    spdlog::warn("the monitor did not flush within {}; what was not stored is lost",
                 format_duration(limit));
    ::kill(child_, SIGKILL);
    if (!wait_for_end(kill_patience))
      spdlog::warn("the monitor, process {}, does not end: the kernel waits for a disk; it is left",
                   child_);
  }
  child_ = -1;
}

bool Supervisor::wait_for_end(Duration limit) {
  const Instant end = std::chrono::steady_clock::now() + limit;
  while (::waitpid(child_, nullptr, WNOHANG) == 0) {
    if (std::chrono::steady_clock::now() >= end) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return true;
}

}  // namespace outrider::sidecar
