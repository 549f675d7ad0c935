// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/queue.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/core/text.h"

namespace outrider::remote_write {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view segment_suffix = ".wal";
constexpr std::size_t position_slot_bytes = 20;  // Writes so far, number, checksum.
// A segment is at most segment_bytes and one record; a file that is larger is not ours to the end.
constexpr std::size_t segment_file_bytes_max = 64 << 20;
constexpr int number_digits = 20;

std::string segment_name(std::uint64_t first_number) {
  std::string digits = std::to_string(first_number);
  digits.insert(0, number_digits - digits.size(), '0');
  return digits + std::string(segment_suffix);
}

std::optional<std::uint64_t> segment_number(const fs::path& path) {
  if (path.extension() != segment_suffix) return std::nullopt;
  return parse_uint(path.stem().string());
}

void subtract(Counts& from, const Counts& counts) {
  from.samples -= std::min(from.samples, counts.samples);
  from.exemplars -= std::min(from.exemplars, counts.exemplars);
  from.series -= std::min(from.series, counts.series);
}

void add(Counts& to, const Counts& counts) {
  to.samples += counts.samples;
  to.exemplars += counts.exemplars;
  to.series += counts.series;
}

}  // namespace

// A file descriptor that closes itself.
class Queue::File {
 public:
  static std::unique_ptr<File> open(const fs::path& path, int flags) {
    const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0644);
    return descriptor < 0 ? nullptr : std::unique_ptr<File>(new File(descriptor));
  }
  ~File() { ::close(descriptor_); }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  int get() const { return descriptor_; }

  std::size_t size() const {
    const off_t end = ::lseek(descriptor_, 0, SEEK_END);
    return end < 0 ? 0 : static_cast<std::size_t>(end);
  }

  std::string read(std::uint64_t offset, std::size_t bytes) const {
    std::string text(bytes, '\0');
    std::size_t done = 0;
    while (done < bytes) {
      const ssize_t count =
          ::pread(descriptor_, text.data() + done, bytes - done, static_cast<off_t>(offset + done));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) break;
      done += static_cast<std::size_t>(count);
    }
    text.resize(done);
    return text;
  }

  bool write(const Write& write, std::string_view bytes, std::uint64_t offset) const {
    while (!bytes.empty()) {
      const ssize_t count =
          write(descriptor_, bytes.data(), bytes.size(), static_cast<off_t>(offset));
      if (count < 0 && errno == EINTR) continue;
      if (count <= 0) return false;
      offset += static_cast<std::uint64_t>(count);
      bytes.remove_prefix(static_cast<std::size_t>(count));
    }
    return true;
  }

 private:
  explicit File(int descriptor) : descriptor_(descriptor) {}
  const int descriptor_;
};

Queue::Queue(Settings settings, const Clock& clock)
    : settings_([&settings] {
        if (!settings.write) settings.write = ::pwrite;
        // So that what the limit takes away is an eighth, not all.
        settings.segment_bytes =
            std::min(settings.segment_bytes, std::max<std::uint64_t>(settings.bytes_max / 8, 4096));
        return std::move(settings);
      }()),
      clock_(clock) {
  figures_.disk_usable = open_disk();
  if (!figures_.disk_usable) disk_.retry_at = clock_.now() + settings_.retry_disk_every;
}

Queue::~Queue() {
  sync();
}

// ---- Opening ----

bool Queue::open_disk() {
  std::error_code error;
  fs::create_directories(settings_.folder, error);
  auto lock = File::open(settings_.folder / "lock", O_RDWR | O_CREAT);
  if (!lock || ::flock(lock->get(), LOCK_EX | LOCK_NB) != 0) return false;
  disk_.position_file = File::open(settings_.folder / "position", O_RDWR | O_CREAT);
  if (!disk_.position_file) return false;
  disk_.lock = std::move(lock);
  read_position();
  read_folder();
  return true;
}

void Queue::read_position() {
  const std::string slots = disk_.position_file->read(0, 2 * position_slot_bytes);
  for (std::size_t at = 0; at + position_slot_bytes <= slots.size(); at += position_slot_bytes) {
    const std::string_view slot = std::string_view(slots).substr(at, position_slot_bytes);
    if (crc32_of(slot.substr(0, 16)) != get_number(slot, 16, 4)) continue;
    const std::uint64_t writes = get_number(slot, 0, 8);
    if (writes < disk_.position_writes) continue;
    disk_.position_writes = writes;
    disk_.position = get_number(slot, 8, 8);
  }
}

// Two slots in turn: a write that is cut leaves the one before.
void Queue::write_position() {
  if (!disk_.position_file) return;
  ++disk_.position_writes;
  std::string slot;
  put_number(slot, disk_.position_writes, 8);
  put_number(slot, disk_.position, 8);
  put_number(slot, crc32_of(slot), 4);
  if (!disk_.position_file->write(settings_.write, slot,
                                  (disk_.position_writes % 2) * position_slot_bytes)) {
    ++figures_.write_errors;  // What is sent again after a restart is tolerated.
  }
}

void Queue::read_folder() {
  std::map<std::uint64_t, fs::path> paths;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(settings_.folder, error)) {
    if (const auto number = segment_number(entry.path())) paths[*number] = entry.path();
  }
  std::uint64_t last_number = disk_.position > 0 ? disk_.position - 1 : 0;
  for (const auto& [first_number, path] : paths) {
    Segment segment = scan(path, last_number);
    last_number = std::max(last_number, first_number);
    if (segment.records_pending == 0) {
      fs::remove(path, error);
      continue;
    }
    add(figures_.pending, segment.pending);
    figures_.records_pending += segment.records_pending;
    disk_.bytes += segment.bytes;
    disk_.segments[first_number] = std::move(segment);
  }
  load_memory_numbers(last_number);
}

Queue::Segment Queue::scan(const fs::path& path, std::uint64_t& last_number) {
  Segment segment{.path = path, .bytes = 0, .pending = {}, .records_pending = 0};
  const auto file = File::open(path, O_RDONLY);
  if (!file) return segment;
  const std::string bytes = file->read(0, std::min(file->size(), segment_file_bytes_max));
  segment.bytes = bytes.size();
  for (std::size_t offset = 0; offset < bytes.size();) {
    const Found found = next_record(bytes, offset);
    if (found.skipped > 0) ++figures_.damaged_places;
    offset = found.end;
    if (!found.record) break;
    const RecordHeader& header = found.record->header;
    last_number = std::max(last_number, header.number);
    if (header.number < disk_.position) continue;
    add(segment.pending, header.counts);
    ++segment.records_pending;
  }
  return segment;
}

// Batches that were queued before the disk could be read come after what is on it.
void Queue::load_memory_numbers(std::uint64_t last_number) {
  for (Record& record : memory_.records) record.header.number += last_number;
  disk_.next_number += last_number;
  ++memory_.epoch;
  front_.reset();
  taken_ = false;
}

// ---- Appending ----

bool Queue::append(std::string_view payload, const Counts& counts, std::int64_t newest_ms) {
  const std::lock_guard hold(mutex_);
  if (payload.size() > record_payload_bytes_max) {
    figures_.dropped.too_large += counts.samples;
    return false;
  }
  retry_disk();
  const RecordHeader header{.number = disk_.next_number++,
                            .time_ms = to_unix_ms(clock_.now()),
                            .newest_ms = newest_ms,
                            .counts = counts};
  add(figures_.pending, counts);
  ++figures_.records_pending;
  if (!memory_.records.empty() || !figures_.disk_usable || !write_to_disk(header, payload)) {
    memory_.records.push_back({.header = header, .payload = std::string(payload)});
    memory_.bytes += payload.size() + sizeof(Record);
    trim_memory();
  }
  evict();
  return true;
}

// While the disk fails, one try every so often, which brings what is in memory first.
void Queue::retry_disk() {
  if (figures_.disk_usable && memory_.records.empty()) return;
  const Time now = clock_.now();
  if (now < disk_.retry_at && disk_.retry_at - now <= settings_.retry_disk_every) return;
  disk_.retry_at = now + settings_.retry_disk_every;
  if (!disk_.lock && !open_disk()) return;
  while (!memory_.records.empty()) {
    const Record& record = memory_.records.front();
    if (!write_to_disk(record.header, record.payload)) return;
    memory_.bytes -= record.payload.size() + sizeof(Record);
    memory_.records.pop_front();
  }
  figures_.disk_usable = true;
  evict();
}

bool Queue::write_to_disk(const RecordHeader& header, std::string_view payload) {
  if (disk_.tail && disk_.segments.rbegin()->second.bytes >= settings_.segment_bytes) {
    disk_.sync_later.push_back(std::exchange(disk_.tail, nullptr));
  }
  if (!disk_.tail && !begin_segment(header.number)) {
    ++figures_.write_errors;
    figures_.disk_usable = false;
    return false;
  }
  Segment& segment = disk_.segments.rbegin()->second;
  const std::string bytes = encode_record(header, payload);
  if (!disk_.tail->write(settings_.write, bytes, segment.bytes)) {
    ++figures_.write_errors;
    figures_.disk_usable = false;
    disk_.retry_at = clock_.now() + settings_.retry_disk_every;
    // What was written of the record goes; where that fails too, the reader skips it.
    if (::ftruncate(disk_.tail->get(), static_cast<off_t>(segment.bytes)) != 0) disk_.tail.reset();
    return false;
  }
  segment.bytes += bytes.size();
  disk_.bytes += bytes.size();
  add(segment.pending, header.counts);
  ++segment.records_pending;
  disk_.dirty = true;
  return true;
}

bool Queue::begin_segment(std::uint64_t first_number) {
  const fs::path path = settings_.folder / segment_name(first_number);
  disk_.tail = File::open(path, O_RDWR | O_CREAT | O_TRUNC);
  if (!disk_.tail) return false;
  disk_.folder_dirty = true;
  disk_.segments[first_number] = {.path = path, .bytes = 0, .pending = {}, .records_pending = 0};
  return true;
}

void Queue::sync() {
  std::vector<std::shared_ptr<File>> files;
  bool folder = false;
  {
    const std::lock_guard hold(mutex_);
    files.swap(disk_.sync_later);
    if (disk_.dirty && disk_.tail) files.push_back(disk_.tail);
    disk_.dirty = false;
    folder = std::exchange(disk_.folder_dirty, false);
  }
  for (const auto& file : files) ::fdatasync(file->get());
  if (!folder) return;
  if (const auto handle = File::open(settings_.folder, O_RDONLY | O_DIRECTORY)) {
    ::fsync(handle->get());
  }
}

// ---- Limits ----

void Queue::evict() {
  while (disk_.bytes > settings_.bytes_max && !disk_.segments.empty()) {
    if (disk_.tail && disk_.segments.size() == 1) disk_.tail.reset();
    drop_segment(disk_.segments.begin(), figures_.dropped.queue_full);
  }
}

// The batch that the sender has in its hands is not counted as lost: its answer decides.
void Queue::drop_segment(std::map<std::uint64_t, Segment>::iterator place, std::uint64_t& counter) {
  Segment& segment = place->second;
  const auto next = std::next(place);
  const bool holds_front = front_ && front_->header.number >= place->first &&
                           (next == disk_.segments.end()
                                ? memory_.records.empty() ||
                                      front_->header.number < memory_.records.front().header.number
                                : front_->header.number < next->first);
  if (holds_front) {
    if (taken_) forget(segment, front_->header);
    front_.reset();
    taken_ = false;
  }
  counter += segment.pending.samples;
  subtract(figures_.pending, segment.pending);
  figures_.records_pending -= segment.records_pending;
  disk_.bytes -= segment.bytes;
  std::error_code error;
  fs::remove(segment.path, error);
  if (window_.segment == place->first) window_.segment = 0;
  disk_.segments.erase(place);
}

void Queue::trim_memory() {
  while (memory_.bytes > settings_.memory_bytes_max && !memory_.records.empty()) {
    const Record& record = memory_.records.front();
    const bool is_front = front_ && front_->header.number == record.header.number;
    if (!is_front || !taken_) figures_.dropped.memory_full += record.header.counts.samples;
    if (is_front) {
      front_.reset();
      taken_ = false;
    }
    subtract(figures_.pending, record.header.counts);
    --figures_.records_pending;
    memory_.bytes -= record.payload.size() + sizeof(Record);
    memory_.records.pop_front();
  }
}

bool Queue::is_too_old(const RecordHeader& header) const {
  return clock_.now() - from_unix_ms(header.time_ms) > settings_.age_max;
}

// ---- Taking ----

std::optional<Queue::Record> Queue::front() {
  const std::lock_guard hold(mutex_);
  retry_disk();
  for (;;) {
    if (!front_) {
      front_ = front_on_disk();
      if (!front_ && !memory_.records.empty()) front_ = memory_.records.front();
      if (!front_) return std::nullopt;
      front_->epoch = memory_.epoch;
    }
    if (taken_ || !is_too_old(front_->header)) {
      taken_ = true;
      return front_;
    }
    figures_.dropped.too_old += front_->header.counts.samples;
    release_front();
  }
}

std::optional<Queue::Record> Queue::front_on_disk() {
  while (!disk_.segments.empty()) {
    if (const auto found = read_next()) {
      if (found->header.number < disk_.position) continue;
      return Record{.header = found->header, .payload = std::string(found->payload)};
    }
    if (disk_.tail && disk_.segments.size() == 1) return std::nullopt;  // More may come.
    // Sound when it was written or opened, and not to be read now: so much was damaged since.
    const auto first = disk_.segments.begin();
    if (first->second.records_pending > 0) ++figures_.damaged_places;
    drop_segment(first, figures_.dropped.damaged);
  }
  return std::nullopt;
}

// The next sound record of the first segment.
std::optional<StoredRecord> Queue::read_next() {
  const auto& [first_number, segment] = *disk_.segments.begin();
  if (window_.segment != first_number) {
    window_.segment = first_number;
    window_.offset = window_.at = 0;
    window_.bytes.clear();
  }
  for (bool loaded = false;; loaded = true) {
    const Found found = next_record(window_.bytes, window_.at);
    if (found.record) {
      window_.at = found.end;
      return found.record;
    }
    const bool is_complete = window_.offset + window_.bytes.size() >= segment.bytes;
    if (loaded || is_complete) return std::nullopt;
    window_.offset += window_.at;
    window_.at = 0;
    const std::size_t bytes = segment.bytes - window_.offset;
    if (disk_.tail && disk_.segments.size() == 1) {
      window_.bytes = disk_.tail->read(window_.offset, bytes);
    } else {
      const auto file = File::open(segment.path, O_RDONLY);
      window_.bytes = file ? file->read(window_.offset, bytes) : "";
    }
  }
}

void Queue::forget(Segment& segment, const RecordHeader& header) {
  subtract(segment.pending, header.counts);
  if (segment.records_pending > 0) --segment.records_pending;
  subtract(figures_.pending, header.counts);
  --figures_.records_pending;
}

// The front is delivered or lost: it is behind us.
void Queue::release_front() {
  const RecordHeader header = front_->header;
  front_.reset();
  taken_ = false;
  disk_.position = std::max(disk_.position, header.number + 1);
  write_position();
  if (!memory_.records.empty() && memory_.records.front().header.number == header.number) {
    memory_.bytes -= memory_.records.front().payload.size() + sizeof(Record);
    memory_.records.pop_front();
    subtract(figures_.pending, header.counts);
    --figures_.records_pending;
    return;
  }
  const auto after = disk_.segments.upper_bound(header.number);
  if (after != disk_.segments.begin()) forget(std::prev(after)->second, header);
}

void Queue::release(const Record& record) {
  const std::lock_guard hold(mutex_);
  if (record.epoch != memory_.epoch) return;  // Renumbered meanwhile: it is sent again.
  if (front_ && front_->header.number == record.header.number) {
    release_front();
    return;
  }
  disk_.position = std::max(disk_.position, record.header.number + 1);  // Dropped meanwhile.
  write_position();
}

void Queue::keep(const Record& record) {
  const std::lock_guard hold(mutex_);
  if (front_ && record.epoch == memory_.epoch && front_->header.number == record.header.number) {
    taken_ = false;
  }
}

Queue::Figures Queue::figures() const {
  const std::lock_guard hold(mutex_);
  Figures figures = figures_;
  figures.disk_bytes = disk_.bytes;
  figures.memory_bytes = memory_.bytes;
  return figures;
}

}  // namespace outrider::remote_write
