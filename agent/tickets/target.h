// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a rule of the policy says about its ticket. PURE.
//
//   ticket:
//     kind: github                       # or jira, pagerduty
//     repository: acme/shop              # github
//     project: OPS                       # jira; issue_type: Task
//     url: https://jira.example          # jira; of the others where it is not the public service
//     credentials_file: /run/secrets/github-token
//     labels: [incident]                 # github, jira
//     update_every: 5m                   # what is new is told after that at the soonest; the end
//                                        # and a reopening at once
//
// Placeholders may stand in `repository`, `project`, `issue_type` and `labels`, never in what says
// who is asked and with which secret.

#include <string>
#include <string_view>
#include <vector>

#include "base/core/clock.h"
#include "base/core/result.h"
#include "base/wire/json.h"

namespace outrider::tickets {

enum class System { github, jira, pagerduty };
std::string_view name(System system);

struct Target {
  System system = System::github;
  std::string url;                           // Without a slash at its end.
  std::string repository;                    // github: "acme/shop".
  std::string project, issue_type = "Task";  // jira.
  // GitHub's token; PagerDuty's routing key; Jira's token, or "user:token" for Basic.
  std::string credentials_file;
  std::string ca_file;  // Empty: the system's authorities.
  std::vector<std::string> labels;
  Duration update_every = std::chrono::minutes(5);
};

// Error "bad_target": every mistake, one a line, with what to write.
Result<Target> parse_target(const wire::Json& json);

// Whether a placeholder may stand at this place (a JSON pointer, "/labels/0").
bool takes_placeholder(std::string_view place);

}  // namespace outrider::tickets
