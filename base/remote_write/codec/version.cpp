// SPDX-License-Identifier: Apache-2.0
#include "base/remote_write/codec/version.h"

#include "base/core/text.h"

namespace outrider::remote_write {
namespace {

std::string_view unquote(std::string_view text) {
  if (text.size() >= 2 && text.front() == '"' && text.back() == '"') {
    return text.substr(1, text.size() - 2);
  }
  return text;
}

}  // namespace

std::string_view content_type(Version version) {
  return version == Version::v2 ? "application/x-protobuf;proto=io.prometheus.write.v2.Request"
                                : "application/x-protobuf";
}

std::string_view version_header(Version version) {
  return version == Version::v2 ? "2.0.0" : "0.1.0";
}

std::string written_header(std::string_view what) {
  return "X-Prometheus-Remote-Write-" + std::string(what) + "-Written";
}

Result<Version> negotiate(std::string_view content_type, std::string_view content_encoding) {
  if (!content_encoding.empty() && !iequals_ascii(trim(content_encoding), "snappy")) {
    return fail("unsupported_content_encoding",
                "Content-Encoding: " + std::string(content_encoding) +
                    ": remote write takes snappy, block format");
  }
  const auto parts = split(content_type, ';');
  if (!trim(content_type).empty() &&
      !iequals_ascii(trim(parts.front()), "application/x-protobuf")) {
    return fail("unsupported_content_type",
                "Content-Type: " + std::string(content_type) +
                    ": remote write takes application/x-protobuf (1.0), or "
                    "application/x-protobuf;proto=io.prometheus.write.v2.Request (2.0)");
  }
  for (std::size_t i = 1; i < parts.size(); ++i) {
    const std::size_t equals = parts[i].find('=');
    if (equals == std::string_view::npos ||
        !iequals_ascii(trim(parts[i].substr(0, equals)), "proto")) {
      continue;
    }
    const std::string_view message = unquote(trim(parts[i].substr(equals + 1)));
    if (message == "prometheus.WriteRequest") return Version::v1;
    if (message == "io.prometheus.write.v2.Request") return Version::v2;
    return fail("unsupported_content_type",
                "Content-Type: " + std::string(content_type) +
                    ": the message is none of prometheus.WriteRequest (1.0) and "
                    "io.prometheus.write.v2.Request (2.0)");
  }
  return Version::v1;
}

}  // namespace outrider::remote_write
