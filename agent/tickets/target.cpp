// SPDX-License-Identifier: Apache-2.0
#include "agent/tickets/target.h"

#include <algorithm>
#include <array>

#include "base/core/enum_names.h"
#include "base/core/text.h"
#include "base/net/address.h"

namespace outrider::tickets {
namespace {

using wire::Json;

constexpr std::array<EnumName<System>, 3> systems = {
    {{System::github, "github"}, {System::jira, "jira"}, {System::pagerduty, "pagerduty"}}};
constexpr std::array<std::string_view, 9> keys = {
    "kind",   "url",         "repository", "project", "issue_type", "ca_file", "credentials_file",
    "labels", "update_every"};
constexpr std::size_t labels_max = 20, label_max = 50, text_max = 500;

bool all_of(std::string_view text, std::string_view more) {
  return std::all_of(text.begin(), text.end(), [more](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           more.find(c) != std::string_view::npos;
  });
}

class Reader {
 public:
  explicit Reader(const Json& json) : json_(json) {}

  Result<Target> read() {
    if (!json_.is_object()) return fail("bad_target", "ticket: expected keys, first `kind`");
    for (const auto& [key, value] : json_.items()) {
      if (std::find(keys.begin(), keys.end(), key) == keys.end()) mistake(key, "is no key here");
    }
    const auto system = parse_enum_name(systems, text("kind"));
    if (!system) return fail("bad_target", "ticket.kind: expected github, jira or pagerduty");
    target_.system = *system;
    read_place();
    read_url();
    target_.credentials_file = text("credentials_file");
    if (target_.credentials_file.empty())
      mistake("credentials_file", "is missing: a file with the token");
    target_.ca_file = text("ca_file");
    read_labels();
    if (json_.contains("update_every")) {
      const auto every = parse_duration(text("update_every"));
      if (!every || *every < std::chrono::seconds(1))
        mistake("update_every", "expected a duration of 1s or more, such as 5m");
      target_.update_every = every.value_or(target_.update_every);
    }
    if (!mistakes_.empty()) return fail("bad_target", mistakes_);
    return target_;
  }

 private:
  void mistake(const std::string& key, const std::string& what) {
    mistakes_ += (mistakes_.empty() ? "ticket." : "\nticket.") + key + ": " + what;
  }

  // Control characters, quotes and backslashes have no place in any of them, whatever a placeholder
  // brought.
  std::string text(const std::string& key) {
    const auto found = json_.find(key);
    if (found == json_.end() || found->is_null()) return {};
    const std::string value = found->is_string() ? found->get<std::string>() : found->dump();
    const bool odd = std::any_of(value.begin(), value.end(), [](char c) {
      return static_cast<unsigned char>(c) < 0x20 || c == '"' || c == '\\';
    });
    if (odd || value.size() > text_max) {
      mistake(key, "expected a text of at most " + std::to_string(text_max) +
                       " bytes without quotes, backslashes and control characters");
      return {};
    }
    return value;
  }

  void only(System system, const char* key) {
    if (target_.system != system && json_.contains(key))
      mistake(key, "belongs to kind " + std::string(name(system)));
  }

  void read_place() {
    only(System::github, "repository");
    only(System::jira, "project");
    only(System::jira, "issue_type");
    if (target_.system == System::github) {
      target_.repository = text("repository");
      const std::size_t slash = target_.repository.find('/');
      const bool good =
          slash != std::string::npos && slash > 0 && slash + 1 < target_.repository.size() &&
          target_.repository.find('/', slash + 1) == std::string::npos &&
          all_of(target_.repository, "/._-") && target_.repository.find("..") == std::string::npos;
      if (!good) mistake("repository", "expected OWNER/NAME");
    } else if (target_.system == System::jira) {
      target_.project = text("project");
      if (target_.project.empty() || !all_of(target_.project, "_"))
        mistake("project", "expected the project's key, such as OPS");
      if (json_.contains("issue_type")) target_.issue_type = text("issue_type");
      if (target_.issue_type.empty()) mistake("issue_type", "expected its name, such as Task");
    }
  }

  void read_url() {
    target_.url = net::without_slash(text("url"));
    if (target_.url.empty()) {
      if (target_.system == System::github) target_.url = "https://api.github.com";
      if (target_.system == System::pagerduty) target_.url = "https://events.pagerduty.com";
      if (target_.system == System::jira) mistake("url", "is missing: Jira's address");
      return;
    }
    const bool has_scheme =
        target_.url.starts_with("https://") || target_.url.starts_with("http://");
    if (!has_scheme || target_.url.find_first_of("?#@ ") != std::string::npos)
      mistake("url", "expected http(s)://HOST[/PATH] without a query or a user");
  }

  void read_labels() {
    const auto found = json_.find("labels");
    if (found == json_.end()) return;
    if (target_.system == System::pagerduty) mistake("labels", "PagerDuty's events have none");
    if (!found->is_array() || found->size() > labels_max)
      return mistake("labels", "expected a list of at most " + std::to_string(labels_max));
    for (const Json& label : *found) {
      const std::string text = label.is_string() ? label.get<std::string>() : "";
      if (text.empty() || text.size() > label_max ||
          (target_.system == System::jira && text.find(' ') != std::string::npos)) {
        return mistake("labels", "expected texts of at most " + std::to_string(label_max) +
                                     " bytes, of Jira's without blanks");
      }
      target_.labels.push_back(text);
    }
  }

  const Json& json_;
  Target target_;
  std::string mistakes_;
};

}  // namespace

std::string_view name(System system) {
  return enum_name(systems, system);
}

Result<Target> parse_target(const Json& json) {
  return Reader(json).read();
}

bool takes_placeholder(std::string_view place) {
  return place == "/repository" || place == "/project" || place == "/issue_type" ||
         place.starts_with("/labels/");
}

}  // namespace outrider::tickets
