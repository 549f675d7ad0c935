// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/shipping/stream_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <fstream>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>

#include "base/net/address.h"

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr Duration lock_wait = 5s;
constexpr Duration lock_every = 50ms;

std::string read_line(const fs::path& file) {
  std::ifstream in(file);
  std::string line;
  std::getline(in, line);
  return line;
}

// The numbers go on where they ended only within one boot: a power cut may take back the counter's
// page, and numbers that are used again would be taken for repetitions.
truth::Uuid stream_of(const fs::path& folder, Time now) {
  std::error_code error;
  const std::string boot = read_line("/proc/sys/kernel/random/boot_id");
  const fs::path file = folder / "stream";
  const std::string kept = read_line(file);
  const std::size_t blank = kept.find(' ');
  const auto known = truth::parse_uuid7(std::string_view(kept).substr(0, blank));
  if (known && blank != std::string::npos && kept.substr(blank + 1) == boot &&
      fs::exists(folder / "sequence", error)) {
    return *known;
  }
  fs::remove(folder / "sequence", error);
  fs::remove(folder / "queued", error);
  std::random_device random;
  const auto bits = [&random] { return std::uint64_t{random()} << 32 | random(); };
  const truth::Uuid made = truth::make_uuid7(now, bits(), bits());
  std::ofstream(file) << truth::format_uuid(made) << ' ' << boot << '\n';
  return made;
}

// Two processes of one folder would use the same numbers: the predecessor of a proxy that was
// killed may still be sending, and is waited for.
int lock_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  const int file = ::open((folder / "lock").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (file < 0) {
    throw std::runtime_error("data.dir: cannot write in " + folder.string() +
                             "; predictions wait there for the agents (truth.url, truth.kafka)");
  }
  const auto deadline = std::chrono::steady_clock::now() + lock_wait;
  while (::flock(file, LOCK_EX | LOCK_NB) != 0) {
    if (std::chrono::steady_clock::now() >= deadline) {
      ::close(file);
      throw std::runtime_error("data.dir: another process ships predictions from " +
                               folder.string() + "; give each sidecar a --data.dir of its own");
    }
    std::this_thread::sleep_for(lock_every);
  }
  return file;
}

}  // namespace

StreamFolder::StreamFolder(const fs::path& folder, Time now)
    : lock_(lock_folder(folder)), stream_(stream_of(folder, now)) {
  auto counter = truth::AcceptedCounter::open(folder / "sequence");
  if (!counter) {
    ::close(lock_);
    throw std::runtime_error(counter.error().message);
  }
  sequence_ = std::move(*counter);
}

StreamFolder::~StreamFolder() {
  ::close(lock_);
}

truth::ShipmentHead identity_of(const ShippingOptions& options, const truth::Sample& sample,
                                const StreamFolder& folder) {
  truth::ShipmentHead identity;
  identity.workload = {options.cluster, options.name_space, options.workload};
  identity.pod = options.pod.empty() ? net::host_name() : options.pod;
  identity.sample = sample;
  identity.stream = folder.stream();
  return identity;
}

}  // namespace outrider::monitor
