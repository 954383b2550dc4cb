"""Strict checks against the schemas of Kubernetes and of custom resources, without a cluster."""

import functools
import pathlib

import jsonschema
import kubernetes_validate
import kubernetes_validate.utils
import yaml

from kubernetes_checks.manifests import Problem, name_of

# The oldest release that docs/kubernetes.md names, and the one that most clusters run.
RELEASES = ("1.27", "1.32")
FOLDER = pathlib.Path(__file__).parent.parent / "schemas"

# It reads its largest file again for every object.
kubernetes_validate.utils.schema_contents = functools.lru_cache(
    kubernetes_validate.utils.schema_contents)


def closed(schema):
    """The schema, refusing fields that it does not name, as `kubectl --validate=strict` does."""
    if isinstance(schema, list):
        return [closed(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    result = {}
    for key, value in schema.items():
        if key == "properties":
            result[key] = {name: closed(part) for name, part in value.items()}
        elif key not in ("enum", "required", "default", "format"):
            result[key] = closed(value)
        elif key != "format":  # int32 and the like, which JSON Schema does not know
            result[key] = value
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        result.setdefault("additionalProperties", False)
    return result


@functools.cache
def custom_resources():
    schemas = {}
    for path in FOLDER.glob("*.yaml"):
        spec = yaml.safe_load(path.read_text())["spec"]
        for version in spec["versions"]:
            key = (f"{spec['group']}/{version['name']}", spec["names"]["kind"])
            schemas[key] = closed(version["schema"]["openAPIV3Schema"])
    return schemas


def problems_of(item):
    custom = custom_resources().get((item.get("apiVersion"), item.get("kind")))
    if custom is not None:
        error = jsonschema.exceptions.best_match(
            jsonschema.Draft202012Validator(custom).iter_errors(item))
        return [describe(item, error)] if error else []
    problems = []
    for release in RELEASES:
        try:
            kubernetes_validate.validate(item, release, strict=True)
        except kubernetes_validate.ValidationError as error:
            problems.append(describe(item, error, release))
        except kubernetes_validate.SchemaNotFoundError as error:
            problems.append(Problem("schema", name_of(item), error.message))
    return problems


def describe(item, error, release=None):
    place = ".".join(str(part) for part in error.absolute_path) or "the object"
    # A wrong value can be as long as the object that holds it.
    message = error.message if len(error.message) < 200 else error.message[:200] + "..."
    suffix = f" (Kubernetes {release})" if release else ""
    return Problem("schema", name_of(item), f"{place}: {message}{suffix}")
