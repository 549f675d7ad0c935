// SPDX-License-Identifier: Apache-2.0
#pragma once

// What a user sets of talking to Kafka. It needs no library of Kafka's.
//
//   kafka::Options kafka;
//   kafka.add_to(table, "truth.kafka", "instead of to truth.url");
//   …parse…
//   if (auto ok = kafka.check("truth.kafka"); !ok) throw …

#include <string>
#include <vector>

#include "base/config/options.h"
#include "base/core/result.h"

namespace outrider::kafka {

// The variables must outlive the table they are added to.
struct Options {
  std::vector<std::string> brokers;  // HOST:PORT, or several with commas; none: no Kafka.
  std::string topic = "outrider-truth";
  bool tls = false;
  std::string ca_file;         // "": ca.crt of cert_dir where there is one, else the system's.
  std::string cert_dir;        // Of the tls.crt and tls.key that are shown; "": none.
  std::string sasl_mechanism;  // "": none.
  std::string sasl_user;
  std::string sasl_password_file;  // Read whenever a client is made.

  bool enabled() const { return !brokers.empty(); }
  // `note` ends the sentence of what it does: "instead of …".
  void add_to(config::OptionTable& table, const std::string& prefix, const std::string& note);
  // Error "bad_options": they do not go together.
  Result<void> check(const std::string& prefix) const;
};

}  // namespace outrider::kafka
