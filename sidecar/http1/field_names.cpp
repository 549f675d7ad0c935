// SPDX-License-Identifier: Apache-2.0
#include "sidecar/http1/field_names.h"

#include <algorithm>
#include <iterator>

#include "base/core/text.h"
#include "sidecar/http1/characters.h"

namespace outrider::http1 {
namespace {

template <std::size_t size_with_nul>
FieldId known(const char* name, const char (&lower)[size_with_nul], FieldId id) {
  return equals_lower(name, lower) ? id : FieldId::other;
}

}  // namespace

FieldId identify(const char* name, std::size_t size) {
  switch (size) {
    case 2:
      return known(name, "te", FieldId::te);
    case 3:
      return known(name, "via", FieldId::via);
    case 4:
      return known(name, "host", FieldId::host);
    case 5:
      return known(name, "ce-id", FieldId::ce_id);
    case 6:
      return known(name, "expect", FieldId::expect);
    case 7:
      if (equals_lower(name, "upgrade")) return FieldId::upgrade;
      return known(name, "trailer", FieldId::trailer);
    case 9:
      return known(name, "forwarded", FieldId::forwarded);
    case 10:
      if (equals_lower(name, "connection")) return FieldId::connection;
      if (equals_lower(name, "user-agent")) return FieldId::user_agent;
      if (equals_lower(name, "tracestate")) return FieldId::tracestate;
      return known(name, "keep-alive", FieldId::keep_alive);
    case 11:
      if (equals_lower(name, "traceparent")) return FieldId::traceparent;
      return known(name, "seldon-puid", FieldId::seldon_puid);
    case 12:
      if (equals_lower(name, "content-type")) return FieldId::content_type;
      if (equals_lower(name, "x-model-name")) return FieldId::x_model_name;
      return known(name, "x-request-id", FieldId::x_request_id);
    case 13:
      return known(name, "authorization", FieldId::authorization);
    case 14:
      if (equals_lower(name, "content-length")) return FieldId::content_length;
      return known(name, "http2-settings", FieldId::http2_settings);
    case 15:
      if (equals_lower(name, "accept-encoding")) return FieldId::accept_encoding;
      if (equals_lower(name, "x-model-version")) return FieldId::x_model_version;
      return known(name, "x-prediction-id", FieldId::x_prediction_id);
    case 16:
      if (equals_lower(name, "content-encoding")) return FieldId::content_encoding;
      return known(name, "proxy-connection", FieldId::proxy_connection);
    case 17:
      return known(name, "transfer-encoding", FieldId::transfer_encoding);
    case 29:
      return known(name, "x-amzn-sagemaker-inference-id", FieldId::x_amzn_sagemaker_inference_id);
    case 31:
      return known(name, "inference-header-content-length",
                   FieldId::inference_header_content_length);
    default:
      return FieldId::other;
  }
}

bool hop_by_hop_by_nature(FieldId id) {
  switch (id) {
    case FieldId::connection:
    case FieldId::http2_settings:
    case FieldId::keep_alive:
    case FieldId::proxy_connection:
    case FieldId::te:
    case FieldId::upgrade:
      return true;
    default:
      return false;
  }
}

bool meant_for_all_recipients(std::string_view option) {
  static constexpr std::string_view names[] = {"authorization",
                                               "cache-control",
                                               "ce-id",
                                               "content-encoding",
                                               "content-length",
                                               "content-range",
                                               "content-type",
                                               "cookie",
                                               "date",
                                               "expect",
                                               "forwarded",
                                               "host",
                                               "location",
                                               "set-cookie",
                                               "traceparent",
                                               "tracestate",
                                               "transfer-encoding",
                                               "via",
                                               "x-forwarded-for",
                                               "x-forwarded-host",
                                               "x-forwarded-proto",
                                               "x-prediction-id",
                                               "x-real-ip",
                                               "x-request-id"};
  return std::any_of(std::begin(names), std::end(names),
                     [&](std::string_view name) { return iequals_ascii(option, name); });
}

}  // namespace outrider::http1
