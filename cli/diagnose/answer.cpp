// SPDX-License-Identifier: Apache-2.0
#include "cli/diagnose/answer.h"

#include <cmath>

#include "agent/diagnose/evidence.h"
#include "base/core/text.h"

namespace outrider::cli {
namespace {

using diagnose::Cause;
using wire::Json;

constexpr std::size_t others_shown = 3;

std::string rfc3339(double seconds) {
  return format_rfc3339(Time(from_seconds(seconds)));
}

std::string percent(double share) {
  return std::to_string(std::lround(100 * share)) + " %";
}

std::string named(const diagnose::Question& question, const Cause& cause) {
  const std::string kind = cause.kind == "unknown" ? "" : cause.kind + ", ";
  return question.components[cause.component] + " (" + kind + percent(cause.probability) + ")";
}

}  // namespace

Json diagnosis_json(const diagnose::Question& question, const diagnose::Diagnosis& diagnosis,
                    const std::vector<ToldChange>& told) {
  Json causes = Json::array();
  for (const Cause& cause : diagnosis.causes) {
    causes.push_back({{"component", question.components[cause.component]},
                      {"kind", cause.kind},
                      {"probability", cause.probability},
                      {"score", cause.score},
                      {"onset", cause.onset ? Json(rfc3339(*cause.onset)) : Json()},
                      {"evidence", cause.evidence}});
  }
  return {{"verdict", diagnosis.named ? "cause" : "insufficient_evidence"},
          {"p", diagnosis.p},
          {"reason", diagnosis.reason},
          {"causes", causes},
          {"change", diagnosis.blamed ? told[*diagnosis.blamed].told : Json()}};
}

std::string diagnosis_text(const diagnose::Question& question,
                           const diagnose::Diagnosis& diagnosis) {
  std::string out;
  const auto& causes = diagnosis.causes;
  if (diagnosis.named) {
    out += "cause: " + named(question, causes.front()) + "\n";
    if (diagnosis.blamed) {
      out += "change: " +
             diagnose::change_sentence(question.components[causes.front().component],
                                       question.changes[*diagnosis.blamed]) +
             "\n";
    }
  } else {
    out += "insufficient evidence: " + diagnosis.reason + "\n";
    if (!causes.empty() && !causes.front().evidence.empty())
      out += "most suspect: " + named(question, causes.front()) + "\n";
  }
  if (causes.empty()) return out;
  for (const std::string& sentence : causes.front().evidence) out += "  " + sentence + "\n";
  std::string others;
  for (std::size_t i = 1; i < causes.size() && i <= others_shown; ++i) {
    if (causes[i].evidence.empty()) break;
    others += (others.empty() ? "" : ", ") + named(question, causes[i]);
  }
  if (!others.empty()) out += "then: " + others + "\n";
  return out;
}

}  // namespace outrider::cli
