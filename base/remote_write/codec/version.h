// SPDX-License-Identifier: Apache-2.0
#pragma once

// The two versions of the protocol, and the headers that tell them apart. PURE; thread-safe.
//
// Source: "Prometheus Remote-Write 2.0 specification" and "… 1.0 specification".

#include <cstdint>
#include <string>
#include <string_view>

#include "base/core/result.h"

namespace outrider::remote_write {

enum class Version : std::uint8_t { v1, v2 };

// The headers of a request, apart from User-Agent.
std::string_view content_type(Version version);
std::string_view version_header(Version version);

// The header of an answer to 2.0 that says how many were written of "Samples", "Histograms" or
// "Exemplars".
std::string written_header(std::string_view what);

// Which message a request's headers announce. Errors: "unsupported_content_type",
// "unsupported_content_encoding". As Prometheus has it, a missing Content-Type means 1.0, a missing
// Content-Encoding snappy; the version header is not needed.
Result<Version> negotiate(std::string_view content_type, std::string_view content_encoding);

}  // namespace outrider::remote_write
