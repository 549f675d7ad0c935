# SPDX-License-Identifier: Apache-2.0
"""A real Kubernetes control plane on loopback: etcd, API server, controller manager and scheduler, built from their
own sources (scripts/tools). Only the nodes are played, by kwok: Pods are scheduled and become ready, but no container
runs, so no image is pulled and no probe is asked.

    with Cluster(programs, tool, folder) as cluster:     # programs: of demo/processes.py, which stops all of it
        cluster.helm("install", "outrider", "helm/outrider", "--wait")
        cluster.get("/api/v1/namespaces/default/pods")
"""

import base64
import json
import os
import pathlib
import ssl
import subprocess
import urllib.error
import urllib.parse
import urllib.request

from processes import HttpError, free_port, wait_for

# Who the parts are to the API server. Each has the groups that a real cluster gives it, and real roles follow.
USERS = {
    "admin": "system:masters",
    "system:kube-controller-manager": "",
    "system:kube-scheduler": "",
    "kwok": "system:masters",
}


class Cluster:
    def __init__(self, programs, tool, folder, nodes=3):
        self.programs, self.tool, self.folder = programs, tool, pathlib.Path(folder)
        self.folder.mkdir(parents=True)
        self.port = free_port()
        self.url = f"https://127.0.0.1:{self.port}"
        self.tokens = {user: base64.urlsafe_b64encode(os.urandom(24)).decode() for user in USERS}
        self.ca_file = self.folder / "ca.crt"
        self._keys()
        trust = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca_file))
        self.opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), trust)
        self._start(nodes)

    # What a client sees.

    def request(self, method, path, body=None, token=None, content_type="application/json"):
        """(status, JSON or text) of any answer but 429, which means later (a new kind's storage is being made), as it does
        to every client of Kubernetes; by default as the cluster's administrator."""
        return wait_for(f"{method} {path}", lambda: self._exchange(method, path, body, token, content_type), 60, every=1)

    def _exchange(self, method, path, body, token, content_type):
        headers = {"Authorization": f"Bearer {token or self.tokens['admin']}", "Content-Type": content_type}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, method=method, headers=headers)
        try:
            with self.opener.open(request, timeout=20) as answer:
                status, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read().decode()
        return None if status == 429 else (status, json.loads(text) if text.startswith("{") else text)

    def _done(self, method, path, *arguments, **options):
        status, answer = self.request(method, path, *arguments, **options)
        if not 200 <= status < 300:
            raise HttpError(status, json.dumps(answer))
        return answer

    def get(self, path):
        return self._done("GET", path)

    def create(self, path, body):
        return self._done("POST", path, body)

    def patch(self, path, body):
        return self._done("PATCH", path, body, content_type="application/merge-patch+json")

    def token_of(self, namespace, service_account, audience=None):
        """A token as the kubelet would mount it: asked for, bound to a time, signed by the API server."""
        spec = {"expirationSeconds": 3600} | ({"audiences": [audience]} if audience else {})
        path = f"/api/v1/namespaces/{namespace}/serviceaccounts/{service_account}/token"
        return self.create(path, {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec})["status"]["token"]

    def helm(self, *words, check=True, timeout=180):
        """Runs helm against this cluster only; its folders are ours too."""
        home = {f"HELM_{kind}_HOME": str(self.folder / "helm" / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        run = subprocess.run([self.tool("helm"), *map(str, words), "--kubeconfig", self.kubeconfig("admin")],
                             capture_output=True, text=True, timeout=timeout, env={**os.environ, **home})
        if check and run.returncode != 0:
            raise AssertionError(f"helm {' '.join(map(str, words))}:\n{run.stdout}{run.stderr}")
        return run

    def kubeconfig(self, user):
        file = self.folder / f"{user.removeprefix('system:')}.kubeconfig"
        if not file.exists():
            file.write_text(json.dumps({
                "apiVersion": "v1", "kind": "Config", "current-context": "c",
                "clusters": [{"name": "c", "cluster": {"server": self.url, "certificate-authority": str(self.ca_file)}}],
                "users": [{"name": "u", "user": {"token": self.tokens[user]}}],
                "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}))
            file.chmod(0o600)
        return file

    # How it comes to be.

    def _openssl(self, *words, stdin=None):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True, cwd=self.folder, text=True, input=stdin)

    def _keys(self):
        """An authority, the API server's certificate, and the key that signs service accounts' tokens."""
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        self._openssl("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.crt", "-days", "2", "-subj", "/CN=test-ca")
        self._openssl("req", *curve, "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=kube-apiserver")
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost,DNS:kubernetes.default.svc\n")
        self._openssl("x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key", "-CAcreateserial",
                      "-out", "server.crt", "-days", "2", "-extfile", "names")
        self._openssl("genrsa", "-out", "accounts.key", "2048")
        self._openssl("rsa", "-in", "accounts.key", "-pubout", "-out", "accounts.pub")
        rows = [f'{self.tokens[user]},{user},{number},"{group}"' for number, (user, group) in enumerate(USERS.items())]
        (self.folder / "tokens.csv").write_text("\n".join(rows) + "\n")

    def _start(self, nodes):
        etcd, peer = free_port(), free_port()
        self.programs.start("etcd", [
            self.tool("etcd"), "--data-dir", self.folder / "etcd", "--unsafe-no-fsync",
            f"--listen-client-urls=http://127.0.0.1:{etcd}", f"--advertise-client-urls=http://127.0.0.1:{etcd}",
            f"--listen-peer-urls=http://127.0.0.1:{peer}", f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
            f"--initial-cluster=default=http://127.0.0.1:{peer}"])
        self.programs.wait_until_ready("etcd", f"http://127.0.0.1:{etcd}/health")
        self._api_server = [
            self.tool("kube-apiserver"), f"--etcd-servers=http://127.0.0.1:{etcd}",
            "--bind-address=127.0.0.1", f"--secure-port={self.port}", "--endpoint-reconciler-type=none",
            f"--tls-cert-file={self.folder}/server.crt", f"--tls-private-key-file={self.folder}/server.key",
            f"--token-auth-file={self.folder}/tokens.csv", "--authorization-mode=RBAC", "--anonymous-auth=false",
            "--service-account-issuer=https://kubernetes.default.svc", f"--service-account-key-file={self.folder}/accounts.pub",
            f"--service-account-signing-key-file={self.folder}/accounts.key", "--service-cluster-ip-range=10.96.0.0/16"]
        self._start_api_server()
        for name, user, options in (
                ("kube-controller-manager", "system:kube-controller-manager",
                 [f"--service-account-private-key-file={self.folder}/accounts.key", f"--root-ca-file={self.ca_file}",
                  "--use-service-account-credentials"]),
                ("kube-scheduler", "system:kube-scheduler", [])):
            config = self.kubeconfig(user)
            self.programs.start(name, [
                self.tool(name), f"--kubeconfig={config}", f"--authentication-kubeconfig={config}",
                f"--authorization-kubeconfig={config}", "--bind-address=127.0.0.1", f"--secure-port={free_port()}",
                "--leader-elect=false", *options])
        stages = sorted((self.tool("kwok").parent.parent / "share" / "kwok").glob("*.yaml"))
        self.programs.start("kwok", [self.tool("kwok"), f"--kubeconfig={self.kubeconfig('kwok')}", "--manage-all-nodes=true",
                                     f"--server-address=127.0.0.1:{free_port()}", *(f"--config={stage}" for stage in stages)])
        for number in range(nodes):
            self.create("/api/v1/nodes", {"apiVersion": "v1", "kind": "Node", "metadata": {
                "name": f"node-{number}", "annotations": {"kwok.x-k8s.io/node": "fake"}}})
        self._wait("kwok", lambda: self.ready_nodes() == nodes, 60)
        # The controller manager gives every namespace its service account; without it no Pod is admitted.
        self._wait("kube-controller-manager",
                   lambda: self.request("GET", "/api/v1/namespaces/default/serviceaccounts/default")[0] == 200, 60)

    def _start_api_server(self):
        self.programs.start("kube-apiserver", self._api_server)
        self._wait("kube-apiserver", lambda: self.request("GET", "/readyz")[0] == 200, 60)

    def kill_api_server(self):
        """kill -9; gives what starts it again, on the same port and data."""
        process = self.programs.running.pop("kube-apiserver")
        process.kill()
        process.wait()
        return self._start_api_server

    def ready_nodes(self):
        conditions = [c for n in self.get("/api/v1/nodes")["items"] for c in n.get("status", {}).get("conditions", [])]
        return sum(c["type"] == "Ready" and c["status"] == "True" for c in conditions)

    def _wait(self, name, check, seconds):
        """As wait_for, but a part that died says so with its log's end."""

        def alive():
            for part, process in self.programs.running.items():
                if process.poll() is not None:
                    raise RuntimeError(f"{part} ended with status {process.poll()}:\n{self.programs.log(part)[-3000:]}")
            return check()

        wait_for(name, alive, seconds, every=0.2)

    def select(self, path, labels):
        """The objects under a path that bear the labels."""
        return self.get(f"{path}?labelSelector={urllib.parse.quote(labels)}")["items"]
