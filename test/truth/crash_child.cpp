// SPDX-License-Identifier: Apache-2.0
// The process that crash_test.cpp kills: it predicts and labels without end, and says on its
// standard output which labels were acknowledged.
//
//   crash_child FOLDER FIRST_SERIAL
// Line "s ID TRUTH": is about to be sent. Line "a ID": was acknowledged as joined. Line "p N": so
// many predictions were accepted so far.
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "test/truth/log_fixture.h"
#include "truth/log/prediction_log.h"

namespace outrider::truth::test {
namespace {

void say(const std::string& text) {
  // One write a message, so that a kill never leaves half a line of an acknowledged label.
  if (::write(1, text.data(), text.size()) < 0) std::_Exit(3);
}

void work(PredictionLog& log, const Clock& clock, std::uint64_t serial) {
  std::mt19937_64 random(serial);
  std::vector<std::pair<std::string, double>> open;
  for (std::uint64_t accepted = 0;;) {
    for (int i = 0; i < 40; ++i, ++serial) {
      const std::string id = format_uuid(make_uuid7(clock.now(), random(), random()));
      const std::string alias = "alias-" + std::to_string(serial);
      const std::string_view aliases[] = {alias};
      const RowView rows[] = {{.prediction = static_cast<double>(serial)}};
      if (!log.append({.id = id,
                       .time = clock.now(),
                       .model_name = "m",
                       .model_version = "v1",
                       .aliases = aliases,
                       .rows = rows})) {
        std::_Exit(4);
      }
      ++accepted;
      open.emplace_back(id, static_cast<double>(serial));
    }
    say("p " + std::to_string(accepted) + "\n");
    std::vector<GroundTruth> labels;
    std::string sent;
    for (int i = 0; i < 20; ++i) {
      const std::size_t at = random() % open.size();
      GroundTruth label;
      label.id = open[at].first;
      label.truth = open[at].second;
      labels.push_back(label);
      sent += "s " + open[at].first + " " + std::to_string(open[at].second) + "\n";
    }
    say(sent);
    const auto answers = log.join(labels);
    if (!answers) std::_Exit(5);
    std::string acknowledged;
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if ((*answers)[i].result == LabelResult::joined)
        acknowledged += "a " + labels[i].id + "\n";
      else if ((*answers)[i].result != LabelResult::duplicate)
        std::_Exit(6);
    }
    say(acknowledged);
  }
}

}  // namespace
}  // namespace outrider::truth::test

int main(int argc, char** argv) {
  using namespace outrider::truth;
  if (argc != 3) return 2;
  outrider::SystemClock clock;
  test::CountingConsumer consumer;
  LogSettings settings;
  settings.folder = argv[1];
  settings.commit_interval = std::chrono::milliseconds(5);
  settings.bytes_max = 256 << 20;
  auto log = PredictionLog::open(settings, consumer, clock);
  if (!log) {
    std::fprintf(stderr, "%s\n", log.error().message.c_str());
    return 7;
  }
  test::work(**log, clock, std::strtoull(argv[2], nullptr, 10));
}
