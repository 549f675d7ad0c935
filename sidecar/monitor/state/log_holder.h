// SPDX-License-Identifier: Apache-2.0
#pragma once

// The prediction log while it can be opened, and while it cannot: label requests are answered
// either way, and opening is tried again. SHELL.

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/core/clock.h"
#include "base/net/http_server.h"
#include "truth/api/access_journal.h"
#include "truth/log/prediction_log.h"

namespace outrider::monitor {

class LogHolder {
 public:
  // `consumer` is told of every join, from the log's thread; it outlives the holder.
  LogHolder(truth::LogSettings settings, truth::TruthConsumer& consumer, const Clock& clock);

  // At the start: the predecessor of a proxy that was killed may still be flushing, and its
  // predictions wait in our ring, so a locked log is waited for, a few seconds at most.
  void open_after_predecessor();
  // Opens the log, if it is not open. Called from one thread at a time. Logs each new trouble once.
  void open();

  // There is to be no log: whoever `handle` is answers instead, and
  // `erase` where something is to be erased. Before anything else.
  void stay_closed(net::Handler handle, net::Handler erase);

  // The label routes: of the log, or 503 with the reason while there is none. Thread-safe.
  net::HttpResponse handle(const net::HttpRequest& request);
  // Null until it could be opened; then valid as long as the holder. Thread-safe.
  truth::PredictionLog* get() const { return current_; }
  const truth::LogSettings& settings() const { return settings_; }
  truth::AccessJournal& journal() { return journal_; }

 private:
  void set_router(std::shared_ptr<net::Router> router);
  void set_unavailable(std::string reason);

  const truth::LogSettings settings_;
  truth::TruthConsumer& consumer_;
  const Clock& clock_;
  truth::AccessJournal journal_;  // access.ndjson beside the log.
  std::string_view trouble_;      // The error's word when the log could not be opened last.
  std::unique_ptr<truth::PredictionLog> log_;
  std::atomic<truth::PredictionLog*> current_{nullptr};
  bool stays_closed_ = false;
  std::mutex lock_;
  std::shared_ptr<net::Router> router_;
};

}  // namespace outrider::monitor
