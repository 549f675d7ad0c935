// SPDX-License-Identifier: Apache-2.0
#pragma once

// `outrider right-size`: what should the deployments of models ask for? From kube-state-metrics,
// cAdvisor and DCGM in a Prometheus. VPA and KRR do it for whole clusters; this one knows which
// models are idle. Exit status: 0 done, 1 Prometheus does not answer, 2 wrongly called.

#include "base/config/program.h"

namespace outrider::cli {

config::Command right_size_command();

}  // namespace outrider::cli
