// SPDX-License-Identifier: Apache-2.0
// What a sender is told of a series that is refused.
#include <string>
#include <vector>

#include "base/core/text.h"
#include "base/remote_write/codec/decode.h"

namespace outrider::remote_write {
namespace {

constexpr std::size_t named_bytes_max = 200;  // How much of a sender's text an error repeats.

// `{__name__="up", job="a"}`, cut, and with what is not printable replaced.
std::string show_labels(std::span<const LabelView> labels) {
  std::string shown = "{";
  for (const LabelView& label : labels) {
    if (shown.size() > 1) shown += ", ";
    shown.append(label.name.substr(0, named_bytes_max)).append("=\"");
    shown.append(label.value.substr(0, named_bytes_max)).append("\"");
    if (shown.size() > named_bytes_max) break;
  }
  if (shown.size() > named_bytes_max) shown.resize(named_bytes_max), shown += "…";
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) c = '?';
  }
  shown += "}";
  if (is_valid_utf8(shown)) return shown;
  for (char& c : shown) {
    if (static_cast<unsigned char>(c) >= 0x80) c = '?';
  }
  return shown;
}

}  // namespace

std::string WriteRequest::name_of(const Series& series, std::size_t index) const {
  return "series " + std::to_string(index) + " " + show_labels(first_labels(series));
}

std::string WriteRequest::describe(const Series& series, SeriesFault fault,
                                   std::size_t index) const {
  const std::string where = name_of(series, index) + ": ";
  const auto limit = [](std::size_t value) { return std::to_string(value); };
  switch (fault) {
    case SeriesFault::bad_reference:
      return where + describe_references(series);
    case SeriesFault::mixed_samples:
      return where + "it has samples and histograms; send them as two series";
    case SeriesFault::too_many_labels:
      return where + "it has more than " + limit(limits_.labels.labels_max) +
             " labels; drop some, or raise the limit";
    case SeriesFault::label_too_long:
      return where + "a label's name is longer than " + limit(limits_.labels.name_bytes_max) +
             " bytes or its value than " + limit(limits_.labels.value_bytes_max) +
             "; shorten it, or raise the limit";
    case SeriesFault::empty_label_name:
      return where + "a label has no name";
    case SeriesFault::duplicate_label:
      return where + "two labels have the same name";
    case SeriesFault::no_metric_name:
      return where + "it has no metric name (label __name__)";
    case SeriesFault::invalid_utf8:
      return where + "a label is not valid UTF-8";
    case SeriesFault::malformed_labels:
      return where + "its labels are no protobuf messages";
    case SeriesFault::none:
      break;
  }
  return where + "it is valid";
}

std::string WriteRequest::describe_references(const Series& series) const {
  std::vector<std::uint32_t> references;
  read_references(series, references);
  for (const std::uint32_t reference : references) {
    if (reference >= symbols_.size()) {
      return "label reference " + std::to_string(reference) + " is outside the symbols table of " +
             std::to_string(symbols_.size()) + " strings";
    }
  }
  if (references.size() % 2 != 0) {
    return std::to_string(references.size()) + " label references are no pairs of name and value";
  }
  return "a reference of its metadata is outside the symbols table of " +
         std::to_string(symbols_.size()) + " strings";
}

}  // namespace outrider::remote_write
