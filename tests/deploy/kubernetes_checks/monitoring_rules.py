"""Prometheus and KEDA."""

import re

from kubernetes_checks.configuration import parse_seconds
from kubernetes_checks.manifests import matches
from kubernetes_checks.rules import rule

# States in which somebody waits for the server. A paused job waits for a person.
STATES_WITH_WORK = {"QUEUED", "STARTING", "RUNNING", "PAUSING", "CANCELLING"}


@rule("service-monitor")
def service_monitor(manifests, context):
    jobs = set(re.findall(r'job="([^"]+)"', str(context.alerts)))
    for monitor in manifests.of_kind("ServiceMonitor"):
        selected = [service for service in manifests.of_kind("Service")
                    if matches(monitor["spec"]["selector"], service["metadata"].get("labels", {}))]
        for endpoint in monitor["spec"]["endpoints"]:
            services = [service for service in selected
                        if endpoint.get("port") in {port.get("name")
                                                    for port in service["spec"]["ports"]}]
            if len(services) != 1:
                yield monitor, (f"{len(services)} Services that it selects have the port "
                                f"{endpoint.get('port')}; it must be one")
            for service in services:
                label = monitor["spec"].get("jobLabel")
                job = service["metadata"].get("labels", {}).get(label, service["metadata"]["name"])
                if jobs - {job}:
                    yield monitor, f"its job is {job}; the alerts expect {', '.join(sorted(jobs))}"
            if endpoint.get("port") != "metrics" or endpoint.get("path", "/metrics") != "/metrics":
                yield monitor, "it does not read /metrics of the port metrics"
            if parse_seconds(endpoint.get("scrapeTimeout", "10s")) > \
                    parse_seconds(endpoint.get("interval", "30s")):
                yield monitor, "scrapeTimeout is longer than interval"


def with_single_spaces(value):
    """kustomize adds line breaks to indented lines of a folded text, which mean nothing."""
    if isinstance(value, dict):
        return {key: with_single_spaces(part) for key, part in value.items()}
    if isinstance(value, list):
        return [with_single_spaces(part) for part in value]
    return " ".join(value.split()) if isinstance(value, str) else value


@rule("alerts")
def alerts(manifests, context):
    for item in manifests.of_kind("PrometheusRule"):
        groups = item["spec"].get("groups")
        if with_single_spaces(groups) != with_single_spaces(context.alerts["groups"]):
            yield item, ("its groups are not those of deploy/monitoring/rules.yaml; to copy them: "
                         "tests/deploy/kubernetes_test --write-rules")


@rule("scaled-object")
def scaled_object(manifests, context):
    for scaler in manifests.of_kind("ScaledObject"):
        target = scaler["spec"]["scaleTargetRef"]
        if (target.get("kind"), target["name"]) != ("StatefulSet",
                                                    manifests.workload["metadata"]["name"]):
            yield scaler, "it does not scale the StatefulSet"
        if "replicas" in manifests.workload["spec"]:
            yield manifests.workload, "replicas is set, and a ScaledObject sets it too"
        triggers = scaler["spec"]["triggers"]
        # A server that is off has no queue: another trigger has to start it.
        if scaler["spec"].get("minReplicaCount", 0) == 0 and \
                all(trigger["type"] == "prometheus" for trigger in triggers):
            yield scaler, "nothing starts the server again: no trigger but its own metrics"
        for trigger in triggers:
            query = trigger["metadata"].get("query", "")
            for metric in re.findall(r"acclimate_\w+", query):
                if f'"{metric}"' not in context.metrics:
                    yield scaler, f"the server has no metric {metric}"
            states = set(re.findall(r'state=~"([A-Z|]+)"', query)[0].split("|")) \
                if "state=~" in query else STATES_WITH_WORK
            if states != STATES_WITH_WORK:
                yield scaler, f"the query counts the states {', '.join(sorted(states))}"
