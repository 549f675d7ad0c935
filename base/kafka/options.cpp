// SPDX-License-Identifier: Apache-2.0
#include "base/kafka/options.h"

namespace outrider::kafka {

void Options::add_to(config::OptionTable& table, const std::string& prefix,
                     const std::string& note) {
  table
      .add(prefix + ".brokers", brokers,
           "Kafka brokers; the others are found through them. Predictions and labels then go "
           "through "
           "a topic (docs/kafka.md), " +
               note + ".")
      .value_name("HOST:PORT,…")
      .example("kafka-0.kafka:9092,kafka-1.kafka:9092");
  table.add(prefix + ".topic", topic, "The topic of predictions and labels; it must exist.")
      .value_name("NAME");
  table.add(prefix + ".tls", tls, "Speak TLS with the brokers.");
  table
      .add(prefix + ".tls-ca", ca_file,
           "File with the authorities whom the brokers' certificates are checked against. Without "
           "it ca.crt of tls-cert-dir, else the system's.")
      .value_name("FILE");
  table
      .add(prefix + ".tls-cert-dir", cert_dir,
           "Folder of tls.crt and tls.key, which are shown to the brokers.")
      .value_name("DIR");
  table
      .add(prefix + ".sasl-mechanism", sasl_mechanism,
           "How to log in at the brokers. Without it no login.")
      .one_of({"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"});
  table.add(prefix + ".sasl-user", sasl_user, "Name to log in with.").value_name("NAME");
  table
      .add(prefix + ".sasl-password-file", sasl_password_file,
           "File with the password to log in with; it is read again when a login fails.")
      .value_name("FILE");
}

Result<void> Options::check(const std::string& prefix) const {
  if (!enabled()) return {};
  const auto refuse = [&](const std::string& what) { return fail("bad_options", prefix + what); };
  if (topic.empty() || topic.size() > 249 ||
      topic.find_first_not_of(
          "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") !=
          std::string::npos) {
    return refuse(".topic: expected 1 to 249 letters, digits, '.', '_' and '-'");
  }
  if (!tls && !(ca_file.empty() && cert_dir.empty()))
    return refuse(".tls-ca and .tls-cert-dir are for --" + prefix + ".tls, which is not set");
  const bool has_login = !sasl_user.empty() || !sasl_password_file.empty();
  if (sasl_mechanism.empty() && has_login)
    return refuse(".sasl-mechanism: expected one, since there is a user or a password");
  if (!sasl_mechanism.empty() && (sasl_user.empty() || sasl_password_file.empty()))
    return refuse(".sasl-user and .sasl-password-file: expected both with a sasl-mechanism");
  return {};
}

}  // namespace outrider::kafka
