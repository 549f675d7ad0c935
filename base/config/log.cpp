// SPDX-License-Identifier: Apache-2.0
#include "base/config/log.h"

#include <spdlog/pattern_formatter.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include <memory>

#include "base/core/text.h"

namespace outrider::config {
namespace {

// %* in a pattern: the message as append_quoted() writes it.
class QuotedMessage final : public spdlog::custom_flag_formatter {
 public:
  void format(const spdlog::details::log_msg& message, const std::tm&,
              spdlog::memory_buf_t& out) override {
    text_.clear();
    append_quoted(text_, {message.payload.data(), message.payload.size()});
    out.append(text_.data(), text_.data() + text_.size());
  }
  std::unique_ptr<custom_flag_formatter> clone() const override {
    return std::make_unique<QuotedMessage>();
  }

 private:
  std::string text_;
};

}  // namespace

void append_quoted(std::string& out, std::string_view text) {
  constexpr char digits[] = "0123456789abcdef";
  const bool is_text = is_valid_utf8(text);
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte >= 0x80 && !is_text) {
      out += "\\ufffd";
    } else if (c == '"' || c == '\\') {
      out += {'\\', c};
    } else if (c == '\n') {
      out += "\\n";
    } else if (c == '\t') {
      out += "\\t";
    } else if (c == '\r') {
      out += "\\r";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\u00";
      out += {digits[byte >> 4], digits[byte & 15]};
    } else {
      out += c;
    }
  }
}

void start_log(const std::string& program, const LogOptions& options) {
  auto formatter = std::make_unique<spdlog::pattern_formatter>(spdlog::pattern_time_type::utc);
  formatter->add_flag<QuotedMessage>('*');
  formatter->set_pattern(
      options.format == "json"
          ? R"({"ts":"%Y-%m-%dT%H:%M:%S.%eZ","level":"%l","program":"%n","msg":"%*"})"
          : "ts=%Y-%m-%dT%H:%M:%S.%eZ level=%l program=%n msg=\"%*\"");
  auto logger = spdlog::stderr_color_mt(program);
  logger->set_level(spdlog::level::from_str(options.level));
  logger->set_formatter(std::move(formatter));
  logger->flush_on(spdlog::level::info);
  spdlog::set_default_logger(std::move(logger));
}

}  // namespace outrider::config
