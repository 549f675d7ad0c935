// SPDX-License-Identifier: Apache-2.0
#include "base/config/sibling_program.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <system_error>

namespace outrider::config {

std::string sibling_program(std::string_view name) {
  std::error_code error;
  // Of a program that was replaced while it runs the name ends in " (deleted)"; its folder stays
  // right.
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? std::string() : (self.parent_path() / name).string();
}

bool moved_to_outrider(const std::vector<std::string>& moved, int argc, char** argv) {
  return argc > 1 && std::find(moved.begin(), moved.end(), argv[1]) != moved.end();
}

int go_on_as_outrider(std::string_view program, char** argv) {
  std::cerr << program << ": '" << argv[1]
            << "' is a command of the program outrider now: run outrider " << argv[1]
            << "; the next release drops the old name\n";
  const std::string path = sibling_program("outrider");
  ::execv(path.c_str(), argv);
  const int error = errno;
  std::cerr << program << ": cannot run " << path << ": " << std::strerror(error)
            << "; install outrider beside " << program << "\n";
  return 1;
}

}  // namespace outrider::config
