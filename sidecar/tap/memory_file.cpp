// SPDX-License-Identifier: Apache-2.0
#include "sidecar/tap/memory_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstddef>
#include <cstring>
#include <new>
#include <string>
#include <utility>

namespace outrider::tap {
namespace {

constexpr std::size_t page_bytes = 4096;
constexpr char magic[8] = {'O', 'U', 'T', 'R', 'I', 'D', 'E', 'R'};

constexpr std::size_t page_aligned(std::size_t bytes) {
  return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

bool are_bounds(std::span<const double> bounds) {
  if (bounds.empty() || bounds.size() > latency_bounds_max || !(bounds.front() > 0)) return false;
  // Not one that is equal, nor one that is no number.
  for (std::size_t i = 1; i < bounds.size(); ++i)
    if (!(bounds[i] > bounds[i - 1])) return false;
  return std::isfinite(bounds.back());
}

Failure system_failure(std::string_view what) {
  return fail("memory_file", std::string(what) + ": " + std::strerror(errno));
}

}  // namespace

struct MemoryFile::Header {
  char magic_bytes[8];
  std::uint32_t version;
  // sizeof, to catch other builds.
  std::uint32_t header_bytes, lane_bytes, capture_bytes, model_bytes;
  std::uint32_t latency_bound_count;
  std::uint64_t lanes, ring_bytes, models;  // Models: slots of each lane.
  double latency_bounds[latency_bounds_max];
  SettingsCell capture_settings;
  ProcessCells processes;
  RingControl posted;
};

void SettingsCell::publish(const CompiledCapture& capture) {
  std::uint64_t buffer[words] = {};
  std::memcpy(buffer, &capture, sizeof capture);
  // A writer that died in the middle left an odd version: go on from the next even one.
  const std::uint64_t version = version_.load(std::memory_order_relaxed) & ~std::uint64_t{1};
  version_.store(version + 1, std::memory_order_release);
  for (std::size_t i = 0; i < words; ++i) cells_[i].store(buffer[i], std::memory_order_release);
  version_.store(version + 2, std::memory_order_release);
}

bool SettingsCell::refresh(std::uint64_t& seen_version, CompiledCapture& capture) const {
  const std::uint64_t version = version_.load(std::memory_order_acquire);
  if (version == seen_version || version % 2 != 0) return false;
  std::uint64_t buffer[words];
  for (std::size_t i = 0; i < words; ++i) buffer[i] = cells_[i].load(std::memory_order_acquire);
  if (version_.load(std::memory_order_acquire) != version) return false;
  std::memcpy(&capture, buffer, sizeof capture);
  seen_version = version;
  return true;
}

// Where things lie, as the header says.
struct MemoryFile::Shape {
  std::size_t lanes, ring_bytes, models;

  bool is_possible() const {
    return lanes > 0 && lanes <= lanes_max && ring_bytes > 0 && ring_bytes % page_bytes == 0 &&
           models > ModelTable::first_named && models <= ModelTable::first_named + models_max_limit;
  }
  std::size_t models_bytes() const { return page_aligned(models * sizeof(ModelCounters)); }
  std::size_t total_bytes() const {
    return page_aligned(sizeof(Header)) +
           lanes * (page_aligned(sizeof(Lane)) + models_bytes() + ring_bytes);
  }
};

void MemoryFile::point_into(const Shape& shape) {
  std::byte* at = bytes_.data() + page_aligned(sizeof(Header));
  for (std::size_t i = 0; i < shape.lanes; ++i) {
    lanes_.push_back(reinterpret_cast<Lane*>(at));
    at += page_aligned(sizeof(Lane));
    models_.emplace_back(reinterpret_cast<ModelCounters*>(at), shape.models);
    at += shape.models_bytes();
    rings_.emplace_back(at, shape.ring_bytes);
    at += shape.ring_bytes;
  }
}

Result<MemoryFile> MemoryFile::create(Size size) {
  const Shape shape{size.lanes, size.ring_bytes / page_bytes * page_bytes,
                    ModelTable::first_named + size.models};
  if (!shape.is_possible())
    return fail("memory_file", "expected 1 to " + std::to_string(lanes_max) +
                                   " lanes, at least one page for each ring and 1 to " +
                                   std::to_string(models_max_limit) + " models");
  if (!are_bounds(size.latency_bounds))
    return fail("memory_file", "expected 1 to " + std::to_string(latency_bounds_max) +
                                   " bounds of latency buckets, above 0 and ascending");
  MemoryFile file;
  file.descriptor_ = ::memfd_create("outrider-tap", MFD_CLOEXEC | MFD_ALLOW_SEALING);
  if (file.descriptor_ < 0) return system_failure("memfd_create");
  const std::size_t total = shape.total_bytes();
  if (::ftruncate(file.descriptor_, static_cast<off_t>(total)) != 0)
    return system_failure("ftruncate");
  // Neither process can take the pages away under the other one.
  ::fcntl(file.descriptor_, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
  void* mapped = ::mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_SHARED, file.descriptor_, 0);
  if (mapped == MAP_FAILED) return system_failure("mmap");
  file.bytes_ = {static_cast<std::byte*>(mapped), total};
  auto* header = new (mapped) Header{};
  std::memcpy(header->magic_bytes, magic, sizeof magic);
  header->version = layout_version;
  header->header_bytes = sizeof(Header);
  header->lane_bytes = sizeof(Lane);
  header->capture_bytes = sizeof(CompiledCapture);
  header->model_bytes = sizeof(ModelCounters);
  header->latency_bound_count = static_cast<std::uint32_t>(size.latency_bounds.size());
  std::copy(size.latency_bounds.begin(), size.latency_bounds.end(), header->latency_bounds);
  header->lanes = shape.lanes;
  header->ring_bytes = shape.ring_bytes;
  header->models = shape.models;
  header->processes.ring_bytes.set(shape.ring_bytes * size.lanes);
  file.point_into(shape);
  for (Lane* lane : file.lanes_) new (lane) Lane{};
  // The slots of models are zero bytes already, as a slot that is not taken is: untouched, they
  // cost no memory.
  return file;
}

Result<MemoryFile> MemoryFile::attach(int descriptor) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) return system_failure("fstat");
  const auto total = static_cast<std::size_t>(status.st_size);
  if (total < offsetof(Header, header_bytes))
    return fail("memory_file", "too short for its header");
  void* mapped = ::mmap(nullptr, total, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (mapped == MAP_FAILED) return system_failure("mmap");
  MemoryFile file;
  file.bytes_ = {static_cast<std::byte*>(mapped), total};
  const auto* header = reinterpret_cast<const Header*>(mapped);
  if (std::memcmp(header->magic_bytes, magic, sizeof magic) != 0)
    return fail("memory_file", "not a memory file of a sidecar's proxy");
  if (header->version != layout_version)
    return fail("memory_file",
                "the proxy writes layout version " + std::to_string(header->version) +
                    " and this monitor reads version " + std::to_string(layout_version) +
                    "; install outrider-sidecar and outrider-monitor of one release");
  if (total < sizeof(Header)) return fail("memory_file", "too short for its header");
  if (header->header_bytes != sizeof(Header) || header->lane_bytes != sizeof(Lane) ||
      header->capture_bytes != sizeof(CompiledCapture) ||
      header->model_bytes != sizeof(ModelCounters))
    return fail("memory_file", "layout version " + std::to_string(layout_version) +
                                   " of another build, with other sizes; install outrider-sidecar "
                                   "and outrider-monitor of one release");
  const Shape shape{header->lanes, header->ring_bytes, header->models};
  if (!shape.is_possible() || shape.ring_bytes > total || shape.total_bytes() != total)
    return fail("memory_file", "sizes that contradict each other");
  if (header->latency_bound_count > latency_bounds_max || !are_bounds(file.latency_bounds()))
    return fail("memory_file", "bounds of latency buckets that do not ascend");
  file.point_into(shape);
  file.descriptor_ = ::fcntl(descriptor, F_DUPFD_CLOEXEC, 3);
  if (file.descriptor_ < 0) return system_failure("dup");
  return file;
}

MemoryFile::MemoryFile(MemoryFile&& other) noexcept {
  *this = std::move(other);
}

MemoryFile& MemoryFile::operator=(MemoryFile&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(bytes_, other.bytes_);
  std::swap(lanes_, other.lanes_);
  std::swap(models_, other.models_);
  std::swap(rings_, other.rings_);
  return *this;
}

MemoryFile::~MemoryFile() {
  if (!bytes_.empty()) ::munmap(bytes_.data(), bytes_.size());
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::span<const double> MemoryFile::latency_bounds() const {
  const auto* header = reinterpret_cast<const Header*>(bytes_.data());
  return {header->latency_bounds,
          std::min<std::size_t>(header->latency_bound_count, latency_bounds_max)};
}
SettingsCell& MemoryFile::capture_settings() const {
  return reinterpret_cast<Header*>(bytes_.data())->capture_settings;
}
ProcessCells& MemoryFile::processes() const {
  return reinterpret_cast<Header*>(bytes_.data())->processes;
}
RingControl& MemoryFile::posted() const {
  return reinterpret_cast<Header*>(bytes_.data())->posted;
}

PostedCounts::PostedCounts(MemoryFile& file)
    : control_(file.posted()), state_(read_state(control_)) {}

void PostedCounts::count(Disposal disposal) {
  state_.count(disposal);
  publish_state(control_, state_);
}

RingSource::RingSource(MemoryFile& file) {
  readers_.reserve(file.lane_count());
  for (std::size_t i = 0; i < file.lane_count(); ++i)
    readers_.emplace_back(file.lane(i).ring, file.ring_bytes(i));
}

// One exchange of each lane in turn, so that no lane starves another.
const Exchange* RingSource::next() {
  for (std::size_t tries = 0; tries < readers_.size(); ++tries) {
    current_ = current_ + 1 < readers_.size() ? current_ + 1 : 0;
    if (const Exchange* exchange = readers_[current_].next()) return exchange;
  }
  return nullptr;
}

void RingSource::dispose(Disposal disposal) {
  readers_[current_].dispose(disposal);
}

ExchangeCounts count_exchanges(const MemoryFile& file) {
  ExchangeCounts sum;
  const auto add_state = [&sum](const ReaderState& state) {
    sum.seen += state.seen;
    sum.analysed += state.analysed;
    for (std::size_t i = 0; i < skip_reason_count; ++i) sum.skipped[i] += state.skipped[i];
    for (std::size_t i = 0; i < fail_reason_count; ++i) sum.failed[i] += state.failed[i];
  };
  add_state(read_state(file.posted()));
  for (std::size_t lane = 0; lane < file.lane_count(); ++lane) {
    const ReaderState state = read_state(file.lane(lane).ring);
    add_state(state);
    const std::uint64_t committed =
        file.lane(lane).ring.commits.load(std::memory_order_acquire) / 2;
    sum.waiting += committed > state.records ? committed - state.records : 0;
    // What the proxy counts itself is seen the moment it is counted: each cell is read once.
    const ProxyCounters& counters = file.lane(lane).counters;
    for (std::size_t i = 0; i < drop_reason_count; ++i) {
      const std::uint64_t n = counters.exchanges_dropped[i].get();
      sum.dropped[i] += n;
      sum.seen += n;
    }
    for (std::size_t i = 0; i < skip_reason_count; ++i) {
      const std::uint64_t n = counters.exchanges_skipped[i].get();
      sum.skipped[i] += n;
      sum.seen += n;
    }
  }
  return sum;
}

}  // namespace outrider::tap
