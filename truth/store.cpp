// SPDX-License-Identifier: Apache-2.0
#include "truth/store.h"

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
#include <spdlog/spdlog.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <numeric>

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

Failure unavailable(const rocksdb::Status& status) {
  return fail("log_unavailable", "the prediction log cannot be used now: " + status.ToString() +
                                     "; send the labels again later");
}

Failure corrupt(const fs::path& folder, const std::string& what) {
  return fail("log_corrupt",
              "the prediction log in " + folder.string() + " is damaged (" + what +
                  "). To go on without its pending predictions, move the folder away (mv " +
                  folder.string() + " " + folder.string() + ".damaged) and start again");
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
  return corrupt(folder, text);
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
    return corrupt(folder, "the file " + std::string(marker_name) + " says '" + line + "'");
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
    if (entry.path().extension() == ".sst") return corrupt(folder, "the file CURRENT is missing");
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

std::string segment_key(std::uint64_t start) {
  std::string key(meta_segment_prefix);
  append_u64_key(key, start);
  return key;
}

std::string stream_key(const Uuid& id) {
  std::string key(meta_stream_prefix);
  key.append(reinterpret_cast<const char*>(id.bytes.data()), id.bytes.size());
  return key;
}

std::string feature_key(std::uint32_t index) {
  std::string key(meta_feature_prefix);
  append_u32_key(key, index);
  return key;
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
        return value.size() < 8 ? 0 : read_u64_key(value);
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

Result<Store::Kept> Store::load() {
  Kept kept;
  const std::unique_ptr<rocksdb::Iterator> meta(
      db_->NewIterator(rocksdb::ReadOptions(), family(Family::meta)));
  for (meta->SeekToFirst(); meta->Valid(); meta->Next()) {
    const std::string_view key = to_view(meta->key()), value = to_view(meta->value());
    if (key.starts_with(meta_segment_prefix) && key.size() == meta_segment_prefix.size() + 8) {
      const auto segment = decode_segment(value);
      if (!segment) return corrupt(folder_, "a segment's entry does not decode");
      kept.segments[read_u64_key(key.substr(meta_segment_prefix.size()))] = *segment;
    } else if (key.starts_with(meta_feature_prefix)) {
      kept.feature_names.emplace_back(value);
    } else if (key.starts_with(meta_state_prefix)) {
      kept.state.push_back({std::string(key.substr(meta_state_prefix.size())), std::string(value)});
    } else if (key.starts_with(meta_stream_prefix) &&
               key.size() == meta_stream_prefix.size() + sizeof(Uuid)) {
      const auto stream = decode_stream(value);
      if (!stream) return corrupt(folder_, "a stream's entry does not decode");
      Uuid id;
      std::memcpy(id.bytes.data(), key.data() + meta_stream_prefix.size(), id.bytes.size());
      kept.streams.emplace_back(id, *stream);
    } else if (key == meta_watermark && value.size() == 8) {
      watermark_ = read_u64_key(value);
    } else if (key == meta_written && value.size() == 8) {
      kept.written = read_u64_key(value);
    }
  }
  if (!meta->status().ok()) return corrupt(folder_, meta->status().ToString());

  const std::unique_ptr<rocksdb::Iterator> early(
      db_->NewIterator(rocksdb::ReadOptions(), family(Family::early)));
  for (early->SeekToFirst(); early->Valid(); early->Next()) {
    const auto held = decode_held(to_view(early->value()));
    if (!held || early->key().size() != 8) return corrupt(folder_, "a held label does not decode");
    kept.held.emplace_back(read_u64_key(to_view(early->key())), *held);
  }
  if (!early->status().ok()) return corrupt(folder_, early->status().ToString());
  return kept;
}

Result<void> Store::write(rocksdb::WriteBatch& batch, bool sync) {
  rocksdb::WriteOptions options;
  options.sync = sync;
  const rocksdb::Status status = db_->Write(options, &batch);
  if (!status.ok()) return unavailable(status);
  return {};
}

Result<void> Store::sync() {
  const rocksdb::Status status = db_->SyncWAL();
  if (!status.ok()) return unavailable(status);
  return {};
}

Result<void> Store::raise_watermark(std::uint64_t slot, rocksdb::WriteBatch& batch) {
  std::string value;
  append_u64_key(value, slot);
  batch.Put(family(Family::meta), to_slice(meta_watermark), value);
  if (auto written = write(batch, true); !written) return written;
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
    if (!status.ok()) return unavailable(status);
  }
  return {};
}

Result<std::vector<LookedUp>> Store::look_up(std::span<const PredictionKey> keys) const {
  std::vector<LookedUp> found(keys.size());
  if (keys.empty()) return found;
  Order order(keys.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  const auto by_key = [&](std::size_t a, std::size_t b) { return keys[a] < keys[b]; };
  if (!std::is_sorted(order.begin(), order.end(), by_key)) {
    std::sort(order.begin(), order.end(), by_key);
  }
  if (auto ok = look_up_joined(keys, order, found); !ok) return fail(ok);
  if (auto ok = look_up_predictions(keys, order, found); !ok) return fail(ok);
  return found;
}

Result<void> Store::look_up_joined(std::span<const PredictionKey> keys, const Order& order,
                                   std::vector<LookedUp>& found) const {
  std::vector<std::string> names(keys.size());
  std::vector<rocksdb::Slice> slices(keys.size());
  for (std::size_t i = 0; i < order.size(); ++i) {
    names[i] = prediction_key(keys[order[i]]);
    slices[i] = names[i];
  }
  std::vector<rocksdb::PinnableSlice> values(keys.size());
  std::vector<rocksdb::Status> statuses(keys.size());
  db_->MultiGet(rocksdb::ReadOptions(), family(Family::joined), keys.size(), slices.data(),
                values.data(), statuses.data(), true);
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (statuses[i].IsNotFound()) continue;
    if (!statuses[i].ok()) return unavailable(statuses[i]);
    LookedUp& entry = found[order[i]];
    entry.joined = true;
    if (const auto model = joined_model(to_view(values[i]))) {
      entry.joined_name = model->name;
      entry.joined_version = model->version;
      entry.rows = model->rows;
    }
  }
  return {};
}

Result<void> Store::look_up_predictions(std::span<const PredictionKey> keys, const Order& order,
                                        std::vector<LookedUp>& found) const {
  std::vector<std::uint64_t> slots;
  for (const std::size_t i : order) {
    const std::uint64_t slot = slot_of(keys[i].id);
    if (!found[i].joined && (slots.empty() || slots.back() != slot)) slots.push_back(slot);
  }
  std::string names;
  for (const std::uint64_t slot : slots) append_u64_key(names, slot);
  std::vector<rocksdb::Slice> slices;
  for (std::size_t i = 0; i < slots.size(); ++i) slices.emplace_back(names.data() + 8 * i, 8);
  std::vector<rocksdb::PinnableSlice> values(slots.size());
  std::vector<rocksdb::Status> statuses(slots.size());
  db_->MultiGet(rocksdb::ReadOptions(), family(Family::predictions), slots.size(), slices.data(),
                values.data(), statuses.data(), true);
  for (const rocksdb::Status& status : statuses) {
    if (!status.ok() && !status.IsNotFound()) return unavailable(status);
  }
  std::size_t at = 0;
  RowFinder finder;
  for (const std::size_t i : order) {
    if (found[i].joined) continue;
    while (slots[at] != slot_of(keys[i].id)) ++at;
    if (statuses[at].ok()) {
      found[i].prediction = finder.find(to_view(values[at]), keys[i], found[i].rows);
    }
  }
  return {};
}

Result<std::vector<std::vector<NamedPrediction>>> Store::find_named(
    std::span<const Uuid> hashes, std::span<const Scope* const> scopes) const {
  constexpr std::size_t looks_max = 64;
  std::vector<std::vector<NamedPrediction>> found(hashes.size());
  if (hashes.empty()) return found;
  rocksdb::ReadOptions options;
  options.prefix_same_as_start = true;
  const std::unique_ptr<rocksdb::Iterator> cursor(
      db_->NewIterator(options, family(Family::aliases)));
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    const rocksdb::Slice prefix(reinterpret_cast<const char*>(hashes[i].bytes.data()), 16);
    std::size_t looks = 0;
    for (cursor->Seek(prefix); cursor->Valid() && found[i].size() < 2 && looks < looks_max;
         cursor->Next(), ++looks) {
      if (scopes[i] && !may_hold(*scopes[i], to_view(cursor->value()))) continue;
      const auto named = decode_name_key(to_view(cursor->key()));
      if (named && slot_of(named->id) >= watermark()) found[i].push_back(*named);
    }
    if (!cursor->status().ok()) return unavailable(cursor->status());
  }
  return found;
}

Result<bool> Store::has_mark(const std::string& key) const {
  std::string value;
  const rocksdb::Status status =
      db_->Get(rocksdb::ReadOptions(), family(Family::marks), key, &value);
  if (status.IsNotFound()) return false;
  if (!status.ok()) return unavailable(status);
  return value.size() == 8 && read_u64_key(value) >= watermark();
}

Result<void> Store::scan_joined(Time since,
                                const std::function<bool(const JoinedRow&)>& on_row) const {
  rocksdb::ReadOptions options;
  options.fill_cache = false;
  options.readahead_size = 1 << 20;
  const std::unique_ptr<rocksdb::Iterator> rows(db_->NewIterator(options, family(Family::joined)));
  std::string start;
  append_u64_key(start, std::max(watermark(), slot_of(since)) << (slot_bits + 16));
  for (rows->Seek(start); rows->Valid() && !closing_; rows->Next()) {
    const auto row = decode_joined(to_view(rows->key()), to_view(rows->value()));
    if (!row) return corrupt(folder_, "a joined row does not decode");
    if (row->predicted < since) continue;
    if (!on_row(*row)) return {};
  }
  if (!rows->status().ok()) return unavailable(rows->status());
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
