// SPDX-License-Identifier: Apache-2.0
#include "sidecar/options/scrape_options.h"

namespace outrider::exporting {

void ScrapeOptions::add_to(config::OptionTable& table) {
  table
      .add("scrape.target", targets,
           "Scrape these metrics too, and pass them on with the sidecar's own. Repeatable; without "
           "a path it is /metrics.")
      .as_url()
      .value_name("URL")
      .example("http://127.0.0.1:8000/metrics");
  client.add_to(table, "scrape", "the targets");
  table.add("scrape.job", job, "The label job of what is scraped.");
  table.add("scrape.interval", interval, "How often targets are scraped.").between(0.1, 3600);
  table
      .add("scrape.timeout", timeout,
           "How long a scrape may take; the interval, where that is shorter.")
      .between(0.05, 3600);
  table.add("scrape.max-body", body_bytes_max, "A larger page fails the scrape.")
      .as_bytes()
      .between(1 << 10, 1 << 30);
  table.add("scrape.max-samples", samples_max, "A page with more samples fails the scrape.")
      .between(1, 10'000'000);
}

}  // namespace outrider::exporting
