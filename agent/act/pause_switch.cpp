// SPDX-License-Identifier: Apache-2.0
#include "agent/act/pause_switch.h"

#include <filesystem>

#include "base/config/yaml.h"
#include "base/core/text.h"

namespace outrider::act {
namespace {

constexpr const char* word_name = "paused";
constexpr Duration look_every = std::chrono::seconds(1);
constexpr std::size_t file_bytes_max = 64 << 10;

bool says_off(std::string_view text) {
  const std::string word = lower_ascii(trim(text));
  return word.empty() || word == "false" || word == "off" || word == "no" || word == "0";
}

}  // namespace

PauseSwitch::PauseSwitch(bool paused_by_option, std::string file, Journal& journal,
                         const Clock& clock)
    : by_option_(paused_by_option),
      file_(std::move(file)),
      journal_(journal),
      clock_(clock),
      word_(journal.word(word_name)) {}

void PauseSwitch::look_at_file() const {
  const Time now = clock_.now();
  if (file_.empty() || (looked_at_ && now >= *looked_at_ && now - *looked_at_ < look_every)) return;
  looked_at_ = now;
  std::error_code error;
  const bool is_there = std::filesystem::exists(file_, error);
  by_file_.clear();
  if (!is_there && !error) return;
  const auto text = config::read_file(file_, file_bytes_max);
  if (!text) {
    by_file_ = "paused, as its pause file cannot be read: " + text.error().message;
  } else if (!says_off(*text)) {
    by_file_ = "paused by the file " + std::filesystem::path(file_).filename().string();
  }
}

std::string PauseSwitch::reason() const {
  std::lock_guard lock(mutex_);
  if (by_option_) return "paused by --actions.paused";
  if (word_) {
    return "paused by " + word_->by + (word_->why.empty() ? "" : ": " + word_->why);
  }
  look_at_file();
  return by_file_;
}

PauseSwitch::Held PauseSwitch::held() const {
  std::lock_guard lock(mutex_);
  look_at_file();
  return {.option = by_option_, .file = !by_file_.empty(), .person = word_.has_value()};
}

void PauseSwitch::collect(wire::MetricSink& sink) {
  const Held hands = held();
  sink.family({"outrider_agent_actions_paused", wire::MetricType::gauge,
               "1 while the kill switch is held, so that nothing that changes production is sent, "
               "by who holds it."});
  for (const auto& [by, holds] : {std::pair{"file", hands.file}, std::pair{"option", hands.option},
                                  std::pair{"person", hands.person}}) {
    sink.value(wire::SeriesKey({{"by", by}}), holds ? 1 : 0);
  }
}

void PauseSwitch::pause(const std::string& by, const std::string& why) {
  std::lock_guard lock(mutex_);
  const Journal::Word word{.by = by, .why = why, .at = clock_.now()};
  journal_.set_word(word_name, word);
  word_ = word;
}

void PauseSwitch::resume() {
  std::lock_guard lock(mutex_);
  journal_.set_word(word_name, std::nullopt);
  word_.reset();
  looked_at_.reset();  // A file of the last second must hold what this hand lets go.
}

}  // namespace outrider::act
