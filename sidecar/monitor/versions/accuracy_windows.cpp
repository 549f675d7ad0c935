// SPDX-License-Identifier: Apache-2.0
#include "sidecar/monitor/versions/accuracy_windows.h"

namespace outrider::monitor {
namespace {

std::int64_t pane_number(Time now, std::int64_t span_ns) {
  return now.time_since_epoch().count() / span_ns;
}

}  // namespace

std::string_view to_string(Window window) {
  switch (window) {
    case Window::five_minutes:
      return "5m";
    case Window::hour:
      return "1h";
    case Window::day:
      return "24h";
  }
  return "";
}

AccuracyWindows::AccuracyWindows() {
  using namespace std::chrono_literals;
  const Duration spans[] = {10s, 5min, 1h};
  const std::size_t sizes[] = {30, 12, 24};
  for (std::size_t i = 0; i < rings_.size(); ++i) {
    rings_[i].span_ns = spans[i].count();
    rings_[i].size = sizes[i];
  }
}

void AccuracyWindows::add(Time now, bool correct) {
  for (Ring& ring : rings_) {
    const std::int64_t number = pane_number(now, ring.span_ns);
    Pane& pane = ring.panes[static_cast<std::size_t>(number) % ring.size];
    if (pane.number != number) pane = Pane{number, {}};
    ++(correct ? pane.counts.correct : pane.counts.wrong);
  }
}

OutcomeCounts AccuracyWindows::sum(Window window, Time now) const {
  const Ring& ring = rings_[static_cast<std::size_t>(window)];
  const std::int64_t newest = pane_number(now, ring.span_ns);
  OutcomeCounts total;
  for (std::size_t i = 0; i < ring.size; ++i) {
    const Pane& pane = ring.panes[i];
    const bool inside =
        pane.number <= newest && pane.number > newest - static_cast<std::int64_t>(ring.size);
    if (!inside) continue;
    total.correct += pane.counts.correct;
    total.wrong += pane.counts.wrong;
  }
  return total;
}

Duration AccuracyWindows::covered(Window window, Time now) const {
  const Ring& ring = rings_[static_cast<std::size_t>(window)];
  const std::int64_t open = now.time_since_epoch().count() % ring.span_ns;
  return Duration{static_cast<std::int64_t>(ring.size - 1) * ring.span_ns + open};
}

void AccuracyWindows::write(detectors::SnapshotWriter& out) const {
  for (const Ring& ring : rings_) {
    for (std::size_t i = 0; i < ring.size; ++i) {
      out.i64(ring.panes[i].number);
      out.u64(ring.panes[i].counts.correct);
      out.u64(ring.panes[i].counts.wrong);
    }
  }
}

void AccuracyWindows::read(detectors::SnapshotReader& in) {
  for (Ring& ring : rings_) {
    for (std::size_t i = 0; i < ring.size; ++i) {
      ring.panes[i].number = in.i64();
      ring.panes[i].counts.correct = in.u64();
      ring.panes[i].counts.wrong = in.u64();
    }
  }
}

}  // namespace outrider::monitor
