// SPDX-License-Identifier: Apache-2.0
#include "agent/ticket_parts.h"

#include "agent/act/outgoing.h"
#include "base/net/address.h"

namespace outrider {

std::shared_ptr<tickets::TicketDesk> ticket_desk_of(const AgentSettings& settings,
                                                    act::Journal& journal, const Clock& clock,
                                                    std::function<bool()> may_leave) {
  tickets::TicketDesk::Dependencies dependencies;
  dependencies.find = [&journal](const std::string& id) -> std::optional<tickets::Story> {
    auto incident = journal.incident(id);
    if (!incident) return std::nullopt;
    return tickets::Story{.incident = std::move(*incident), .actions = journal.actions_of(id)};
  };
  dependencies.changed = [&journal] { return journal.take_changed(); };
  dependencies.keep = [&journal](const std::string& key, const std::string& text) {
    journal.keep_ticket(key, text);
  };
  dependencies.kept = [&journal] { return journal.kept_tickets(); };
  dependencies.may_leave = std::move(may_leave);
  dependencies.check_host = [allowed = settings.sending.allowed_hosts](const std::string& url) {
    return act::check_host(url, allowed);
  };
  tickets::TicketDesk::Settings made = settings.tickets;
  made.link_base = net::without_slash(settings.external_url);
  return std::make_shared<tickets::TicketDesk>(std::move(made), std::move(dependencies), clock);
}

std::shared_ptr<tickets::TicketDesk> ticket_desk_for_trials(const Clock& clock) {
  tickets::TicketDesk::Dependencies none;
  none.find = [](const std::string&) -> std::optional<tickets::Story> { return std::nullopt; };
  none.changed = [] { return std::set<std::string>(); };
  none.keep = [](const std::string&, const std::string&) {};
  none.kept = [] { return std::vector<std::string>(); };
  return std::make_shared<tickets::TicketDesk>(tickets::TicketDesk::Settings{}, std::move(none),
                                               clock);
}

}  // namespace outrider
