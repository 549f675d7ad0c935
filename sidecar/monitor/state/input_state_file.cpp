// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/state/input_state_file.h"

#include "base/config/files.h"
#include "base/config/yaml.h"
#include "detectors/snapshot.h"

namespace outrider::monitor {
namespace {

constexpr std::string_view kind = "OINP";
constexpr std::uint16_t version = 1;
constexpr std::uint64_t states_max = 1'000;

}  // namespace

Result<void> write_input_states(const std::filesystem::path& file,
                                const std::vector<monitor::Monitor::InputState>& states) {
  detectors::SnapshotWriter out(kind, version);
  out.u64(states.size());
  for (const auto& state : states) {
    out.text(state.name.model);
    out.text(state.name.version);
    out.text(state.reference);
    out.text(state.bytes);
  }
  return config::replace_file(file, out.finish());
}

Result<std::vector<monitor::Monitor::InputState>> read_input_states(
    const std::filesystem::path& file) {
  std::vector<monitor::Monitor::InputState> states;
  std::error_code ignored;
  if (!std::filesystem::exists(file, ignored)) return states;
  const auto bytes = config::read_file(file, std::size_t{1} << 30);
  if (!bytes) return fail(bytes);
  auto in = detectors::SnapshotReader::open(*bytes, kind, version);
  if (!in) return fail(in);
  const std::uint64_t count = std::min(in->u64(), states_max);
  for (std::uint64_t i = 0; i < count; ++i) {
    monitor::Monitor::InputState state;
    state.name.model = in->text();
    state.name.version = in->text();
    state.reference = in->text();
    state.bytes = in->text();
    states.push_back(std::move(state));
  }
  if (auto whole = in->finish(); !whole) return fail(whole);
  return states;
}

}  // namespace outrider::monitor
