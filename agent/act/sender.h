// SPDX-License-Identifier: Apache-2.0
#pragma once

// Puts a rendered request on the wire and hands back what came. SHELL: what the answer means is
// decide/delivery.h's to say. Not thread-safe: one a thread.
//
// Signed, a request carries Outrider-Timestamp, Unix seconds, and Outrider-Signature, "sha256=" and
// the HMAC-SHA256 of timestamp, '.' and body, in hexadecimal.

#include <string>
#include <vector>

#include "agent/decide/delivery.h"
#include "base/core/clock.h"
#include "base/net/http_client.h"

namespace outrider::config {
class OptionTable;
}

namespace outrider::act {

class Sender {
 public:
  struct Settings {
    std::vector<std::string> allowed_hosts = {};  // {}: all.
    // A file with the key by which requests are signed whose receiver has none of its own, read at
    // each request; "": they are not.
    std::string signing_key_file = {};

    void add_to(config::OptionTable& options);  // actions.allowed-hosts, actions.signing-key-file
  };
  Sender(Settings settings, const Clock& clock) : settings_(std::move(settings)), clock_(clock) {}

  // `fencing_number`: of the lease held, told in Outrider-Fencing-Number; 0: none.
  decide::Answer send(const decide::Delivery& delivery, std::int64_t fencing_number);
  decide::Answer ask_job(const decide::Delivery& delivery, const std::string& job_url);

 private:
  decide::Answer exchange(const decide::Delivery& delivery, net::ClientRequest request);
  Result<void> sign(net::ClientRequest& request, const std::string& key_file) const;

  const Settings settings_;
  const Clock& clock_;
  net::HttpClient client_;
};

}  // namespace outrider::act
