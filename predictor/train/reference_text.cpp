// SPDX-License-Identifier: Apache-2.0
#include "predictor/train/reference_text.h"

#include "base/core/text.h"
#include "base/wire/json.h"

namespace outrider::train {

Result<std::string> reference_text(const Dataset&, const Trained& trained, const Settings& settings,
                                   const std::string& version, Time created) {
  const Evaluation& evaluation = trained.evaluation;
  const wire::Json json{{"model_name", settings.model_name},
                        {"model_version", version},
                        {"created", format_rfc3339(created)},
                        {"accuracy",
                         {{"error_rate", evaluation.overall.error_rate()},
                          {"rows", evaluation.overall.rows},
                          {"design_effect", evaluation.clustering.design_effect},
                          {"tolerance", settings.tolerance.relative}}}};
  return json.dump(1) + "\n";
}

}  // namespace outrider::train
