// SPDX-License-Identifier: Apache-2.0
#include "cli/inject/inject.h"

#include "base/core/version.h"
#include "cli/inject/yaml_text.h"
#include "test/support/catch.h"

using namespace outrider;
using namespace outrider::inject;
using Catch::Contains;
using Catch::StartsWith;

namespace {

const Settings settings{.image = "outrider-sidecar:1"};

Outcome injected(const std::string& text, const Settings& wanted = settings) {
  auto done = inject::inject(text, "in.yaml", wanted);
  INFO((done ? "" : done.error().message));
  REQUIRE(done);
  return std::move(*done);
}

Outcome uninjected(const std::string& text) {
  auto done = uninject(text, "in.yaml");
  INFO((done ? "" : done.error().message));
  REQUIRE(done);
  return std::move(*done);
}

std::string report(const Outcome& outcome) {
  std::string out;
  for (const std::string& line : outcome.report) out += line + "\n";
  return out;
}

// Also checks what holds of every injection: twice is once, and it can be undone byte for byte.
std::string checked(const std::string& text, const Settings& wanted = settings) {
  const Outcome once = injected(text, wanted);
  CHECK(injected(once.text, wanted).text == once.text);
  CHECK(uninjected(once.text).text == text);
  return once.text;
}

const std::string deployment = R"(# Serves prices.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: house-price   # as in the registry
spec:
  replicas: 3
  template:
    metadata:
      labels: {app: house-price}
      annotations:
        version: "1.10"
        on: "yes"
    spec:
      containers:
        # The model.
        - name: model
          image: 'example/model:007'
          command: [serve, "--flag=off"]
          env:
            - {name: LEVEL, value: "0644"}
          ports:
            - containerPort: 8080
              name: http
)";

const std::string service = R"(apiVersion: v1
kind: Service
metadata:
  name: house-price
spec:
  selector: {app: house-price}
  ports:
    - port: 80
      targetPort: http # by name
    - port: 9000
      targetPort: 9000
)";

std::string pod_with(const std::string& ports, const std::string& more = "") {
  return "apiVersion: v1\nkind: Pod\nmetadata:\n  name: m\n  labels: {app: m}\nspec:\n  "
         "containers:\n    - name: "
         "m\n      image: m\n" +
         ports + more;
}

}  // namespace

TEST_CASE(
    "a deployment gets the container, its volume, a label and an annotation, and nothing else "
    "changes") {
  const std::string text = checked(deployment);
  const auto document = YamlText::parse(text, "out", 1);
  REQUIRE(document);
  const YamlNode& pod = *document->root()->find("spec")->find("template");
  const YamlNode& sidecar = *pod.find("spec")->find("initContainers")->items().at(0);
  CHECK(sidecar.find("name")->text() == "outrider-sidecar");
  CHECK(sidecar.find("restartPolicy")->text() == "Always");
  CHECK(sidecar.find("args")->items().at(0)->text() == "--upstream=http://127.0.0.1:8080");
  CHECK(pod.find("spec")->find("volumes")->items().at(0)->find("name")->text() == "outrider-data");
  CHECK(pod.find("metadata")->find("labels")->find("outrider.io/sidecar")->is_string());
  CHECK(pod.find("metadata")->find("annotations")->find("outrider.io/injected")->text() ==
        version());

  // Every line of the input is still there, in order; that with a flow map has grown.
  std::size_t at = 0;
  for (std::size_t begin = 0; begin < deployment.size();) {
    const std::size_t end = deployment.find('\n', begin) + 1;
    const std::string line = deployment.substr(begin, end - begin);
    begin = end;
    if (line.find("labels: {") != std::string::npos) continue;
    const std::size_t found = text.find(line, at);
    INFO(line);
    REQUIRE(found != std::string::npos);
    at = found + line.size();
  }
}

TEST_CASE("an ordinary container stands last, so that kubectl's default stays the model") {
  Settings plain = settings;
  plain.native = false;
  const std::string text = checked(deployment, plain);
  CHECK(text.find("initContainers") == std::string::npos);
  CHECK(text.find("name: outrider-sidecar") > text.find("name: model"));
  CHECK(text.find("restartPolicy") == std::string::npos);
}

TEST_CASE("the Service that leads to the model leads to the sidecar, and its other ports stay") {
  const std::string text = checked(deployment + "---\n" + service);
  CHECK_THAT(text, Contains("targetPort: 9500 # by name") && Contains("targetPort: 9000") &&
                       Contains("outrider.io/target-ports: \"80=http\""));
  const Outcome outcome = injected(deployment + "---\n" + service);
  CHECK(report(outcome) ==
        "deployment \"house-price\" injected, before port 8080\n"
        "service \"house-price\" now reaches the sidecar: port 80 -> 9500 (was http)\n");
  CHECK(outcome.changed == 2);
}

TEST_CASE("a Service may stand before its Deployment, name a number, or nothing") {
  for (const std::string target :
       {"      targetPort: 8080\n", "      targetPort: \"http\"\n", ""}) {
    const std::string number = target.empty() ? "8080" : "80";
    const std::string text =
        "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec:\n  selector: {app: "
        "house-price}\n  ports:\n    - port: " +
        number + "\n" + target + "---\n" + deployment;
    const std::string done = injected(text).text;
    CHECK_THAT(done, Contains("targetPort: 9500"));
    CHECK(injected(done).text == done);
    const std::string back = uninjected(done).text;
    CHECK(back.find("9500") == std::string::npos);
    CHECK(injected(back).text == done);
  }
}

TEST_CASE("a Service of another namespace, with another selector, or of UDP is not touched") {
  for (const std::string other : {"apiVersion: v1\nkind: Service\nmetadata: {name: s, namespace: "
                                  "b}\nspec: {selector: {app: house-price}, ports: "
                                  "[{port: 80, targetPort: 8080}]}\n",
                                  "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: "
                                  "{selector: {app: other}, ports: [{port: 80, "
                                  "targetPort: 8080}]}\n",
                                  "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: "
                                  "{selector: {app: house-price}, ports: [{port: 80, "
                                  "targetPort: 8080, protocol: UDP}]}\n",
                                  "apiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: "
                                  "{ports: [{port: 80, targetPort: 8080}]}\n"}) {
    const Outcome outcome = injected(deployment + "---\n" + other);
    CHECK_THAT(outcome.text, Catch::EndsWith(other));
    CHECK_THAT(report(outcome),
               Contains("no Service here leads to it: let the targetPort of its Service be 9500"));
  }
}

TEST_CASE("a Service is left alone when it also selects pods without a sidecar") {
  std::string canary = deployment;
  canary.replace(canary.find("name: house-price"), 17, "name: canary");
  canary.replace(canary.find("  template:\n"), 12, "  template:\n");
  canary.replace(canary.find("      annotations:\n"), 19,
                 "      annotations:\n        outrider.io/inject: disabled\n");
  const Outcome outcome = injected(deployment + "---\n" + canary + "---\n" + service);
  CHECK_THAT(outcome.text, Catch::EndsWith(service));
  CHECK_THAT(
      report(outcome),
      Contains("deployment \"canary\" skipped: annotation outrider.io/inject: disabled") &&
          Contains("service \"house-price\" left alone: it also selects deployment \"canary\""));
}

TEST_CASE("every kind with a pod template is injected, also unknown ones, Lists and JSON") {
  const std::string spec =
      "{\"containers\": [{\"name\": \"m\", \"ports\": [{\"containerPort\": 8080}]}]}";
  for (const std::string kind : {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet",
                                 "ReplicationController", "Job", "Rollout", "CloneSet"}) {
    INFO(kind);
    const std::string text =
        "{\"apiVersion\": \"a/v1\", \"kind\": \"" + kind +
        "\", \"metadata\": {\"name\": \"m\"}, \"spec\": {\"template\": {\"spec\": " + spec +
        "}}}\n";
    CHECK_THAT(checked(text), Contains("\"initContainers\": [{\"name\":\"outrider-sidecar\""));
  }
  checked(
      "{\"kind\": \"CronJob\", \"metadata\": {\"name\": \"m\"}, \"spec\": {\"jobTemplate\": "
      "{\"spec\": {\"template\": "
      "{\"spec\": " +
      spec + "}}}}}");
  checked("kind: List\nitems:\n- kind: Pod\n  metadata: {name: a}\n  spec: " + spec +
          "\n- kind: Pod\n  metadata:\n    name: b\n  spec: " + spec + "\n");
  checked(pod_with("      ports: [{containerPort: 8080}]\n"));
}

TEST_CASE("a byte order mark and letters beyond ASCII keep their places") {
  const std::string mark = "\xef\xbb\xbf";
  checked(mark + pod_with("      ports: [{containerPort: 8080}]\n"));
  // Injecting again takes out first, which removes a list that was empty, and adds it elsewhere.
  const std::string once =
      injected(mark +
               "\nspec:\n  template:\n    metadata:\n      note:\n    spec:\n      "
               "containers:\n        - name: m\n          ports: "
               "[{containerPort: 8080}]\n      volumes: []\n")
          .text;
  CHECK(injected(once).text == once);
  checked(
      pod_with("      env: [{name: \"gr\u00fc\u00dfe\", value: \"\u2713\"}] # \u00fc\n      ports: "
               "[{containerPort: 8080}] # "
               "\u00fc\n"));
}

TEST_CASE("empty and null parts are filled") {
  for (const std::string more :
       {"  volumes: []\n", "  volumes:\n", "  initContainers: null\n", "  initContainers: []\n"}) {
    const std::string text = pod_with("      ports: [{containerPort: 1}]\n", more);
    const std::string done = injected(text).text;
    CHECK(injected(done).text == done);
    CHECK_THAT(done, Contains("outrider-data"));
    CHECK_THAT(uninjected(done).text, !Contains("outrider"));
  }
}

TEST_CASE("what must not be touched is left as it is, with the reason") {
  const auto skipped = [](const std::string& text, const std::string& reason,
                          const Settings& wanted = settings) {
    const Outcome outcome = injected(text, wanted);
    INFO(report(outcome));
    CHECK(outcome.text == text);
    CHECK(outcome.changed == 0);
    CHECK_THAT(report(outcome), Contains("skipped: ") && Contains(reason));
  };
  const std::string port = "      ports: [{containerPort: 8080}]\n";
  skipped(pod_with(port, "  hostNetwork: true\n"), "host's network");
  skipped(pod_with(""), "declare no port");
  skipped(pod_with("      ports: [{containerPort: 1}, {containerPort: 2}]\n"),
          "several ports (1, 2)");
  skipped(pod_with("      ports: [{containerPort: 1, protocol: UDP}]\n"), "declare no port");
  skipped(pod_with("      ports: [{containerPort: 9501}]\n"), "which is the sidecar's");
  skipped(pod_with(port, "    - name: outrider-sidecar\n"), "inject did not put there");
  skipped(pod_with(port, "  volumes: [{name: outrider-data}]\n"), "volume \"outrider-data\"");
  skipped("kind: Rollout\nmetadata: {name: r}\nspec: {workloadRef: {kind: Deployment}}\n",
          "workloadRef");
  skipped(
      "apiVersion: serving.knative.dev/v1\nkind: Service\nmetadata: {name: k}\nspec: {template: "
      "{spec: {containers: "
      "[{ports: [{containerPort: 1}]}]}}}\n",
      "Knative");
  skipped(
      "kind: List\nitems:\n- kind: Pod\n  metadata: {name: a}\n  spec: &s {containers: [{name: m, "
      "ports: "
      "[{containerPort: 1}]}]}\n- kind: Pod\n  metadata: {name: b}\n  spec: *s\n",
      "YAML alias (line 5)");
  skipped(
      "x: &base {a: 1}\nkind: Pod\nmetadata: {name: b}\nspec:\n  <<: *base\n  containers: [{name: "
      "m, ports: "
      "[{containerPort: 1}]}]\n",
      "merge key");
  Settings plain = settings;
  plain.native = false;
  skipped(
      "kind: Job\nmetadata: {name: j}\nspec: {template: {spec: {containers: [{ports: "
      "[{containerPort: 1}]}]}}}\n",
      "a Job would never end", plain);
}

TEST_CASE("the model's port: asked for, annotated, named http, or the one a Service leads to") {
  const std::string two =
      "      ports: [{containerPort: 8000, name: http}, {containerPort: 8002, name: metrics}]\n";
  CHECK_THAT(checked(pod_with(two)), Contains("http://127.0.0.1:8000"));
  Settings asked = settings;
  asked.port = "metrics";
  CHECK_THAT(checked(pod_with(two), asked), Contains("http://127.0.0.1:8002"));
  asked.port = "7777";
  CHECK_THAT(checked(pod_with(two), asked), Contains("http://127.0.0.1:7777"));
  asked.port = "web";
  CHECK_THAT(report(injected(pod_with(two), asked)),
             Contains("has no port named \"web\", only 8000 (http)"));
  CHECK_THAT(injected("kind: Pod\nmetadata:\n  name: a\n  annotations: {outrider.io/port: "
                      "\"5000\"}\nspec:\n  containers: "
                      "[{name: m}]\n")
                 .text,
             Contains("http://127.0.0.1:5000"));
  const std::string unnamed = "      ports: [{containerPort: 8000}, {containerPort: 8002}]\n";
  CHECK_THAT(
      injected(pod_with(unnamed) +
               "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {app: "
               "m}, ports: [{port: 80, targetPort: 8002}]}\n")
          .text,
      Contains("http://127.0.0.1:8002"));
}

namespace {

std::string service_with(const std::string& ports) {
  return "---\napiVersion: v1\nkind: Service\nmetadata: {name: s}\nspec: {selector: {app: m}, "
         "ports: [" +
         ports + "]}\n";
}

}  // namespace

TEST_CASE(
    "of several ports one of HTTP/1.1 is the model's, and a port of HTTP/2 alone is led to by "
    "h2c") {
  const std::string one = "      ports: [{containerPort: 8000}]\n";
  const std::string two = "      ports: [{containerPort: 8000}, {containerPort: 9000}]\n";
  for (const std::string protocol : {"kubernetes.io/h2c", "grpc", "http2", "GRPC"}) {
    const std::string alone =
        checked(pod_with(one) +
                service_with("{port: 80, targetPort: 8000, appProtocol: " + protocol + "}"));
    CHECK_THAT(alone, Contains("--upstream=h2c://127.0.0.1:8000") && Contains("targetPort: 9500"));
    const std::string text = checked(
        pod_with(two) + service_with("{port: 90, targetPort: 9000, appProtocol: " + protocol +
                                     "}, {port: 80, targetPort: 8000}"));
    CHECK_THAT(text, Contains("--upstream=http://127.0.0.1:8000") && Contains("targetPort: 9000"));
  }
  Settings asked = settings;
  asked.port = "8000";
  const std::string tls = service_with("{port: 443, targetPort: 8000, appProtocol: https}");
  CHECK_THAT(report(injected(pod_with(one) + tls, asked)), Contains("with --upstream https://"));
  const std::string plain = service_with("{port: 80, targetPort: 8000, appProtocol: http}");
  CHECK_THAT(checked(pod_with(one) + plain), Contains("targetPort: 9500"));
}

TEST_CASE("of two Service ports that lead to one port, the one that declares HTTP/2 stays") {
  const std::string text = pod_with("      ports: [{containerPort: 8000}]\n") +
                           service_with(
                               "{port: 80, targetPort: 8000}, {port: 90, targetPort: "
                               "8000, appProtocol: kubernetes.io/h2c}");
  const Outcome outcome = injected(text);
  CHECK_THAT(outcome.text, Contains("{port: 80, targetPort: 9500}") &&
                               Contains("{port: 90, targetPort: 8000, appProtocol"));
  CHECK_THAT(report(outcome), Contains("port 90 left alone: appProtocol kubernetes.io/h2c"));
  CHECK(uninjected(outcome.text).text == text);
}

TEST_CASE("a port that is named grpc, or that a gRPC probe asks, speaks HTTP/2") {
  const auto with_probe = [](const std::string& ports) {
    return pod_with("      ports: [" + ports + "]\n      readinessProbe: {grpc: {port: 9000}}\n");
  };
  CHECK_THAT(checked(with_probe("{containerPort: 8000}, {containerPort: 9000}")),
             Contains("--upstream=http://127.0.0.1:8000") && Contains("grpc: {port: 9000}"));
  CHECK_THAT(checked(with_probe("{containerPort: 9000}")),
             Contains("--upstream=h2c://127.0.0.1:9000"));
  Settings asked = settings;
  asked.port = "9000";
  CHECK_THAT(checked(with_probe("{containerPort: 8000}, {containerPort: 9000}"), asked),
             Contains("--upstream=h2c://127.0.0.1:9000"));
  const std::string named = pod_with("      ports: [{containerPort: 8001, name: grpc}]\n");
  CHECK_THAT(checked(named), Contains("--upstream=h2c://127.0.0.1:8001"));
  CHECK_THAT(checked(named + service_with("{port: 80, targetPort: 8001, appProtocol: http}")),
             Contains("--upstream=http://127.0.0.1:8001"));
}

TEST_CASE("certificates come from a Secret or a CSI driver, and probes then ask over TLS") {
  Settings secure = settings;
  secure.tls.secret = "house-price-tls";
  secure.web_tls.csi_driver = "spiffe.csi.cert-manager.io";
  secure.csi_attributes = {"a.example/b=c"};
  const std::string text = checked(deployment, secure);
  CHECK_THAT(text, Contains("--tls.cert-dir=/etc/outrider/tls") &&
                       Contains("--web.tls-cert-dir=/etc/outrider/web-tls") &&
                       Contains("secretName: house-price-tls") &&
                       Contains("driver: spiffe.csi.cert-manager.io") &&
                       Contains("a.example/b: c") && Contains("scheme: HTTPS"));
  secure.arguments = {"--tls.require-client-certificate"};
  const std::string strict = checked(deployment, secure);
  CHECK_THAT(strict, Contains("tcpSocket") && !Contains("scheme: HTTPS"));
}

TEST_CASE("injecting again takes the newer settings") {
  Settings newer = settings;
  newer.image = "outrider-sidecar:2";
  newer.proxy_port = 9600;
  newer.model_config_map = "model";
  newer.reference_config_map = "references";
  newer.arguments = {"--proxy.threads=2"};
  const std::string text = deployment + "---\n" + service;
  const std::string twice = injected(injected(text).text, newer).text;
  CHECK(twice == injected(text, newer).text);
  CHECK_THAT(twice, Contains("targetPort: 9600") && Contains("outrider-sidecar:2") &&
                        Contains("--proxy.threads=2") &&
                        Contains("--model.config=/etc/outrider/model/model.yaml"));
  CHECK(uninjected(twice).text == text);
}

TEST_CASE("KServe: the predictor's sidecar takes the place that KServe leads traffic to") {
  const std::string text = R"(apiVersion: serving.kserve.io/v1beta1
kind: InferenceService
metadata:
  name: iris
spec:
  predictor:
    model:
      modelFormat: {name: sklearn}
      storageUri: gs://models/iris
)";
  const std::string done = checked(text);
  const auto document = YamlText::parse(done, "out", 1);
  const YamlNode& predictor = *document->root()->find("spec")->find("predictor");
  const YamlNode& sidecar = *predictor.find("containers")->items().at(0);
  CHECK(sidecar.find("name")->text() == "transformer-container");
  CHECK(sidecar.find("ports")->size() == 1);
  CHECK(sidecar.find("restartPolicy") == nullptr);
  CHECK(sidecar.find("args")->items().at(0)->text() == "--upstream=http://127.0.0.1:8080");
  CHECK(predictor.find("labels")->find("outrider.io/sidecar") != nullptr);
  CHECK_THAT(
      report(injected(
          "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: "
          "i}\nspec: {predictor: {model: {}, containers: [{name: transformer-container}]}}\n")),
      Contains("inject did not put there"));
  CHECK_THAT(report(injected(
                 "apiVersion: serving.kserve.io/v1beta1\nkind: InferenceService\nmetadata: {name: "
                 "i}\nspec: {predictor: {containers: [{name: kserve-container, ports: "
                 "[{containerPort: 7000}]}]}}\n")),
             Contains("before port 7000") && Contains("note: Knative"));
}

TEST_CASE("what has no pods passes through, and bad input is an error with its line") {
  const std::string other =
      "# c\napiVersion: v1\nkind: ConfigMap\ndata: {a: \"yes\", b: 'no'}\n---\n---\n# end\n";
  CHECK(injected(other).text == other);
  CHECK_THAT(report(injected(other)), Contains("nothing changed"));
  CHECK(injected("").text.empty());
  const auto error = [](const std::string& text) {
    const auto done = inject::inject(text, "in.yaml", settings);
    REQUIRE_FALSE(done);
    return done.error().message;
  };
  CHECK_THAT(error("a: 1\n---\nb: [\n"), StartsWith("in.yaml:"));
  CHECK_THAT(error("kind: Pod\nmetadata: {name: a}\nspec:\n  containers: 3\n"),
             Contains("in.yaml:4: containers must be a list"));
  CHECK_THAT(error("- a\n"), Contains("in.yaml:1: a Kubernetes object is a map"));
  CHECK_THAT(error("kind: Pod\nmetadata: {name: a}\n"), Contains("pod \"a\" has no pod spec"));
}

TEST_CASE("what somebody else put there is not taken out") {
  const std::string own = pod_with("", "    - name: outrider-sidecar\n");
  const Outcome outcome = uninjected(own);
  CHECK(outcome.text == own);
  CHECK_THAT(report(outcome), Contains("inject put no sidecar there"));
}
