// SPDX-License-Identifier: Apache-2.0
// Reads a page on standard input and prints each sample as a line of JSON, for exposition_test.py.
//   oracle_exposition text|openmetrics
#include <iostream>
#include <iterator>
#include <string>

#include "base/core/text.h"
#include "base/wire/exposition_parser.h"
#include "base/wire/json.h"

int main(int, char** arguments) {
  using namespace outrider;
  const std::string page((std::istreambuf_iterator<char>(std::cin)), {});
  const auto format =
      std::string_view(arguments[1]) == "text" ? wire::Format::text : wire::Format::openmetrics;
  const auto families = wire::parse_exposition(page, format);
  if (!families) {
    std::cout << "refused\n";
    return 0;
  }
  for (const auto& family : *families) {
    for (const auto& sample : family.samples) {
      wire::Json line = {{"family", family.name},
                         {"type", wire::type_word(family.type, format)},
                         {"help", family.help},
                         {"name", sample.name},
                         {"labels", wire::Json::object()},
                         {"value", format_double(sample.value)}};
      for (const Label& label : sample.labels) line["labels"][label.name] = label.value;
      if (sample.timestamp_ms) line["timestamp"] = *sample.timestamp_ms;
      if (sample.exemplar) {
        line["exemplar"] = {{"value", sample.exemplar->value}, {"labels", wire::Json::object()}};
        for (const Label& label : sample.exemplar->labels) {
          line["exemplar"]["labels"][label.name] = label.value;
        }
      }
      std::cout << line.dump() << '\n';
    }
  }
}
