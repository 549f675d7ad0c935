# SPDX-License-Identifier: Apache-2.0
"""A real Kafka cluster on the loopback interface, of one node or three that keep their own metadata (KRaft): nodes are killed and
started again. The jars are those of `scripts/tools kafka`; Java runs them."""

import pathlib
import socket
import subprocess

from processes import free_port, wait_for

JARS = pathlib.Path(__file__).resolve().parent.parent.parent / "build" / "tools" / "kafka"
USER, PASSWORD = "outrider", "a-password-of-the-tests"
LOGINS = {
    "PLAIN": f"""
listener.name.client.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \
user_{USER}="{PASSWORD}";
""",
    "SCRAM-SHA-512": """
listener.name.client.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
""",
}


class Cluster:
    """Records are on all nodes; of three, one may be away. With `login` clients speak TLS, show a certificate and log in by that
    mechanism; `certificates` is the directory with tls.crt, tls.key and ca.crt that the nodes show."""

    def __init__(self, programs, folder, nodes=1, partitions=6, login=None, certificates=None, settings=""):
        self.programs, self.login = programs, login
        ports = [(free_port(), free_port(), free_port()) for _ in range(nodes)]  # Of clients, of nodes, of controllers.
        self.ports = [port for port, _, _ in ports]
        self.bootstrap = ",".join(f"localhost:{port}" for port in self.ports)
        voters = ",".join(f"{i}@127.0.0.1:{controller}" for i, (_, _, controller) in enumerate(ports, 1))
        self.configs = []
        for i, (client, inner, controller) in enumerate(ports, 1):
            home = folder / f"node-{i}"
            home.mkdir(parents=True)
            self.configs.append(home / "server.properties")
            self.configs[-1].write_text(f"""
process.roles=broker,controller
node.id={i}
controller.quorum.voters={voters}
listeners=CLIENT://127.0.0.1:{client},INNER://127.0.0.1:{inner},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=CLIENT://localhost:{client},INNER://127.0.0.1:{inner}
inter.broker.listener.name=INNER
controller.listener.names=CONTROLLER
listener.security.protocol.map=CLIENT:{"SASL_SSL" if login else "PLAINTEXT"},INNER:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={home / "data"}
num.partitions={partitions}
auto.create.topics.enable=true
default.replication.factor={nodes}
min.insync.replicas={max(1, nodes - 1)}
offsets.topic.replication.factor={nodes}
offsets.topic.num.partitions=4
transaction.state.log.replication.factor={nodes}
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.session.timeout.ms=6000
{self.security(home, certificates) if login else ""}{settings}
""")
            self.run("kafka.tools.StorageTool", "format", "-t", "AAAAAAAAAAAAAAAAAAAAAA", "-c", self.configs[-1],
                     *(["--add-scram", f"{login}=[name={USER},password={PASSWORD}]"] if (login or "").startswith("SCRAM") else []))
            self.start(i - 1)
        for i in range(nodes):
            self.wait_until_open(i)

    def security(self, home, certificates):
        store = home / "store.pem"
        store.write_text((certificates / "tls.key").read_text() + (certificates / "tls.crt").read_text())
        return f"""
ssl.keystore.type=PEM
ssl.keystore.location={store}
ssl.truststore.type=PEM
ssl.truststore.location={certificates / "ca.crt"}
ssl.client.auth=required
sasl.enabled.mechanisms={self.login}
{LOGINS[self.login]}"""

    @staticmethod
    def java(*arguments):
        return ["java", "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{JARS}/*", *map(str, arguments)]

    def run(self, *arguments):
        done = subprocess.run(self.java(*arguments), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def start(self, node=0):
        self.programs.start(f"kafka-{node + 1}", self.java("kafka.Kafka", self.configs[node]))

    def kill(self, node=0):
        process = self.programs.running.pop(f"kafka-{node + 1}")
        process.kill()
        process.wait()

    def wait_until_open(self, node=0):
        def is_open():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.ports[node])) == 0

        wait_for(f"the port of Kafka's node {node + 1}", is_open, 120)
