// SPDX-License-Identifier: Apache-2.0
#include "sidecar/options/monitor_options.h"

namespace outrider {

void MonitorOptions::add_to(config::OptionTable& table) {
  table.add("web.listen-address", listen_address, "Address of the admin API and /metrics.")
      .value_name("HOST:PORT")
      .example("127.0.0.1:9501");
  table.add("web.telemetry-path", telemetry_path, "Path of the metrics.");
  access.add_to(table);
  web_tls.add_to(table, "web", "the admin API and /metrics");
  table
      .add("labels.listen-address", labels_listen_address,
           "An address of its own for labels and training data; empty: the admin API's.")
      .value_name("HOST:PORT");
  table
      .add("labels.bearer-token-file", labels_bearer_token_file,
           "File with the token that labels.listen-address asks for.")
      .value_name("FILE");
  labels_tls.add_to(table, "labels",
                    "labels on an address of their own, which otherwise have what web.tls-* say,");
  table.add("data.dir", data_dir, "Folder of the prediction log and of what survives a restart.")
      .value_name("DIR");
  table
      .add("model.config", model_config,
           "Model configuration (YAML); without one, everything is recognised from the traffic.")
      .value_name("FILE");
  table.add("config.check", check_alone,
            "Check the options, the model configuration and the files that it names, then exit: "
            "with status 0 where they are right, else with the reason.");
  table
      .add("reference", reference,
           "References of the model's versions: a file, a folder, or a model registry. Overrides "
           "the "
           "model configuration's.")
      .value_name("FILE|DIR");
  table
      .add("monitor.memory-max", memory_bytes_max,
           "What the monitor process may grow by after its start; 0: no limit. Past it, it is "
           "started "
           "anew.")
      .as_bytes();
  table.add("monitor.drain-timeout", drain_timeout,
            "How long the monitor may take to write what it has when it is stopped.");
  scrape.add_to(table);
  shipping.add_to(table);
  remote_write.job = "outrider-sidecar";
  remote_write.add_to(table);
  table.add("remote-write.keep-page", remote_write_keeps_page,
            "Serve the metrics on web.telemetry-path as well; without it only "
            "outrider_remote_write_* stay there.");
  table
      .add(
          "monitor.frozen-timeout", frozen_timeout,
          "A monitor that lives but does nothing for so long is killed and started anew; 0: never.")
      .between(0, 86'400);
}

}  // namespace outrider
