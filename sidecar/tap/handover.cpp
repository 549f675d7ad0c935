// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/handover.h"

#include <signal.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <cstdlib>
#include <stdexcept>
#include <string_view>
#include <utility>
#include <vector>

#include "base/core/text.h"

namespace outrider::tap {
namespace {

constexpr char variable_name[] = "OUTRIDER_SIDECAR_HANDOVER";  // "<descriptor>:<parent's id>"

}  // namespace

std::string handover_variable(const tap::MemoryFile& file) {
  return std::string(variable_name) + "=" + std::to_string(file.descriptor()) + ":" +
         std::to_string(::getpid());
}

tap::MemoryFile inherit_memory_file() {
  const char* handover = std::getenv(variable_name);
  const std::vector<std::string_view> parts = split(handover == nullptr ? "" : handover, ':');
  const auto descriptor = parse_int(parts[0]);
  const auto parent = parts.size() == 2 ? parse_int(parts[1]) : std::nullopt;
  if (!descriptor || !parent)
    throw std::runtime_error(
        "monitor: this command is the sidecar's own; run outrider-sidecar serve");
  ::prctl(PR_SET_PDEATHSIG, SIGTERM);
  // It may have died before the kernel was asked.
  if (::getppid() != *parent) throw std::runtime_error("monitor: its proxy has ended");
  auto file = tap::MemoryFile::attach(static_cast<int>(*descriptor));
  if (!file) throw std::runtime_error("monitor: memory file: " + file.error().message);
  ::close(static_cast<int>(*descriptor));
  return std::move(*file);
}

}  // namespace outrider::tap
