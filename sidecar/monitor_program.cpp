// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor_program.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <system_error>

namespace outrider::sidecar {

std::string monitor_program() {
  std::error_code error;
  // Of a program that was replaced while it runs the name ends in " (deleted)"; its folder stays right.
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string() : (self.parent_path() / "outrider-monitor").string();
}

std::string become_monitor_program(char** argv) {
  const std::string program = monitor_program();
  ::execv(program.c_str(), argv);
  return "this needs the program outrider-monitor: " + program + ": " + std::strerror(errno) +
         "; install it beside outrider-sidecar";
}

}  // namespace outrider::sidecar
