// SPDX-License-Identifier: Apache-2.0
#pragma once

// Joined rows as training data, one text line a row. PURE.
//
//   csv:    id,timestamp,<features…>,prediction,label,model_version   (a header line first)
//   ndjson: {"id", "timestamp", "features": {name: value}, "prediction", "label", "model_version"}
// A missing feature is an empty field or null. A feature whose name is one of our own columns gets
// the prefix "feature_".

#include <string>
#include <vector>

#include "truth/prediction.h"

namespace outrider::truth {

std::string csv_header(const std::vector<std::string>& feature_names);
void append_csv_row(std::string& out, const std::vector<std::string>& feature_names,
                    const JoinedRow& row);
void append_ndjson_row(std::string& out, const JoinedRow& row);

}  // namespace outrider::truth
