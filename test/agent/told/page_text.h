// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a page says, read from top to bottom: its HTML as plain text, for the docs and for tests.

#include <string>

namespace outrider::page::testing {

// Pictures are left out (their captions are not), folded details and forms are named. Wrapped.
std::string page_text(const std::string& html);

std::string wrapped(const std::string& text, std::size_t width);

}  // namespace outrider::page::testing
