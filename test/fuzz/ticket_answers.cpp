// SPDX-License-Identifier: Apache-2.0
// What a ticket system answers, whatever it was asked: a line an answer, its first character the
// status.
#include "agent/tickets/tracker.h"
#include "base/core/text.h"
#include "test/fuzz/require.h"

using namespace outrider;
using namespace outrider::tickets;

namespace {

constexpr int asked_max = 30;  // Ten pages, and what is done with what they hold.

class Scripted final : public Web {
 public:
  explicit Scripted(std::string_view script) : script_(script) {}

  Result<wire::Json> ask(const std::string& method, const std::string& path,
                         const wire::Json& body) override {
    fuzz::require(++asked_ <= asked_max, "a conversation ends");
    fuzz::require(path.find_first_of(" \r\n#\"") == std::string::npos, "a path is one");
    fuzz::require(method == "GET" || !body.is_null(), "what changes something says what");
    if (script_.empty()) return fail("retry", "no answer");
    const std::size_t end = script_.find('\n');
    std::string_view line = script_.substr(0, end);
    script_ = end == std::string_view::npos ? std::string_view() : script_.substr(end + 1);
    net::ClientResponse response;
    response.status = line.empty() ? 204 : status_of(line.front());
    if (!line.empty()) line.remove_prefix(1);
    response.body = std::string(line);
    return read_answer(target_, response, Time{});
  }

 private:
  static int status_of(char c) {
    switch (c) {
      case '4':
        return 404;
      case '5':
        return 500;
      case '3':
        return 403;
      default:
        return 200;
    }
  }
  std::string_view script_;
  const Target target_ = {};
  int asked_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 1) return 0;
  Target target;
  target.system = data[0] % 2 == 0 ? System::github : System::jira;
  target.repository = "acme/shop";
  target.project = "OPS";
  target.url = "https://tracker.example";
  Content content;
  content.incident = "20260131T120000Z-0db0a6e8a7c9";
  content.title = "slow";
  content.news = "Severity critical.";
  content.ending = "Its alerts ended.";
  const std::string_view script(reinterpret_cast<const char*>(data + 1), size - 1);
  Scripted opening(script);
  const auto opened = open_ticket(opening, target, content);
  fuzz::require(opened || !opened.error().message.empty(), "an error has words");
  const Ticket ticket = opened ? *opened : Ticket{"1", ""};
  fuzz::require(!ticket.id.empty(), "a ticket has an id");
  for (const auto& tell : {close_ticket, reopen_ticket}) {
    Scripted told(script);
    const auto done = tell(told, target, ticket, content);
    fuzz::require(done || !done.error().message.empty(), "an error has words");
  }
  Scripted updating(script);
  (void)update_ticket(updating, target, ticket, content, true);
  return 0;
}
