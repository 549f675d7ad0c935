// SPDX-License-Identifier: Apache-2.0
// Heads as real clients and model servers send them, what we read in them and what we pass on.
#include <string>

#include "sidecar/http1/rewrite.h"
#include "test/sidecar/http1/feeding.h"
#include "test/support/catch.h"

namespace outrider::http1 {
namespace {

struct Golden {
  const char* name;
  std::string bytes;
  std::string description;  // up to the first field
  std::string forwarded;    // "" when it passes unchanged, but for our id
};

template <class AnyHead>
std::string rewritten(AnyHead& head) {
  Pieces pieces;
  rewrite(head, {.prediction_id = "ID"}, pieces);
  std::string out;
  for (const std::string_view piece : pieces) out += piece;
  return out;
}

void check(const Golden& golden, const std::string& description, const std::string& forwarded) {
  INFO(golden.name);
  CHECK(description.substr(0, description.find(" [")) == golden.description);
  const std::string head = golden.forwarded.empty() ? golden.bytes : golden.forwarded;
  CHECK(forwarded == head.substr(0, head.size() - 2) + "X-Prediction-Id: ID\r\n\r\n");
}

const Golden requests[] = {
    {"curl",
     "POST /v1/models/m:predict HTTP/1.1\r\nHost: localhost:9500\r\nUser-Agent: "
     "curl/7.88.1\r\nAccept: */*\r\n"
     "Content-Type: application/json\r\nContent-Length: 27\r\n\r\n",
     "POST path=/v1/models/m:predict query= host=localhost:9500 1.1 length=27 keep", ""},
    {"curl with a large body",
     "POST / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: "
     "*/*\r\nContent-Length: 1048577\r\n"
     "Content-Type: application/x-www-form-urlencoded\r\nExpect: 100-continue\r\n\r\n",
     "POST path=/ query= host=localhost 1.1 length=1048577 keep expect", ""},
    {"curl --http2",
     "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n"
     "Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: "
     "AAMAAABkAAQCAAAAAAIAAAAA\r\n\r\n",
     "GET path=/ query= host=localhost 1.1 none keep",
     "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n"},
    {"Python requests",
     "POST /predict HTTP/1.1\r\nHost: 127.0.0.1:9500\r\nUser-Agent: "
     "python-requests/2.31.0\r\nAccept-Encoding: gzip, deflate\r\n"
     "Accept: */*\r\nConnection: keep-alive\r\nContent-Length: 60\r\nContent-Type: "
     "application/json\r\n\r\n",
     "POST path=/predict query= host=127.0.0.1:9500 1.1 length=60 keep",
     "POST /predict HTTP/1.1\r\nHost: 127.0.0.1:9500\r\nUser-Agent: "
     "python-requests/2.31.0\r\nAccept-Encoding: gzip, deflate\r\n"
     "Accept: */*\r\nContent-Length: 60\r\nContent-Type: application/json\r\n\r\n"},
    {"Python http.client",
     "POST /predict HTTP/1.1\r\nAccept-Encoding: identity\r\nContent-Length: 60\r\nHost: "
     "127.0.0.1:9500\r\n"
     "User-Agent: Python-urllib/3.11\r\nContent-Type: application/json\r\nConnection: "
     "close\r\n\r\n",
     "POST path=/predict query= host=127.0.0.1:9500 1.1 length=60",
     "POST /predict HTTP/1.1\r\nAccept-Encoding: identity\r\nContent-Length: 60\r\nHost: "
     "127.0.0.1:9500\r\n"
     "User-Agent: Python-urllib/3.11\r\nContent-Type: application/json\r\n\r\n"},
    {"httpx",
     "POST /v2/models/m/infer HTTP/1.1\r\nHost: model\r\nAccept: */*\r\nAccept-Encoding: gzip, "
     "deflate\r\nConnection: keep-alive\r\n"
     "User-Agent: python-httpx/0.27.0\r\nTransfer-Encoding: chunked\r\n\r\n",
     "POST path=/v2/models/m/infer query= host=model 1.1 chunked keep",
     "POST /v2/models/m/infer HTTP/1.1\r\nHost: model\r\nAccept: */*\r\nAccept-Encoding: gzip, "
     "deflate\r\n"
     "User-Agent: python-httpx/0.27.0\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {"Triton's client, binary tensors",
     "POST /v2/models/simple/infer HTTP/1.1\r\nHost: localhost:8000\r\nAccept-Encoding: gzip, "
     "deflate\r\n"
     "Inference-Header-Content-Length: 253\r\nContent-Length: 381\r\n\r\n",
     "POST path=/v2/models/simple/infer query= host=localhost:8000 1.1 length=381 keep", ""},
    {"Go's reverse proxy",
     "POST /predict?x=1 HTTP/1.1\r\nHost: model.default.svc.cluster.local\r\nUser-Agent: "
     "Go-http-client/1.1\r\n"
     "Content-Length: 2\r\nX-Forwarded-For: 10.0.0.7\r\nX-Request-Id: 4bf92f35-77b3\r\nTe: "
     "trailers\r\nConnection: Te\r\n\r\n",
     "POST path=/predict query=x=1 host=model.default.svc.cluster.local 1.1 length=2 keep",
     "POST /predict?x=1 HTTP/1.1\r\nHost: model.default.svc.cluster.local\r\nUser-Agent: "
     "Go-http-client/1.1\r\n"
     "Content-Length: 2\r\nX-Forwarded-For: 10.0.0.7\r\nX-Request-Id: 4bf92f35-77b3\r\n\r\n"},
    {"nginx with its default version upstream",
     "GET /health HTTP/1.0\r\nHost: model\r\nConnection: close\r\n\r\n",
     "GET path=/health query= host=model 1.0 none", "GET /health HTTP/1.0\r\nHost: model\r\n\r\n"},
    {"ApacheBench -k",
     "GET / HTTP/1.0\r\nConnection: Keep-Alive\r\nHost: 127.0.0.1:9500\r\nUser-Agent: "
     "ApacheBench/2.3\r\nAccept: */*\r\n\r\n",
     "GET path=/ query= host=127.0.0.1:9500 1.0 none keep",
     "GET / HTTP/1.0\r\nHost: 127.0.0.1:9500\r\nUser-Agent: ApacheBench/2.3\r\nAccept: "
     "*/*\r\n\r\n"},
    {"Kubernetes' probe",
     "GET /-/healthy HTTP/1.1\r\nHost: 10.244.0.5:9500\r\nUser-Agent: kube-probe/1.29\r\nAccept: "
     "*/*\r\nConnection: close\r\n\r\n",
     "GET path=/-/healthy query= host=10.244.0.5:9500 1.1 none",
     "GET /-/healthy HTTP/1.1\r\nHost: 10.244.0.5:9500\r\nUser-Agent: kube-probe/1.29\r\nAccept: "
     "*/*\r\n\r\n"},
    {"a browser's websocket",
     "GET /ws HTTP/1.1\r\nHost: localhost:9500\r\nConnection: Upgrade\r\nPragma: "
     "no-cache\r\nUpgrade: websocket\r\n"
     "Origin: http://localhost\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
     "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
     "GET path=/ws query= host=localhost:9500 1.1 none keep websocket",
     "GET /ws HTTP/1.1\r\nHost: localhost:9500\r\nPragma: no-cache\r\nUpgrade: websocket\r\n"
     "Origin: http://localhost\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
     "dGhlIHNhbXBsZSBub25jZQ==\r\nConnection: Upgrade\r\n\r\n"},
    {"Knative's CloudEvent",
     "POST / HTTP/1.1\r\nHost: logger\r\nCe-Id: 7f3a\r\nCe-Specversion: 1.0\r\nCe-Type: "
     "org.kubeflow.serving.inference.request\r\n"
     "Traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\r\nContent-Length: "
     "2\r\n\r\n",
     "POST path=/ query= host=logger 1.1 length=2 keep", ""},
};

const Golden responses[] = {
    {"uvicorn",
     "HTTP/1.1 200 OK\r\ndate: Sat, 31 Jan 2026 12:00:00 GMT\r\nserver: uvicorn\r\ncontent-length: "
     "17\r\ncontent-type: application/json\r\n\r\n",
     "200 OK 1.1 length=17 keep", ""},
    {"uvicorn, streaming",
     "HTTP/1.1 200 OK\r\ndate: Sat, 31 Jan 2026 12:00:00 GMT\r\nserver: uvicorn\r\ncontent-type: "
     "text/event-stream; charset=utf-8\r\n"
     "Transfer-Encoding: chunked\r\n\r\n",
     "200 OK 1.1 chunked keep", ""},
    {"Flask's development server",
     "HTTP/1.1 200 OK\r\nServer: Werkzeug/2.2.2 Python/3.11.2\r\nDate: Sat, 31 Jan 2026 12:00:00 "
     "GMT\r\n"
     "Content-Type: application/json\r\nContent-Length: 17\r\nConnection: close\r\n\r\n",
     "200 OK 1.1 length=17",
     "HTTP/1.1 200 OK\r\nServer: Werkzeug/2.2.2 Python/3.11.2\r\nDate: Sat, 31 Jan 2026 12:00:00 "
     "GMT\r\n"
     "Content-Type: application/json\r\nContent-Length: 17\r\n\r\n"},
    {"Python's http.server",
     "HTTP/1.0 200 OK\r\nServer: BaseHTTP/0.6 Python/3.11.2\r\nDate: Sat, 31 Jan 2026 12:00:00 "
     "GMT\r\nContent-Length: 3\r\n\r\n",
     "200 OK 1.0 length=3",
     "HTTP/1.1 200 OK\r\nServer: BaseHTTP/0.6 Python/3.11.2\r\nDate: Sat, 31 Jan 2026 12:00:00 "
     "GMT\r\nContent-Length: 3\r\n\r\n"},
    {"Triton",
     "HTTP/1.1 200 OK\r\nContent-Type: "
     "application/octet-stream\r\nInference-Header-Content-Length: 187\r\nContent-Length: "
     "315\r\n\r\n",
     "200 OK 1.1 length=315 keep", ""},
    {"TensorFlow Serving",
     "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nDate: Sat, 31 Jan 2026 12:00:00 "
     "GMT\r\nContent-Length: 30\r\n\r\n",
     "200 OK 1.1 length=30 keep", ""},
    {"TorchServe",
     "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\nx-request-id: 7d3b\r\nPragma: "
     "no-cache\r\nconnection: keep-alive\r\ncontent-length: 90\r\n\r\n",
     "404 Not Found 1.1 length=90 keep",
     "HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\nx-request-id: 7d3b\r\nPragma: "
     "no-cache\r\ncontent-length: 90\r\n\r\n"},
    {"nginx",
     "HTTP/1.1 502 Bad Gateway\r\nServer: nginx/1.22.1\r\nDate: Sat, 31 Jan 2026 12:00:00 "
     "GMT\r\nContent-Type: text/html\r\nContent-Length: 157\r\n"
     "Connection: keep-alive\r\n\r\n",
     "502 Bad Gateway 1.1 length=157 keep",
     "HTTP/1.1 502 Bad Gateway\r\nServer: nginx/1.22.1\r\nDate: Sat, 31 Jan 2026 12:00:00 "
     "GMT\r\nContent-Type: text/html\r\nContent-Length: 157\r\n\r\n"},
    {"Envoy",
     "HTTP/1.1 200 OK\r\nx-envoy-upstream-service-time: 3\r\nserver: envoy\r\ntransfer-encoding: "
     "chunked\r\n\r\n",
     "200 OK 1.1 chunked keep", ""},
    {"a deletion with a length of 0", "HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n",
     "204 No Content 1.1 none keep", ""},
};

TEST_CASE(
    "Requests of real clients are read right, fed at every split, and passed on as they came") {
  for (const Golden& golden : requests) {
    const HeadVerdict verdict = feed_request(golden.bytes);
    HeadCursor cursor;
    RequestHead head;
    REQUIRE(parse(golden.bytes, cursor, HeadLimits{}, head) == Progress::complete);
    check(golden, verdict.description, rewritten(head));
  }
}

TEST_CASE(
    "Responses of real model servers are read right, fed at every split, and passed on as they "
    "came") {
  for (const Golden& golden : responses) {
    const HeadVerdict verdict = feed_response(golden.bytes);
    HeadCursor cursor;
    ResponseHead head;
    REQUIRE(parse(golden.bytes, cursor, HeadLimits{}, ResponseContext{}, head) ==
            Progress::complete);
    check(golden, verdict.description, rewritten(head));
  }
}

}  // namespace
}  // namespace outrider::http1
