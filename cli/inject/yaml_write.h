// SPDX-License-Identifier: Apache-2.0
#pragma once

// Values as YAML text. Texts that YAML 1.1 or 1.2 would read as anything but a string are quoted.
// PURE.

#include <string>
#include <string_view>

#include "base/wire/json.h"

namespace outrider::inject {

// False for what some YAML reader takes for a number (also 0o17, 1_000, 12:30), a boolean (yes,
// off), null or a date.
bool reads_as_string(std::string_view plain);

std::string as_flow(const wire::Json& value);  // One line of JSON, which is YAML.

std::string as_scalar(const wire::Json& value);  // The same, without quotes where none are needed.

// "key: …" and "- …" in block style, each line ended, `indent` blanks from the left.
void write_block_entry(std::string& out, const std::string& key, const wire::Json& value,
                       std::size_t indent);
void write_block_item(std::string& out, const wire::Json& value, std::size_t indent);

}  // namespace outrider::inject
