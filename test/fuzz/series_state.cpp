// SPDX-License-Identifier: Apache-2.0
// The series' state file from a disk that lies: it is refused whole, or the watch goes on from it,
// raises and ends what it finds, and writes a file that the next start takes.
#include "agent/watch/series_watch.h"

#include <spdlog/spdlog.h>
#include <unistd.h>

#include <array>
#include <filesystem>
#include <fstream>

#include "test/fuzz/checksummed.h"
#include "test/fuzz/require.h"
#include "test/support/fake_clock.h"

using namespace outrider;
using fuzz::require;

namespace {

namespace fs = std::filesystem;

// As test/agent/watch writes them: the fingerprints of what the corpus was made with.
constexpr std::array<series::Fingerprint, 2> known = {{{11, 12}, {21, 22}}};

class Folder {
 public:
  Folder() { fs::create_directories(path_); }
  ~Folder() { fs::remove_all(path_); }
  std::string state() const { return (path_ / "series.state").string(); }

 private:
  // In memory where there is such a place: each run writes and syncs several files.
  fs::path path_ = (fs::exists("/dev/shm") ? fs::path("/dev/shm") : fs::temp_directory_path()) /
                   ("outrider_fuzz_" + std::to_string(::getpid()));
};

struct Directory final : series::SeriesDirectory {
  Labels labels_of(std::size_t, std::uint32_t slot) const override {
    return {{"__name__", slot == 0 ? "queue" : "calls_total"}, {"job", "shop"}};
  }
};

class Fleet {
 public:
  explicit Fleet(const std::string& state) {
    series_watch_ = std::make_unique<watch::SeriesWatch>(
        watch::SeriesWatch::Settings{.partitions = 1, .watched_max = 4, .state_file = state},
        series::WatchRules::everything(), clock_,
        watch::SeriesWatch::Dependencies{[](const wire::AlertWebhook&) {}, {}, {}});
    series_watch_->set_directory(
        [this](std::size_t) -> const series::SeriesDirectory& { return directory_; });
  }

  void run() {
    for (int i = 0; i < 3; ++i, clock_.advance(std::chrono::minutes(1))) {
      for (std::uint32_t slot = 0; slot < 2; ++slot) send(slot, i == 1 ? 1e6 : 50, i == 0);
      for (std::uint32_t slot = 2; slot < 4; ++slot) send(slot, 100 * i, i == 0);
      series_watch_->round();
    }
    clock_.advance(std::chrono::hours(25));
    series_watch_->round();
    require(series_watch_->anomalies().contains("anomalies"), "anomalies are listed");
  }

 private:
  void send(std::uint32_t slot, double value, bool is_new) {
    const Labels labels = directory_.labels_of(0, slot);
    std::vector<LabelView> views;
    if (slot < 2) {
      for (const Label& label : labels) views.push_back({label.name, label.value});
    } else {
      views = {{"__name__", "took_bucket"}, {"le", slot == 2 ? "1" : "+Inf"}};
    }
    const Sample sample{to_unix_ms(clock_.now()), value};
    series::IncomingSeries one;
    one.slot = slot;
    one.is_new = is_new;
    one.fingerprint = slot < 2 ? known[slot] : series::Fingerprint{31 + slot, 32};
    one.labels = views;
    one.samples = {&sample, 1};
    series_watch_->take(0, {&one, 1});
  }

  test::FakeClock clock_;
  Directory directory_;
  std::unique_ptr<watch::SeriesWatch> series_watch_;
};

// Every chunk's checksum put right, as far as the lengths lead.
std::string repaired(const std::string& bytes) {
  std::string made;
  std::size_t at = 0;
  while (bytes.size() - at >= 4) {
    std::size_t size = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      size |= static_cast<std::size_t>(static_cast<unsigned char>(bytes[at + i])) << (8 * i);
    }
    if (size > bytes.size() - at - 4) break;
    made += bytes.substr(at, 4) + fuzz::with_checksum(bytes.substr(at + 4, size));
    at += 4 + size;
  }
  return made + bytes.substr(at);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const Folder folder;
  spdlog::set_level(spdlog::level::off);
  const std::string raw(reinterpret_cast<const char*>(data), size);
  for (const std::string& bytes : {raw, repaired(raw)}) {
    std::ofstream(folder.state(), std::ios::binary) << bytes;
    fs::remove(folder.state() + ".refused");
    Fleet(folder.state()).run();
    fs::remove(folder.state() + ".refused");
    { const Fleet next(folder.state()); }
    require(!fs::exists(folder.state() + ".refused"), "what was saved is taken");
  }
  return 0;
}
