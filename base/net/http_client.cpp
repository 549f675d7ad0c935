// SPDX-License-Identifier: Apache-2.0
#include "base/net/http_client.h"

#include <curl/curl.h>

#include <algorithm>
#include <mutex>
#include <stdexcept>

#include "base/core/text.h"

namespace outrider::net {
namespace {

struct Receiver {
  ClientResponse response;
  const ClientRequest& request;
  CURL* curl;
  bool too_large = false, given_up = false, sent = false;
};

bool is_success(CURL* curl) {
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  return status >= 200 && status < 300;
}

std::size_t on_body(char* bytes, std::size_t, std::size_t count, void* target) {
  auto& receiver = *static_cast<Receiver*>(target);
  if (receiver.request.on_piece && is_success(receiver.curl)) {
    receiver.given_up = !receiver.request.on_piece({bytes, count});
    return receiver.given_up ? 0 : count;
  }
  if (receiver.response.body.size() + count > receiver.request.body_bytes_max) {
    receiver.too_large = true;
    return 0;  // Ends the transfer.
  }
  receiver.response.body.append(bytes, count);
  return count;
}

std::size_t on_header(char* bytes, std::size_t, std::size_t count, void* target) {
  auto& receiver = *static_cast<Receiver*>(target);
  const std::string_view line = trim({bytes, count});
  if (line.starts_with("HTTP/")) receiver.response.headers.clear();  // After a 1xx.
  if (const std::size_t colon = line.find(':'); colon != std::string_view::npos) {
    receiver.response.headers.push_back(
        {std::string(line.substr(0, colon)), std::string(trim(line.substr(colon + 1)))});
  }
  return count;
}

// Before each request that goes out: libcurl sends one again, over a new connection, where the kept
// one has ended without an answer.
int on_request(void* target, char*, char*, int, int) {
  static_cast<Receiver*>(target)->sent = true;
  return CURL_PREREQFUNC_OK;
}

int on_progress(void* cancelled, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  return *static_cast<const std::atomic<bool>*>(cancelled) ? 1 : 0;
}

void set_credentials(CURL* curl, const ClientRequest& request) {
  if (!request.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, request.ca_file.c_str());
  if (!request.verify_tls) {
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  if (!request.certificate_file.empty()) {
    curl_easy_setopt(curl, CURLOPT_SSLCERT, request.certificate_file.c_str());
  }
  if (!request.key_file.empty()) curl_easy_setopt(curl, CURLOPT_SSLKEY, request.key_file.c_str());
  if (!request.user.empty()) {
    curl_easy_setopt(curl, CURLOPT_HTTPAUTH, CURLAUTH_BASIC);
    curl_easy_setopt(curl, CURLOPT_USERNAME, request.user.c_str());
    curl_easy_setopt(curl, CURLOPT_PASSWORD, request.password.c_str());
  }
}

long ms(Duration duration) {
  return static_cast<long>(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
}

// What ends an exchange before its time.
void set_ends(CURL* curl, const ClientRequest& request) {
  if (request.cancelled) {
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, const_cast<std::atomic<bool>*>(request.cancelled));
  }
  if (request.idle_timeout > Duration::zero()) {
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, std::max(1L, ms(request.idle_timeout) / 1000));
  }
}

// A certificate that is not accepted, or that cannot be read.
bool is_of_tls(CURLcode code) {
  return code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_CONNECT_ERROR ||
         code == CURLE_SSL_CERTPROBLEM || code == CURLE_SSL_CACERT_BADFILE;
}

// Nothing can have reached the other side.
bool is_before_the_request(CURLcode code) {
  return code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST ||
         code == CURLE_COULDNT_RESOLVE_PROXY;
}

Failure describe(CURLcode code, const Receiver& receiver, const char* detail) {
  const ClientRequest& request = receiver.request;
  const std::string where = request.method + " " + request.url + ": ";
  if (receiver.too_large) {
    return fail("body_too_large",
                where + "the answer is larger than " + format_bytes(request.body_bytes_max));
  }
  if (code == CURLE_ABORTED_BY_CALLBACK || receiver.given_up)
    return fail("cancelled", where + "given up");
  if (code == CURLE_OPERATION_TIMEDOUT && request.idle_timeout > Duration::zero()) {
    return fail("timeout", where + "nothing came for " + format_duration(request.idle_timeout) +
                               ", or no end within " + format_duration(request.timeout));
  }
  if (code == CURLE_OPERATION_TIMEDOUT) {
    return fail("timeout", where + "no answer within " + format_duration(request.timeout));
  }
  if (code == CURLE_URL_MALFORMAT || code == CURLE_UNSUPPORTED_PROTOCOL) {
    return fail("bad_url", where + "expected http://HOST[:PORT]/PATH or https://…");
  }
  return fail(receiver.sent                 ? "cut_off"
              : is_of_tls(code)             ? "tls_failed"
              : is_before_the_request(code) ? "unreachable"
                                            : "cut_off",
              where + (detail[0] ? detail : curl_easy_strerror(code)));
}

}  // namespace

std::string_view ClientResponse::header(std::string_view name) const {
  for (const Header& header : headers) {
    if (iequals_ascii(header.name, name)) return header.value;
  }
  return {};
}

struct HttpClient::Handle {
  CURL* curl = curl_easy_init();
  ~Handle() { curl_easy_cleanup(curl); }
};

HttpClient::HttpClient() {
  static std::once_flag initialised;
  std::call_once(initialised, [] { curl_global_init(CURL_GLOBAL_DEFAULT); });
  handle_ = std::make_unique<Handle>();
  if (!handle_->curl) throw std::runtime_error("libcurl gave no handle: out of memory");
}
HttpClient::~HttpClient() = default;
HttpClient::HttpClient(HttpClient&&) noexcept = default;
HttpClient& HttpClient::operator=(HttpClient&&) noexcept = default;

Result<ClientResponse> HttpClient::send(const ClientRequest& request) {
  CURL* curl = handle_->curl;
  curl_easy_reset(curl);  // Options only: live connections stay.
  Receiver receiver{.response = {}, .request = request, .curl = curl};
  char detail[CURL_ERROR_SIZE] = "";
  curl_slist* headers = curl_slist_append(nullptr, "Expect:");
  for (const Header& header : request.headers) {
    headers = curl_slist_append(headers, (header.name + ": " + header.value).c_str());
  }
  curl_slist* address = nullptr;
  if (!request.connect_to.empty()) {
    address = curl_slist_append(nullptr, ("::" + request.connect_to + ":").c_str());
    curl_easy_setopt(curl, CURLOPT_CONNECT_TO, address);
  }
  curl_easy_setopt(curl, CURLOPT_URL, request.url.c_str());
  curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request.method.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TCP_NODELAY, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, ms(request.timeout));
  curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, ms(request.connect_timeout));
  curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
  curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, detail);
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &receiver);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &receiver);
  curl_easy_setopt(curl, CURLOPT_PREREQFUNCTION, on_request);
  curl_easy_setopt(curl, CURLOPT_PREREQDATA, &receiver);
  set_credentials(curl, request);
  set_ends(curl, request);
  if (request.method == "HEAD") {
    curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
  } else if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request.body.data());
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE,
                     static_cast<curl_off_t>(request.body.size()));
  }
  const CURLcode code = curl_easy_perform(curl);
  curl_slist_free_all(headers);
  curl_slist_free_all(address);
  if (code != CURLE_OK) return describe(code, receiver, detail);
  long status = 0;
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
  receiver.response.status = static_cast<int>(status);
  return std::move(receiver.response);
}

}  // namespace outrider::net
