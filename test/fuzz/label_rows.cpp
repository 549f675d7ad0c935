// SPDX-License-Identifier: Apache-2.0
// A warehouse's table, and the state of an import. Whatever the bytes: in which pieces they come
// changes nothing, a row says a label that the API reads with the same id or why it is none, and a
// state that is read is written the same.
#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "cli/labels/import_progress.h"
#include "cli/labels/label_import.h"
#include "cli/labels/label_rows.h"
#include "test/fuzz/require.h"
#include "truth/label_parser.h"

using namespace outrider;
using fuzz::require;

namespace {

std::string read(const cli::LabelColumns& columns, std::string_view text, std::size_t piece) {
  std::string told;
  cli::LabelRows rows(columns, [&told](const cli::LabelRow& row) {
    told += std::to_string(row.line) + static_cast<char>('0' + static_cast<int>(row.kind)) +
            row.id + "\t" + row.text + "\n";
    if (row.kind == cli::LabelRow::Kind::invalid) require(!row.text.empty(), "a refusal says why");
    if (row.kind != cli::LabelRow::Kind::label) return;
    const auto items = truth::parse_labels(row.text);
    require(items && items->size() == 1, "a label is one object of JSON");
    require(!items->front().label || items->front().label->id == row.id, "and has the row's id");
  });
  for (; !text.empty(); text.remove_prefix(std::min(piece, text.size()))) {
    if (auto fed = rows.feed(text.substr(0, piece)); !fed) return told + fed.error().message;
  }
  const auto finished = rows.finish();
  return finished ? told : told + finished.error().message;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view text(reinterpret_cast<const char*>(data) + 1, size - 1);
  cli::LabelColumns columns{
      .id = {"a"}, .label = "y", .time = "t", .words = {{"t", "true"}, {"f", "1"}}};
  if (data[0] & 1) columns.id.push_back("b");
  if (data[0] & 2) columns.time.clear();
  require(read(columns, text, text.size() + 1) == read(columns, text, 1 + data[0] / 4),
          "pieces change nothing");
  const cli::ImportSubject subject{"u", "f", columns};
  if (const auto progress = cli::decode_state(text, subject)) {
    require(cli::decode_state(cli::encode_state(subject, *progress), subject) == *progress,
            "a state is written as it was read");
    (void)cli::report(*progress);
  }
  (void)cli::read_verdicts(text);
  return 0;
}
