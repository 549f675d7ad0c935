# SPDX-License-Identifier: Apache-2.0
"""A gRPC service of the user's own, decoded by its descriptors (request.proto)."""

import concurrent.futures
import json
import subprocess

import grpc
import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from processes import free_port, wait_for
from stack import Sidecar

PATH = "/shop.Prices/Predict"


def descriptors():
    """shop.proto: Predict(Order {customer {age}, city}) returns (Price {price})."""
    file = descriptor_pb2.FileDescriptorProto(name="shop.proto", package="shop", syntax="proto3")
    kinds = descriptor_pb2.FieldDescriptorProto

    def message(name, *fields):
        made = file.message_type.add(name=name)
        for number, (field, kind, of) in enumerate(fields, 1):
            made.field.add(name=field, number=number, label=kinds.LABEL_OPTIONAL, type=kind, type_name=of)

    message("Customer", ("age", kinds.TYPE_INT32, None))
    message("Order", ("customer", kinds.TYPE_MESSAGE, ".shop.Customer"), ("city", kinds.TYPE_STRING, None))
    message("Price", ("price", kinds.TYPE_DOUBLE, None))
    file.service.add(name="Prices").method.add(name="Predict", input_type=".shop.Order", output_type=".shop.Price")
    return descriptor_pb2.FileDescriptorSet(file=[file])


@pytest.fixture
def service():
    """(address, Order, Price) of a server that asks 3 for each year of age."""
    made = descriptors()
    pool = descriptor_pool.DescriptorPool()
    pool.Add(made.file[0])
    order, price = (message_factory.GetMessageClass(pool.FindMessageTypeByName(f"shop.{name}")) for name in ("Order", "Price"))
    handler = grpc.unary_unary_rpc_method_handler(
        lambda request, _context: price(price=3.0 * request.customer.age),
        request_deserializer=order.FromString, response_serializer=price.SerializeToString)
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("shop.Prices", {"Predict": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"h2c://127.0.0.1:{port}", order, price
    server.stop(None).wait(10)


def ask(proxy, order, price, ages):
    with grpc.insecure_channel(proxy.removeprefix("http://")) as channel:
        call = channel.unary_unary(PATH, request_serializer=order.SerializeToString, response_deserializer=price.FromString)
        return [call(order(customer={"age": age}, city="Bern"), timeout=20).price for age in ages]


def configuration(folder, proto):
    file = folder / "model.yaml"
    file.write_text(json.dumps({
        "model": {"name": "shop", "version": "v1"},
        "request": {"proto": str(proto), "features": [{"name": "age", "from": "json:/customer/age", "kind": "numeric"},
                                                      {"name": "city", "from": "json:/city", "kind": "categorical"}]},
        "response": {"prediction": "json:/price"}}))
    return file


def test_a_service_of_the_users_own_is_watched_by_its_descriptors(programs, binaries, service, tmp_path):
    upstream, order, price = service
    (tmp_path / "shop.pb").write_bytes(descriptors().SerializeToString())
    sidecar = Sidecar(programs, binaries, upstream, tmp_path / "data",
                      options=["--model.config", configuration(tmp_path, tmp_path / "shop.pb")])
    assert ask(sidecar.proxy, order, price, range(20, 40)) == [3.0 * age for age in range(20, 40)]
    sidecar.wait_for_predictions(20)
    metrics = sidecar.metrics()
    assert metrics.sum("outrider_predictions_total", model_name="shop", model_version="v1", outcome="success") == 20
    assert metrics.sum("outrider_exchanges_failed_total") == 0


def test_without_descriptors_its_calls_are_traffic_alone(programs, binaries, service, tmp_path):
    upstream, order, price = service
    sidecar = Sidecar(programs, binaries, upstream, tmp_path / "data")
    assert ask(sidecar.proxy, order, price, [30]) == [90.0]
    assert sidecar.metrics().sum("outrider_grpc_requests_total", grpc_code="OK") == 1
    assert sidecar.metrics().sum("outrider_predictions_total") == 0
    assert sidecar.metrics().sum("outrider_exchanges_failed_total") == 0


def check(binaries, config):
    """(exit status, what it said) of a sidecar that only checks its configuration."""
    run = subprocess.run([binaries / "outrider-sidecar", "--upstream", "h2c://127.0.0.1:9", "--model.config", config, "--config.check"],
                         capture_output=True, text=True, timeout=30)
    return run.returncode, run.stderr


def test_a_file_that_is_no_set_of_descriptors_is_named_by_the_check_and_stops_no_traffic(programs, binaries, service, tmp_path):
    upstream, order, price = service
    source = tmp_path / "shop.proto"
    source.write_text('syntax = "proto3";\nmessage Order {}\n')
    config = configuration(tmp_path, source)
    status, said = check(binaries, config)
    assert status == 1
    assert f"{config}: request.proto: {source}: expected a set of descriptors, but the file is text" in said
    assert "protoc --include_imports --descriptor_set_out=FILE" in said

    proxy, admin = f"127.0.0.1:{free_port()}", f"127.0.0.1:{free_port()}"
    programs.start("sidecar", [binaries / "outrider-sidecar", "--upstream", upstream, "--proxy.listen-address", proxy,
                               "--web.listen-address", admin, "--data.dir", tmp_path / "data", "--model.config", config])
    wait_for("the reason in the log", lambda: "expected a set of descriptors" in programs.log("sidecar"), 30)
    assert ask(proxy, order, price, [30]) == [90.0]

    source.write_bytes(descriptors().SerializeToString())  # The next monitor takes it.
    assert check(binaries, config)[0] == 0
    programs.wait_until_ready("sidecar", f"http://{admin}/-/ready")


def test_the_check_names_a_key_that_is_not_known_and_a_file_that_is_missing(binaries, tmp_path):
    config = tmp_path / "model.yaml"
    config.write_text("request: {protu: x}\n")
    status, said = check(binaries, config)
    assert (status, "request.protu: unknown key" in said) == (1, True)
    config.write_text(f"request: {{proto: {tmp_path}/none.bin}}\n")
    status, said = check(binaries, config)
    assert (status, f"{tmp_path}/none.bin: No such file" in said) == (1, True)
    assert check(binaries, tmp_path / "none.yaml")[0] == 1
