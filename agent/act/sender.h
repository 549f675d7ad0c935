// SPDX-License-Identifier: Apache-2.0
#pragma once

// Puts a rendered request on the wire and hands back what came. SHELL: what the answer means is
// decide/delivery.h's to say. Not thread-safe: one a thread.

#include "agent/decide/delivery.h"
#include "base/net/http_client.h"

namespace outrider::act {

class Sender {
 public:
  decide::Answer send(const decide::Delivery& delivery);
  decide::Answer ask_job(const decide::Action& action);

 private:
  decide::Answer exchange(const decide::Delivery& delivery, net::ClientRequest request);
  net::HttpClient client_;
};

}  // namespace outrider::act
