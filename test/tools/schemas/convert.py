# SPDX-License-Identifier: Apache-2.0
"""Makes the folder of JSON schemas that kubeconform reads, from the sources that define the objects:

    convert.py TARGET KUBERNETES PROMETHEUS_OPERATOR KSERVE      (the last three are folders of Go modules)

Kubernetes' own kinds come from the OpenAPI document that its API server serves, the others from the custom
resource definitions that their projects install. One file a kind: TARGET/<group>/<kind>_<version>.json in lower
case, where the core group is called by its version (v1), because kubeconform's template says so:

    kubeconform -strict -schema-location 'TARGET/{{.Group}}/{{.ResourceKind}}_{{.ResourceAPIVersion}}.json' …

TARGET/customresourcedefinitions has the definitions themselves. The schemas are as strict as
`kubectl apply --validate=strict`: an unknown field is a mistake, wherever the definition does not ask to keep it;
so is null where the definition does not allow it.
"""

import json
import pathlib
import shutil
import sys

import yaml

# PyYAML takes a lone `=` for YAML 1.1's "value" type, which nobody means.
yaml.CSafeLoader.add_constructor("tag:yaml.org,2002:value", lambda _, node: node.value)

INT_OR_STRING = {"oneOf": [{"type": "string"}, {"type": "integer"}]}
NUMBER_OR_STRING = {"oneOf": [{"type": "string"}, {"type": "number"}]}
QUANTITY = "io.k8s.apimachinery.pkg.api.resource.Quantity"


def strict(schema):
    """The same schema in draft 7's words, with unknown fields forbidden."""
    if isinstance(schema, list):
        return [strict(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("format") == "int-or-string" or schema.get("x-kubernetes-int-or-string"):
        return INT_OR_STRING
    result = {}
    for key, value in schema.items():
        if key in ("properties", "definitions"):  # names of fields, not words of the schema
            result[key] = {name: strict(s) for name, s in value.items()}
        elif key not in ("description", "example", "default") and not key.startswith("x-kubernetes-"):
            result[key] = strict(value)
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    if result.pop("nullable", False) and isinstance(result.get("type"), str):
        result["type"] = [result["type"], "null"]
    return result


def references(schema):
    """The names of all definitions that a schema mentions."""
    if isinstance(schema, dict):
        if isinstance(schema.get("$ref"), str):
            yield schema["$ref"].removeprefix("#/definitions/")
        schema = list(schema.values())
    if isinstance(schema, list):
        for s in schema:
            yield from references(s)


def closure(name, definitions):
    """The definitions that one kind needs, itself among them."""
    found, waiting = set(), [name]
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting.extend(references(definitions[one]))
    return {n: definitions[n] for n in sorted(found)}


def write(target, group, kind, version, schema):
    """One kind's file. apiVersion and kind are as written there, or kubeconform would not have come to it."""
    folder = target / (group or version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{kind.lower()}_{version}.json").write_text(json.dumps(schema))


def kubernetes(target, source):
    document = json.loads((source / "api" / "openapi-spec" / "swagger.json").read_text())["definitions"]
    definitions = {name: strict(schema) for name, schema in document.items()}
    definitions[QUANTITY] = NUMBER_OR_STRING
    count = 0
    for name, schema in document.items():
        for of in schema.get("x-kubernetes-group-version-kind", []):
            # A few meta kinds (DeleteOptions, WatchEvent) are in every group; nobody writes them to a file.
            if len(schema["x-kubernetes-group-version-kind"]) == 1:
                write(target, of["group"], of["kind"], of["version"],
                      {"$ref": f"#/definitions/{name}", "definitions": closure(name, definitions)})
                count += 1
    return count


def custom(target, folder):
    # The metadata of a custom resource is Kubernetes' own.
    core = json.loads((target / "v1" / "configmap_v1.json").read_text())["definitions"]
    meta = closure("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", core)
    count = 0
    for file in sorted(folder.glob("*.yaml")):
        for definition in yaml.load_all(file.read_text(), Loader=yaml.CSafeLoader):
            if not definition or definition.get("kind") != "CustomResourceDefinition":
                continue
            for version in definition["spec"]["versions"]:
                schema = strict(version["schema"]["openAPIV3Schema"])
                schema["properties"]["metadata"] = {"$ref": "#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}
                write(target, definition["spec"]["group"], definition["spec"]["names"]["kind"], version["name"],
                      schema | {"definitions": meta})
                count += 1
            # As it is, for an API server that shall know the kind.
            raw = target / "customresourcedefinitions"
            raw.mkdir(exist_ok=True)
            (raw / f"{definition['metadata']['name']}.json").write_text(json.dumps(definition))
    return count


def main():
    target, kube, operator, kserve = map(pathlib.Path, sys.argv[1:])
    shutil.rmtree(target, ignore_errors=True)
    counts = {
        "Kubernetes": kubernetes(target, kube),
        "prometheus-operator": custom(target, operator / "example" / "prometheus-operator-crd"),
        "KServe": custom(target, kserve / "config" / "crd" / "full"),
    }
    print("schemas:", ", ".join(f"{n} kinds of {of}" for of, n in counts.items()))
    if not all(counts.values()):
        raise SystemExit("schemas: a project's definitions have moved: no kind was found where they were")


if __name__ == "__main__":
    main()
