// SPDX-License-Identifier: Apache-2.0
#include "cli/export/export_state.h"

#include "base/wire/json.h"

namespace outrider::cli {
namespace {

using wire::Json;

constexpr std::string_view format = "outrider export 1";

Json subject_json(const ExportSubject& subject) {
  return {{"agent", subject.url},
          {"from", subject.from},
          {"to", subject.to},
          {"model", subject.model},
          {"workload", subject.workload},
          {"namespace", subject.name_space},
          {"cluster", subject.cluster},
          {"format", subject.format},
          {"output", subject.output},
          {"feature", subject.features},
          {"labelled", subject.labelled}};
}

}  // namespace

std::string encode_state(const ExportSubject& subject, const ExportProgress& progress) {
  return wire::to_text(Json{{"format", format},
                            {"export", subject_json(subject)},
                            {"cursor", progress.cursor},
                            {"rows", progress.rows},
                            {"bytes", progress.bytes}}) +
         "\n";
}

Result<ExportProgress> decode_state(std::string_view text, const ExportSubject& subject) {
  const auto json = wire::parse_json(text);
  if (!json || !json->is_object() || json->value("format", "") != format) {
    return fail("bad_state", "is no state of an export");
  }
  const auto stored = json->find("export");
  if (stored == json->end() || !stored->is_object()) return fail("bad_state", "is cut short");
  const Json asked = subject_json(subject);
  for (const auto& [name, value] : asked.items()) {
    const auto other = stored->find(name);
    if (other != stored->end() && *other == value) continue;
    return fail("other_export", "is of another export: --" + name + " was " +
                                    (other == stored->end() ? "absent" : wire::to_text(*other)) +
                                    ", now it is " + wire::to_text(value));
  }
  const auto cursor = json->find("cursor"), rows = json->find("rows"), bytes = json->find("bytes");
  if (cursor == json->end() || !cursor->is_string() || rows == json->end() ||
      !rows->is_number_unsigned() || bytes == json->end() || !bytes->is_number_unsigned()) {
    return fail("bad_state", "is damaged");
  }
  return ExportProgress{cursor->get<std::string>(), rows->get<std::uint64_t>(),
                        bytes->get<std::uint64_t>()};
}

}  // namespace outrider::cli
