"""Rendered Kubernetes objects, and the questions that the rules ask about them."""

import dataclasses
import pathlib
import subprocess

import yaml


@dataclasses.dataclass(frozen=True)
class Problem:
    rule: str
    object: str  # Kind/name
    text: str

    def __str__(self):
        return f"{self.object}: {self.rule}: {self.text}"


def name_of(item):
    return f"{item.get('kind', '?')}/{item.get('metadata', {}).get('name', '?')}"


def matches(selector, labels):
    """Whether a label selector of Kubernetes selects the labels. An empty one selects all."""
    for key, value in (selector.get("matchLabels") or {}).items():
        if labels.get(key) != value:
            return False
    for expression in selector.get("matchExpressions") or []:
        present = expression["key"] in labels
        listed = labels.get(expression["key"]) in expression.get("values", [])
        holds = {"In": listed, "NotIn": not listed,
                 "Exists": present, "DoesNotExist": not present}
        if not holds[expression["operator"]]:
            return False
    return True


class Manifests:
    def __init__(self, objects):
        self.objects = objects

    def of_kind(self, kind):
        return [item for item in self.objects if item.get("kind") == kind]

    def named(self, kind, name):
        found = [item for item in self.of_kind(kind) if item["metadata"]["name"] == name]
        return found[0] if found else None

    @property
    def workload(self):
        """The StatefulSet; mutations leave it in place."""
        return self.of_kind("StatefulSet")[0]

    @property
    def pod(self):
        return self.workload["spec"]["template"]["spec"]

    @property
    def pod_labels(self):
        return self.workload["spec"]["template"]["metadata"].get("labels", {})

    @property
    def container(self):
        return self.pod["containers"][0]

    @property
    def command(self):
        return self.container.get("command", []) + self.container.get("args", [])

    @property
    def container_ports(self):
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}

    def policies(self, direction):
        """The network policies of one direction that select the pod."""
        return [policy for policy in self.of_kind("NetworkPolicy")
                if matches(policy["spec"]["podSelector"], self.pod_labels)
                and direction in policy["spec"].get("policyTypes", [])]


def render(kubectl, folder):
    """What `kubectl apply -k FOLDER` would send. Raises CalledProcessError."""
    text = subprocess.run([kubectl, "kustomize", str(folder)], check=True, capture_output=True,
                          text=True).stdout
    return Manifests([item for item in yaml.safe_load_all(text) if item])


def configured_folders(root):
    kubernetes = pathlib.Path(root) / "deploy" / "kubernetes"
    return [kubernetes / "base", *sorted(path.parent for path in
                                         kubernetes.glob("overlays/*/kustomization.yaml"))]
