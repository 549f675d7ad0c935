// SPDX-License-Identifier: Apache-2.0
// The files of `outrider diagnose`. Whatever the bytes: in which pieces they come changes nothing,
// what is read is ascending in time and finite, and a diagnosis of it has probabilities.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>

#include "agent/diagnose/diagnosis.h"
#include "cli/diagnose/answer.h"
#include "cli/diagnose/inputs.h"
#include "test/fuzz/require.h"

using namespace outrider;
using fuzz::require;

namespace {

template <class Reader>
std::string read(Reader& reader, std::string_view text, std::size_t piece) {
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    if (const auto fed = reader.feed(text.substr(0, piece)); !fed) return fed.error().message;
  }
  const auto finished = reader.finish();
  return finished ? "" : finished.error().message;
}

void diagnose_rows(const diagnose::Rows& rows, double at) {
  diagnose::Question question;
  question.components = {"a", "b"};
  question.metrics = {rows, rows};
  question.graph = {{{1}, {}}, {{}, {0}}};
  question.at = at;
  question.window = 300;
  const diagnose::Diagnosis found = diagnose::diagnose(question);
  require(found.causes.size() == 2, "the ranking is whole");
  for (const auto& cause : found.causes) {
    require(cause.probability >= 0 && cause.probability <= 1, "a probability is one");
    require(std::isfinite(cause.score), "a score is finite");
  }
  require(found.p >= 0 && found.p <= 1, "p is a probability");
  (void)cli::diagnosis_json(question, found, {}).dump();
  (void)cli::diagnosis_text(question, found);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::size_t piece = 1 + data[0] / 4;
  const auto same = [&](auto make) {
    auto whole = make();
    auto pieces = make();
    require(read(whole, text, text.size() + 1) == read(pieces, text, piece),
            "pieces change nothing");
  };
  std::size_t left = 10'000;
  same([] { return cli::EdgesReader(); });
  same([] { return cli::LogsReader(2e9); });
  same([] { return cli::ChangesReader(); });
  cli::MetricsReader metrics("extra", 2e9, left);
  if (!read(metrics, text, piece).empty()) return 0;
  const diagnose::Rows rows = std::move(metrics).rows();
  require(std::is_sorted(rows.times.begin(), rows.times.end()), "rows ascend in time");
  for (const auto& [name, values] : rows.metrics) {
    require(values.size() == rows.size(), "a value a row");
    for (const double value : values) require(!std::isinf(value), "values are finite or missing");
  }
  if (rows.size() > 0) diagnose_rows(rows, rows.times[rows.size() / 2]);
  return 0;
}
