// SPDX-License-Identifier: Apache-2.0
// The reader of values and what columns say: whatever the text, a value is whole or a text, has one
// spelling, and is of one class with itself; a column's marks and times read what they promise; a
// body of CSV is a full matrix, or none.
#include <cmath>
#include <string>

#include "base/core/text.h"
#include "detectors/column_numbers.h"
#include "detectors/index_column.h"
#include "detectors/timestamp.h"
#include "detectors/value_reader.h"
#include "sidecar/monitor/decode/csv_body.h"
#include "test/fuzz/require.h"

using namespace outrider;
using namespace outrider::detectors;
using fuzz::require;

namespace {

void check_value(std::string_view text) {
  const Value value = read_value(text);
  require(value.kind != Value::Kind::number || !std::isnan(value.number), "no number is NaN");
  require((value.kind == Value::Kind::missing) == says_missing(trim(text)),
          "missing as it is said");
  std::string first, second;
  const std::string canonical(canonical_text(value, first));
  require(canonical_text(read_value(canonical), second) == canonical ||
              value.kind == Value::Kind::missing,
          "the canonical text is its own");
  require(same_class(value, value) == (value.kind != Value::Kind::missing), "a class is itself");
  if (is_ambiguous_number(trim(text))) {
    require(value.kind == Value::Kind::text, "what is ambiguous is no number alone");
    require(
        read_value(text, DecimalMark::point).number != read_value(text, DecimalMark::comma).number,
        "and two numbers in columns");
  }
  const auto plain = parse_exact(trim(text));
  require(!plain || (value.kind == Value::Kind::number && value.number == *plain),
          "plain is plain");
}

void check_column(std::string_view text) {
  ColumnNumbers numbers;
  MomentColumn moments;
  TimeColumn times("sold_at");
  IndexColumn index("Unnamed: 0");
  const auto cells = split(text, '\n');
  for (std::size_t i = 0; i < cells.size(); ++i) {
    const Value value = read_value(cells[i]);
    numbers.add(value, i + 1);
    times.add(value);
    index.add(value);
    moments.add(trim(cells[i]));
  }
  const auto decision = numbers.decide();
  require(!decision.mark || decision.refusal.empty(), "a column is read or refused");
  if (const auto form = moments.form()) {
    for (const std::string_view cell : cells)
      require(parse_timestamp(trim(cell), *form).has_value(), "the form reads all");
  } else {
    require(!form.error().message.empty(), "an error has words");
  }
  (void)times.holds();
  (void)index.holds();
}

void check_body(std::string_view text) {
  decode::CsvBody body(100);
  const std::vector<std::string> known{"a", "b"};
  for (const bool hint : {false, true}) {
    if (!body.read(text,
                   hint ? std::span<const std::string>(known) : std::span<const std::string>()))
      continue;
    const auto& shape = body.matrix().shape;
    require(shape.size() == 2 && shape[0] > 0 && shape[1] > 0, "a matrix has rows and columns");
    require(body.matrix().values.size() == shape[0] * shape[1], "and all of their values");
    require(body.names().empty() || body.names().size() == shape[1], "and all names or none");
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  for (const std::string_view cell : split(text, '\n')) check_value(cell);
  check_column(text);
  check_body(text);
  return 0;
}
