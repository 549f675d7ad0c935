// SPDX-License-Identifier: Apache-2.0
#pragma once

// What is known of fields by their names: which of the FieldIds it is, and who may remove it. PURE.
//
//   identify("Content-Length", 14);                 // FieldId::content_length
//
// Thread-safety: none needed. Complexity: a name is compared with the few of its length.

#include <cstddef>
#include <string_view>

#include "sidecar/http1/head.h"

namespace outrider::http1 {

FieldId identify(const char* name, std::size_t size);  // Any case.

// Not forwarded, whatever Connection says (RFC 9110, 7.6.1).
bool hop_by_hop_by_nature(FieldId id);

// Fields that mean something to every recipient (RFC 9110, 7.6.1): a Connection that names one
// tries to make a proxy remove it.
bool meant_for_all_recipients(std::string_view option);

}  // namespace outrider::http1
