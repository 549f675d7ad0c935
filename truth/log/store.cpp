// SPDX-License-Identifier: Apache-2.0
#include "truth/log/store.h"

#if __has_include(<rocksdb/advanced_cache.h>)  // RocksDB 8 moved Cache's definition there.
#include <rocksdb/advanced_cache.h>
#else
#include <rocksdb/cache.h>
#endif
#include <rocksdb/convenience.h>
#include <rocksdb/env.h>
#include <rocksdb/filter_policy.h>
#include <rocksdb/merge_operator.h>
#include <rocksdb/options.h>
#include <rocksdb/slice_transform.h>
#include <rocksdb/table.h>
#include <rocksdb/write_batch.h>
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "base/core/text.h"

namespace outrider::truth {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view marker_name = "OUTRIDER-LOG";
constexpr std::string_view marker_text = "outrider prediction log, format ";
constexpr int format_version = 1;

std::string_view to_view(const rocksdb::Slice& slice) {
  return {slice.data(), slice.size()};
}
rocksdb::Slice to_slice(std::string_view text) {
  return {text.data(), text.size()};
}

// Values of one slot are appended to each other.
class AppendOperator final : public rocksdb::MergeOperator {
 public:
  bool FullMergeV2(const MergeOperationInput& in, MergeOperationOutput* out) const override {
    out->new_value.clear();  // An iterator hands over the value of the key before.
    std::size_t bytes = in.existing_value ? in.existing_value->size() : 0;
    for (const rocksdb::Slice& operand : in.operand_list) bytes += operand.size();
    out->new_value.reserve(bytes);
    if (in.existing_value)
      out->new_value.append(in.existing_value->data(), in.existing_value->size());
    for (const rocksdb::Slice& operand : in.operand_list) {
      out->new_value.append(operand.data(), operand.size());
    }
    return true;
  }
  bool PartialMergeMulti(const rocksdb::Slice&, const std::deque<rocksdb::Slice>& operands,
                         std::string* new_value, rocksdb::Logger*) const override {
    for (const rocksdb::Slice& operand : operands)
      new_value->append(operand.data(), operand.size());
    return true;
  }
  const char* Name() const override { return "outrider.append"; }
};

// Drops entries below the watermark. `slot_of_entry` is 0 bytes into the key or the value.
class WatermarkFilter final : public rocksdb::CompactionFilter {
 public:
  using SlotOf = std::uint64_t (*)(std::string_view key, std::string_view value);
  WatermarkFilter(const std::atomic<std::uint64_t>& watermark, SlotOf slot)
      : watermark_(watermark), slot_of_(slot) {}
  Decision FilterV2(int, const rocksdb::Slice& key, ValueType, const rocksdb::Slice& value,
                    std::string*, std::string*) const override {
    const std::uint64_t watermark = watermark_.load(std::memory_order_relaxed);
    return slot_of_(to_view(key), to_view(value)) < watermark ? Decision::kRemove : Decision::kKeep;
  }
  const char* Name() const override { return "outrider.watermark"; }

 private:
  const std::atomic<std::uint64_t>& watermark_;
  SlotOf slot_of_;
};

// RocksDB's own warnings go to our log. A file of its own would be one more to fill the disk, and
// after a failed write to it Debian's build, whose assertions are on, aborts the process.
class OurLogger final : public rocksdb::Logger {
 public:
  OurLogger() : rocksdb::Logger(rocksdb::WARN_LEVEL) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* format, va_list arguments) override {
    char line[512];
    std::vsnprintf(line, sizeof line, format, arguments);
    spdlog::debug("rocksdb: {}", line);
  }
};

// The slot of the UUID that begins at the offset.
std::uint64_t slot_of_uuid(std::string_view key, std::size_t offset) {
  Uuid id;
  if (key.size() < offset + id.bytes.size()) return 0;
  std::memcpy(id.bytes.data(), key.data() + offset, id.bytes.size());
  return slot_of(id);
}

Failure refused_by_rocksdb(const fs::path& folder, const rocksdb::Status& status) {
  const std::string text = status.ToString();
  if (status.IsIOError() && text.find("lock") != std::string::npos) {
    return fail("log_locked", "the prediction log in " + folder.string() +
                                  " is in use by another process (" + text +
                                  "); give each sidecar a --data.dir of its own");
  }
  if (status.IsIOError()) {
    return fail("log_unwritable", "the prediction log in " + folder.string() +
                                      " cannot be written: " + text +
                                      "; free space there, or give another --data.dir");
  }
  return store_corrupt(folder, text);
}

// The folder must be empty, or ours: nobody's files are ever mixed with ours or removed.
Result<void> claim_folder(const fs::path& folder) {
  std::error_code error;
  fs::create_directories(folder, error);
  if (error) {
    return fail("log_unwritable", "cannot create the folder " + folder.string() + ": " +
                                      error.message() + "; give another --data.dir");
  }
  const fs::path marker = folder / marker_name;
  if (!fs::exists(marker, error)) {
    if (!fs::is_empty(folder, error)) {
      return fail("log_foreign", "the folder " + folder.string() +
                                     " holds files that are no prediction log (there is no " +
                                     std::string(marker_name) +
                                     "); give an empty or a new folder as --data.dir");
    }
    std::ofstream out(marker);
    out << marker_text << format_version << "\n";
    if (!out.flush()) {
      return fail("log_unwritable",
                  "cannot write " + marker.string() + "; give a --data.dir that can be written");
    }
    return {};
  }
  std::ifstream in(marker);
  std::string line;
  std::getline(in, line);
  if (line.empty() && !fs::exists(folder / "CURRENT", error)) {
    std::ofstream(marker) << marker_text << format_version << "\n";  // Killed while it was made.
    return {};
  }
  const auto version = std::string_view(line).starts_with(marker_text)
                           ? parse_int(std::string_view(line).substr(marker_text.size()))
                           : std::nullopt;
  if (!version)
    return store_corrupt(folder, "the file " + std::string(marker_name) + " says '" + line + "'");
  if (*version > format_version) {
    return fail("log_newer", "the prediction log in " + folder.string() + " has format " +
                                 std::to_string(*version) + ", this version writes " +
                                 std::to_string(format_version) +
                                 "; run the newer version, or give another --data.dir");
  }
  return {};
}

// RocksDB would take a log without CURRENT for a new one and remove its files.
Result<void> check_current(const fs::path& folder) {
  std::error_code error;
  if (fs::exists(folder / "CURRENT", error)) return {};
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.path().extension() == ".sst")
      return store_corrupt(folder, "the file CURRENT is missing");
  }
  return {};
}

rocksdb::DBOptions database_options(const LogSettings& settings) {
  rocksdb::DBOptions options;
  options.create_if_missing = true;
  options.create_missing_column_families = true;
  options.max_background_jobs = 2;
  options.max_open_files = 256;
  options.db_write_buffer_size = settings.memory_bytes / 2;
  options.max_total_wal_size =
      std::clamp<std::uint64_t>(settings.bytes_max / 16, 2 << 20, 64 << 20);
  options.allow_concurrent_memtable_write = false;  // One writer.
  options.bytes_per_sync = 1 << 20;
  options.stats_dump_period_sec = 0;
  options.stats_persist_period_sec = 0;
  options.max_manifest_file_size = 4 << 20;
  options.info_log = std::make_shared<OurLogger>();
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  return options;
}

std::string_view family_name(Family family) {
  static constexpr std::string_view names[family_count] = {"default", "predictions", "aliases",
                                                           "joined",  "marks",       "early"};
  return names[static_cast<std::size_t>(family)];
}

}  // namespace

Failure store_unavailable(const rocksdb::Status& status) {
  return fail("log_unavailable", "the prediction log cannot be used now: " + status.ToString() +
                                     "; send the labels again later");
}

Failure store_corrupt(const fs::path& folder, const std::string& what) {
  return fail("log_corrupt",
              "the prediction log in " + folder.string() + " is damaged (" + what +
                  "). To go on without its pending predictions, move the folder away (mv " +
                  folder.string() + " " + folder.string() + ".damaged) and start again");
}

std::vector<rocksdb::ColumnFamilyDescriptor> Store::describe_families(const LogSettings& settings) {
  cache_ = rocksdb::NewLRUCache(settings.memory_bytes / 2, 2);
  rocksdb::BlockBasedTableOptions table;
  table.block_cache = cache_;
  table.cache_index_and_filter_blocks = true;
  table.pin_l0_filter_and_index_blocks_in_cache = true;
  table.block_size = 8 << 10;
  table.format_version = 5;
  table.checksum = rocksdb::kXXH3;

  rocksdb::ColumnFamilyOptions plain;
  plain.compression = rocksdb::kLZ4Compression;
  plain.write_buffer_size = 1 << 20;
  plain.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

  rocksdb::ColumnFamilyOptions large = plain;
  large.write_buffer_size = std::clamp<std::uint64_t>(settings.bytes_max / 64, 256 << 10, 16 << 20);
  large.target_file_size_base =
      std::clamp<std::uint64_t>(settings.bytes_max / 64, 256 << 10, 32 << 20);
  large.max_bytes_for_level_base = 8 * large.target_file_size_base;
  large.level_compaction_dynamic_level_bytes = false;

  const auto filtered = [this](rocksdb::ColumnFamilyOptions options, WatermarkFilter::SlotOf slot) {
    filters_.push_back(std::make_unique<WatermarkFilter>(watermark_, slot));
    options.compaction_filter = filters_.back().get();
    return options;
  };
  rocksdb::ColumnFamilyOptions predictions =
      filtered(large, [](std::string_view key, std::string_view) {
        return key.size() < 8 ? 0 : read_u64_key(key);
      });
  predictions.merge_operator = std::make_shared<AppendOperator>();
  // Files go to level 1 early (moved, not rewritten): only there can whole files be dropped.
  predictions.level0_file_num_compaction_trigger = 2;

  table.filter_policy.reset(rocksdb::NewBloomFilterPolicy(10));
  table.whole_key_filtering = false;
  rocksdb::ColumnFamilyOptions aliases =
      filtered(large, [](std::string_view key, std::string_view) { return slot_of_uuid(key, 16); });
  aliases.prefix_extractor.reset(rocksdb::NewFixedPrefixTransform(16));
  aliases.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));

  table.whole_key_filtering = true;
  rocksdb::ColumnFamilyOptions joined =
      filtered(large, [](std::string_view key, std::string_view) { return slot_of_uuid(key, 0); });
  joined.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
  joined.level0_file_num_compaction_trigger = 2;
  rocksdb::ColumnFamilyOptions marks =
      filtered(large, [](std::string_view, std::string_view value) {
        const auto mark = decode_mark(value);
        return mark ? mark->slot : 0;
      });
  marks.table_factory = joined.table_factory;

  const std::array<rocksdb::ColumnFamilyOptions, family_count> options = {
      plain, predictions, aliases, joined, marks, plain};
  std::vector<rocksdb::ColumnFamilyDescriptor> descriptors;
  for (std::size_t i = 0; i < family_count; ++i) {
    descriptors.emplace_back(std::string(family_name(static_cast<Family>(i))), options[i]);
  }
  return descriptors;
}

Result<std::unique_ptr<Store>> Store::open(const LogSettings& settings) {
  if (auto ok = claim_folder(settings.folder); !ok) return fail(ok);
  const fs::path folder = settings.folder / "db";
  if (auto ok = check_current(folder); !ok) return fail(ok);

  std::unique_ptr<Store> store(new Store);
  store->folder_ = settings.folder;
  const auto descriptors = store->describe_families(settings);
  std::vector<rocksdb::ColumnFamilyHandle*> handles;
  rocksdb::DB* db = nullptr;
  const rocksdb::Status status =
      rocksdb::DB::Open(database_options(settings), folder.string(), descriptors, &handles, &db);
  if (!status.ok()) return refused_by_rocksdb(settings.folder, status);
  store->db_.reset(db);
  std::copy(handles.begin(), handles.end(), store->families_.begin());
  return store;
}

Store::~Store() {
  closing_ = true;
  if (!db_) return;
  rocksdb::CancelAllBackgroundWork(db_.get(), false);
  if (compactor_.joinable()) compactor_.join();
  for (rocksdb::ColumnFamilyHandle* handle : families_) {
    if (handle) db_->DestroyColumnFamilyHandle(handle);
  }
  db_->Close();
}

Failure Store::damaged(std::string_view what) const {
  return store_corrupt(folder_, std::string(what));
}

Result<KeptLog> Store::load() {
  KeptLog kept;
  const auto read = [this](Family from, const auto& add) -> Result<void> {
    const std::unique_ptr<rocksdb::Iterator> entries(
        db_->NewIterator(rocksdb::ReadOptions(), family(from)));
    for (entries->SeekToFirst(); entries->Valid(); entries->Next()) {
      const auto trouble = add(to_view(entries->key()), to_view(entries->value()));
      if (trouble) return damaged(*trouble);
    }
    if (!entries->status().ok()) return damaged(entries->status().ToString());
    return {};
  };
  auto ok = read(Family::meta, [&](auto key, auto value) { return kept.add_meta(key, value); });
  if (ok) {
    ok = read(Family::early, [&](auto key, auto value) { return kept.add_early(key, value); });
  }
  if (!ok) return fail(ok);
  watermark_ = kept.watermark;
  return kept;
}

Result<void> Store::get(Family from, std::span<const std::string_view> keys,
                        const OnValues& on_values) const {
  std::vector<rocksdb::Slice> slices;
  slices.reserve(keys.size());
  for (const std::string_view key : keys) slices.push_back(to_slice(key));
  std::vector<rocksdb::PinnableSlice> read(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  db_->MultiGet(rocksdb::ReadOptions(), family(from), keys.size(), slices.data(), read.data(),
                statuses.data(), true);
  std::vector<std::optional<std::string_view>> values(keys.size());
  for (std::size_t i = 0; i < keys.size(); ++i) {
    if (statuses[i].IsNotFound()) continue;
    if (!statuses[i].ok()) return store_unavailable(statuses[i]);
    values[i] = to_view(read[i]);
  }
  on_values(values);
  return {};
}

Result<void> Store::scan(Family from, std::span<const std::string_view> prefixes,
                         const OnEntry& on_entry) const {
  if (prefixes.empty()) return {};
  rocksdb::ReadOptions options;
  options.prefix_same_as_start = from == Family::aliases;  // The one family that has prefixes.
  const std::unique_ptr<rocksdb::Iterator> cursor(db_->NewIterator(options, family(from)));
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    const rocksdb::Slice prefix = to_slice(prefixes[i]);
    for (cursor->Seek(prefix); cursor->Valid() && cursor->key().starts_with(prefix);
         cursor->Next()) {
      if (!on_entry(i, to_view(cursor->key()), to_view(cursor->value()))) break;
    }
    if (!cursor->status().ok()) return store_unavailable(cursor->status());
  }
  return {};
}

Result<Duration> Store::write(const WriteBatch& batch, bool sync) {
  rocksdb::WriteBatch changes;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const WriteBatch::Change change = batch[i];
    rocksdb::ColumnFamilyHandle* into = family(change.family);
    switch (change.kind) {
      case WriteBatch::Kind::put:
        changes.Put(into, to_slice(change.key), to_slice(change.value));
        break;
      case WriteBatch::Kind::append:
        changes.Merge(into, to_slice(change.key), to_slice(change.value));
        break;
      case WriteBatch::Kind::erase:
        changes.Delete(into, to_slice(change.key));
        break;
    }
  }
  rocksdb::WriteOptions options;
  options.sync = sync;
  const auto began = std::chrono::steady_clock::now();
  const rocksdb::Status status = db_->Write(options, &changes);
  if (!status.ok()) return store_unavailable(status);
  return std::chrono::steady_clock::now() - began;
}

Result<void> Store::sync() {
  const rocksdb::Status status = db_->SyncWAL();
  if (!status.ok()) return store_unavailable(status);
  return {};
}

Result<void> Store::drop_below(std::uint64_t slot) {
  watermark_ = slot;
  std::string first_slot, first_joined(20, '\0');
  append_u64_key(first_slot, slot);
  const auto ms = slot << slot_bits;
  for (std::size_t i = 0; i < 6; ++i) first_joined[i] = static_cast<char>(ms >> (40 - 8 * i));
  const std::pair<Family, rocksdb::Slice> ends[] = {{Family::predictions, first_slot},
                                                    {Family::joined, first_joined}};
  for (const auto& [which, end] : ends) {
    const rocksdb::Status status =
        rocksdb::DeleteFilesInRange(db_.get(), family(which), nullptr, &end, false);
    if (!status.ok()) return store_unavailable(status);
  }
  return {};
}

std::uint64_t Store::disk_bytes() const {
  std::uint64_t bytes = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder_ / "db", error)) {
    const std::uint64_t size = entry.file_size(error);
    if (!error) bytes += size;  // A file may go while we look.
  }
  return bytes;
}

std::uint64_t Store::memory_bytes() const {
  std::uint64_t memtables = 0;
  for (rocksdb::ColumnFamilyHandle* handle : families_) {
    std::uint64_t bytes = 0;
    if (db_->GetIntProperty(handle, rocksdb::DB::Properties::kSizeAllMemTables, &bytes)) {
      memtables += bytes;
    }
  }
  return memtables + cache_->GetUsage();
}

void Store::compact_stale() {
  if (compacting_.exchange(true)) return;
  if (compactor_.joinable()) compactor_.join();
  compactor_ = std::thread([this] {
    rocksdb::CompactRangeOptions options;
    options.exclusive_manual_compaction = false;
    options.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
    for (const Family which : {Family::aliases, Family::marks, Family::joined}) {
      if (closing_) break;
      const rocksdb::Status status = db_->CompactRange(options, family(which), nullptr, nullptr);
      if (!status.ok()) {
        spdlog::debug("prediction log: compaction of {} ended: {}", family_name(which),
                      status.ToString());
      }
    }
    compacting_ = false;
  });
}

}  // namespace outrider::truth
