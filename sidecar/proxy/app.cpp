// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/app.h"

#include <spdlog/spdlog.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <stdexcept>
#include <utility>

#include "base/config/sibling_program.h"
#include "base/core/text.h"
#include "base/net/shutdown.h"
#include "sidecar/proxy/server.h"
#include "sidecar/proxy/supervisor.h"

namespace outrider::sidecar {
namespace {

constexpr std::chrono::milliseconds tend_every{50};

// Connections are limited by proxy.connections-max, not by the shell's habitual 1024 descriptors.
void raise_descriptor_limit(const proxy::Settings& settings) {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  ::setrlimit(RLIMIT_NOFILE, &limit);
  const auto wanted =
      static_cast<rlim_t>(settings.connections_max + settings.upstream_connections_max);
  if (limit.rlim_max <= wanted)
    spdlog::warn(
        "only {} files may be open here, and proxy.connections-max and upstream.connections-max "
        "may want "
        "{}: past that new connections wait; raise the limit (ulimit -Hn) or lower these",
        limit.rlim_max, wanted);
}

tap::MemoryFile create_memory_file(const proxy::Settings& settings) {
  auto file = tap::MemoryFile::create(proxy::memory_size(settings));
  if (!file) throw std::runtime_error("memory file: " + file.error().message);
  return std::move(*file);
}

// The model configuration is the monitor's to read: goes on as it.
[[noreturn]] void check_as_monitor(const std::vector<std::string>& arguments) {
  const std::string program = config::sibling_program(monitor_program_name);
  std::vector<std::string> words = monitor_command(arguments);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  throw std::runtime_error(program + ": " + std::strerror(errno) +
                           "; install outrider-monitor beside outrider-sidecar");
}

}  // namespace

int serve(const Settings& settings, const std::vector<std::string>& arguments) {
  if (settings.monitor.check_alone) check_as_monitor(arguments);
  const net::Signals signals;
  raise_descriptor_limit(settings.proxy);
  tap::MemoryFile file = create_memory_file(settings.proxy);
  proxy::Server server(settings.proxy, file);
  spdlog::info("proxy listening on port {}, upstream {}", server.port(), settings.proxy.upstream);
  if (auto ok = settings.monitor.shipping.check(); !ok)
    throw std::runtime_error(ok.error().message);
  Supervisor monitor(arguments, file, settings.monitor.frozen_timeout);
  for (;;) {
    monitor.tend(Supervisor::Instant::clock::now());
    server.look_at_certificates();
    const auto signal = signals.wait_for(tend_every);
    if (signal == net::Signal::reload) monitor.reload();
    if (signal == net::Signal::terminate) break;
  }
  spdlog::info("unready, serving for {} more, then draining for at most {}",
               format_duration(settings.proxy.drain_delay),
               format_duration(settings.proxy.drain_timeout));
  server.begin_drain();
  while (!server.is_drained()) {
    monitor.tend(Supervisor::Instant::clock::now());
    server.look_at_certificates();
    if (signals.wait_for(tend_every) == net::Signal::terminate) server.begin_drain();
  }
  monitor.stop(settings.monitor.drain_timeout);
  return 0;
}

}  // namespace outrider::sidecar
