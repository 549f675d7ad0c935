// SPDX-License-Identifier: Apache-2.0
#pragma once

// What stands around every page: head, skip link, navigation, the one sentence at the top, banners.
// PURE.
//
// A page works without script: it is whole as it comes, its forms and links are plain, and it
// reloads itself where nobody would lose what he typed. The script asks for the same address and
// changes only what differs (assets/page.js).

#include <string>
#include <string_view>
#include <vector>

#include "agent/page/markup.h"
#include "base/core/clock.h"

namespace outrider::page {

// What every page says of the whole, as far as its reader may see it.
struct Overall {
  Time now;
  std::size_t open = 0, critical = 0;  // Incidents.
  std::size_t waiting = 0;             // Actions that wait for a person …
  std::string waiting_incident = {};   // … the incident of one of them.
  bool has_policy = false;
  bool dry_run = true;
  bool right_sizes = false;         // The agent asks what containers use.
  std::string policy_trouble = {};  // What is wrong with the file, while an older one is in force.
  std::string notice = {};          // What became of the button that was pressed.
  std::vector<std::string> warnings = {};  // Whatever else must be known first.
};

struct Frame {
  const Overall& overall;
  std::string title;    // Of the window, before "Outrider".
  std::string section;  // "models", "incidents" or "actions": where the reader is.
  std::string main;     // HTML.
  bool has_forms = false;
};
std::string document(const Frame& frame);

// "2 open incidents, 1 critical. 1 action waits for a person." as a live region.
std::string state_line(const Overall& overall);

// Embedded files, and the addresses under which pages ask for them: with a digest, so that a
// browser may keep them for ever.
struct Asset {
  std::string path, type;
  std::string_view content;
};
const std::vector<Asset>& assets();

// "1 to 50 of 500" with links to the pages before and after; `to` makes a page's address.
struct Pager {
  std::size_t page = 1, pages = 1, first = 0, count = 0, matching = 0;
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;  // Without the page.
};
std::string pager(const Pager& pager, std::string_view what);

// <option>s, the one chosen marked.
std::string options(const std::vector<std::pair<std::string, std::string>>& words,
                    const std::string& chosen);

}  // namespace outrider::page
