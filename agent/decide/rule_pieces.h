// SPDX-License-Identifier: Apache-2.0
#pragma once

// The pieces of a policy's rules that stand in several places: templates, numbers, webhooks,
// conditions, targets of executors. PURE; mistakes go to the reader.

#include <string>

#include "agent/decide/policy.h"
#include "base/config/yaml.h"

namespace outrider::decide {

class RulePieces {
 public:
  explicit RulePieces(config::YamlReader& reader) : reader_(reader) {}

  // Of the rule at hand: whether it may name replicas.current and replicas.wanted.
  void set_has_scale(bool has_scale) { has_scale_ = has_scale; }

  Number read_number(const config::Yaml& parent, const char* key);
  Webhook read_webhook(const config::Yaml& yaml);
  Template read_template(const config::Yaml& parent, const std::string& key, Template::Place place);
  // A PromQL expression that must hold (parse_condition of agent/decide/life.h).
  Template read_condition(const config::Yaml& parent, const char* key);
  VerifyRule read_verify(const config::Yaml& yaml);
  Target read_target_of(const std::string& executor, const config::Yaml& yaml);
  QuietHours read_quiet_hours(const config::Yaml& yaml);

  bool has(const config::Yaml& parent, const char* key) const;
  std::string required_text(const config::Yaml& parent, const char* key);
  std::optional<std::int64_t> at_least(const config::Yaml& parent, const char* key,
                                       std::int64_t low);
  Duration positive(const config::Yaml& parent, const char* key, Duration fallback);

 private:
  void read_target(const config::Yaml& yaml, Webhook& webhook);
  std::string read_headers(const config::Yaml& yaml, Webhook& webhook);
  void read_body(const config::Yaml& yaml, const std::string& content_type, Webhook& webhook);
  void read_job(const config::Yaml& yaml, JobWatch& job);
  std::string pointer(const config::Yaml& parent, const char* key, const std::string& fallback);
  wire::Json read_tree(const config::Yaml& yaml, const std::string& place, Target& target);
  void check_fields(const config::Yaml& at, const Template& text);
  std::optional<int> minute_of_day(const config::Yaml& yaml, const char* key);

  config::YamlReader& reader_;
  bool has_scale_ = false;
};

// What templates are tried with when a policy is read; `unknown`: what may be null is.
std::optional<wire::Json> sample_field(std::string_view field, bool unknown);

}  // namespace outrider::decide
