// SPDX-License-Identifier: Apache-2.0
// What a user sets of this room.
#include "base/config/options.h"

#include "agent/act/journal.h"
#include "agent/act/sender.h"

namespace outrider::act {

void Journal::Limits::add_to(config::OptionTable& options) {
  options.add("journal.max-age", age_max, "How long what has ended is kept.")
      .between(3600, 3650.0 * 86400);
  options
      .add("journal.max-bytes", bytes_max,
           "The journal on disk; past it what ended longest ago goes, counted.")
      .as_bytes()
      .between(1 << 20, 1LL << 46);
}

void Sender::Settings::add_to(config::OptionTable& options) {
  options
      .add("actions.allowed-hosts", allowed_hosts,
           "Whom webhooks may be sent to: HOST, HOST:PORT or *.DOMAIN. Without it, to whom the "
           "policy says.")
      .value_name("HOST")
      .example("trainer.shop.svc:8080");
  options
      .add("actions.signing-key-file", signing_key_file,
           "File with the key by which webhooks are signed (docs/policy.md): at least 16 "
           "characters. Without it they are not.")
      .value_name("FILE");
}

}  // namespace outrider::act
