// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/housekeeping.h"

#include <spdlog/spdlog.h>

#include <chrono>
#include <memory>
#include <utility>
#include <vector>

#include "base/config/files.h"
#include "base/core/text.h"
#include "reference/reference_json.h"
#include "sidecar/monitor/state/input_state_file.h"

namespace outrider::monitor {
namespace {

using namespace std::chrono_literals;

constexpr Duration references_every = 5s;
constexpr Duration states_every = 60s;
constexpr Duration log_retry_every = 1s;

}  // namespace

Housekeeping::Housekeeping(const std::filesystem::path& folder, const ModelConfig& config,
                           GuardedMonitor& guarded, LogHolder& log, const Clock& clock)
    : folder_(folder),
      guarded_(guarded),
      log_(log),
      clock_(clock),
      references_(folder / "provisional"),
      new_places_(config) {
  restore_inputs();
  refresh_references();
}

void Housekeeping::start() {
  thread_ = std::jthread([this](const std::stop_token& stop) { run(stop); });
}

void Housekeeping::stop() {
  if (!thread_.joinable()) return;
  thread_.request_stop();
  bell_.notify_all();
  thread_.join();
  save_inputs();
}

void Housekeeping::configure(const ModelConfig& config) {
  {
    const std::lock_guard hold(lock_);
    new_places_ = config;
    called_ = true;
  }
  bell_.notify_all();
}

bool Housekeeping::wait(const std::stop_token& stop) {
  std::unique_lock hold(lock_);
  bell_.wait_for(hold, stop, 1s, [this] { return called_; });
  return std::exchange(called_, false);
}

void Housekeeping::run(const std::stop_token& stop) {
  auto saved = std::chrono::steady_clock::now();
  auto tried = saved, looked = saved;
  while (true) {
    const bool called = wait(stop);
    if (stop.stop_requested()) return;
    const auto now = std::chrono::steady_clock::now();
    bool new_version = false;
    {
      const std::lock_guard hold(guarded_.lock);
      new_version = guarded_.monitor.take_wants_references();
    }
    if (new_version || called || now - looked >= references_every) {
      looked = now;
      refresh_references();
    }
    build_provisional();
    if (now - tried >= log_retry_every) {
      tried = now;
      log_.open();
    }
    if (now - saved >= states_every) {
      saved = now;
      save_inputs();
    }
  }
}

void Housekeeping::refresh_references() {
  {
    const std::lock_guard hold(lock_);
    if (new_places_) references_.move_to(*new_places_);
    new_places_.reset();
  }
  const auto changed = references_.refresh();
  for (const std::string& problem : references_.problems()) {
    spdlog::warn("reference: {}", problem);
  }
  if (!changed.any()) return;
  auto all = references_.references();
  const std::lock_guard hold(guarded_.lock);
  for (const auto& reference : all) {
    if (!changed.trained || !reference->statistics || reference->statistics->provisional) continue;
    const VersionName subject = guarded_.monitor.subject_of(*reference);
    if (subject.version != "unknown") continue;
    spdlog::warn(
        "a reference of {} names no model version and judges only predictions without one: name it "
        "with profile --model.version, or write the version into the model configuration",
        subject.model);
  }
  guarded_.monitor.set_references(std::move(all), clock_.now());
}

void Housekeeping::build_provisional() {
  std::vector<Monitor::Learned> learned;
  {
    const std::lock_guard hold(guarded_.lock);
    learned = guarded_.monitor.take_learned();
  }
  for (auto& [name, rows] : learned) {
    auto built = rows->build(name.model, name.version, clock_.now());
    if (!built) {
      spdlog::warn("provisional reference of {}/{}: {}", name.model, name.version,
                   built.error().message);
      continue;
    }
    const std::string text = reference::to_json(*built);
    auto parsed = reference::parse(text);  // With the document's hash, as it will be read again.
    if (!parsed) continue;
    const auto file = folder_ / "provisional" /
                      (percent_encode(name.model) + "@" + percent_encode(name.version) + ".json");
    if (auto ok = config::replace_file(file, text); !ok) spdlog::warn("{}", ok.error().message);
    spdlog::info("learned a provisional reference of {}/{} from {} predictions", name.model,
                 name.version, rows->rows());
    const std::lock_guard hold(guarded_.lock);
    guarded_.monitor.set_provisional(
        std::make_shared<const reference::ModelReference>(std::move(*parsed)), clock_.now());
  }
}

void Housekeeping::save_inputs() {
  std::vector<Monitor::InputState> states;
  {
    const std::lock_guard hold(guarded_.lock);
    states = guarded_.monitor.input_states();
    if (guarded_.monitor.blobs_refused() > refusals_told_) {
      refusals_told_ = guarded_.monitor.blobs_refused();
      spdlog::warn("state on disk refused: {}", guarded_.monitor.last_refusal());
    }
  }
  if (auto ok = write_input_states(folder_ / "inputs.state", states); !ok) {
    spdlog::warn("state of the inputs: {}", ok.error().message);
  }
}

void Housekeeping::restore_inputs() {
  auto states = read_input_states(folder_ / "inputs.state");
  if (!states) {
    spdlog::warn("state of the inputs starts afresh: {}", states.error().message);
    return;
  }
  const std::lock_guard hold(guarded_.lock);
  for (auto& state : *states) guarded_.monitor.restore_input_state(std::move(state));
}

}  // namespace outrider::monitor
