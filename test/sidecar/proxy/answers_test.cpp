// SPDX-License-Identifier: Apache-2.0
#include "sidecar/proxy/answers.h"

#include "test/support/catch.h"

namespace outrider::proxy {
namespace {

TEST_CASE("an error is one JSON object of code and message, with the right length") {
  const std::string body = "{\"error\": \"queue_full\", \"message\": \"say \\\"more\\\"\"}\n";
  const Time now{std::chrono::milliseconds(784'111'777'999)};
  CHECK(
      render_error({503, "queue_full", "say \"more\"", 1}, {.now = now, .prediction_id = "id-1"}) ==
      "HTTP/1.1 503 Service Unavailable\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Type: "
      "application/json\r\nContent-Length: " +
          std::to_string(body.size()) +
          "\r\nRetry-After: 1\r\nX-Prediction-Id: id-1\r\nConnection: close\r\n\r\n" + body);
}

TEST_CASE("a HEAD request gets the head alone, and a kept connection is not told to close") {
  const std::string answer =
      render_error({400, "bad_host", "x"}, {.is_head = true, .close = false});
  CHECK(answer.substr(answer.size() - 4) == "\r\n\r\n");
  CHECK(answer.find("Connection") == std::string::npos);
  CHECK(answer.find("Content-Length: 38") != std::string::npos);
}

}  // namespace
}  // namespace outrider::proxy
