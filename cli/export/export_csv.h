// SPDX-License-Identifier: Apache-2.0
#pragma once

// An export's lines of NDJSON as lines of CSV (RFC 4180). PURE.
//
// The columns are the same in every export: those of GET /api/v1/export (truth/api/export_api.h),
// then the features that were named, as feature_NAME. What a row has not is an empty field. So is
// null, which stands for a number that is none.

#include <string>
#include <string_view>
#include <vector>

#include "base/core/result.h"

namespace outrider::cli {

std::string export_csv_header(const std::vector<std::string>& features);
// Error "bad_answer": a line is no object.
Result<std::string> export_csv(std::string_view lines, const std::vector<std::string>& features);

}  // namespace outrider::cli
