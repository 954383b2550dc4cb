"""Services and network policies."""

from kubernetes_checks.manifests import matches
from kubernetes_checks.rules import rule

DNS_PORTS = {53, 5353}  # the second one is the port of OpenShift's DNS pods


def port_number(port, manifests):
    return manifests.container_ports.get(port, port)


@rule("service-selector")
def service_selector(manifests, _):
    for service in manifests.of_kind("Service"):
        selector = service["spec"].get("selector")
        if not selector or not matches({"matchLabels": selector}, manifests.pod_labels):
            yield service, "it does not select the pod"


@rule("service-port")
def service_port(manifests, _):
    for service in manifests.of_kind("Service"):
        for port in service["spec"].get("ports", []):
            target = port.get("targetPort", port["port"])
            if target not in manifests.container_ports and \
                    target not in manifests.container_ports.values():
                yield service, f"the port {port.get('name')} leads to {target}, which the pod lacks"
            elif port_number(target, manifests) != manifests.container_ports.get(port.get("name")):
                yield service, f"the port {port.get('name')} leads to another port of the pod"
    client = [service for service in manifests.of_kind("Service")
              if service["spec"].get("clusterIP") != "None"]
    served = {port.get("name") for service in client for port in service["spec"].get("ports", [])}
    for missing in sorted({"grpc", "metrics"} - served):
        yield "Service", f"no Service has the port {missing}"


@rule("policy-deny")
def policy_deny(manifests, _):
    """A pod that no policy selects accepts and opens every connection."""
    for direction in ("Ingress", "Egress"):
        if not manifests.policies(direction):
            yield manifests.workload, f"no NetworkPolicy restricts {direction}"


@rule("policy-ingress")
def policy_ingress(manifests, _):
    opened = {}  # port of the pod -> where from
    for policy in manifests.policies("Ingress"):
        for entry in policy["spec"].get("ingress") or []:
            ports = [port.get("port") for port in entry.get("ports") or [{}]]
            sources = entry.get("from") or []
            # A selector without terms selects everything.
            everybody = not sources or any(not any(source.get(key) for key in source)
                                           for source in sources)
            if everybody or None in ports:
                yield policy, "it lets in everybody, or to every port"
            for port in ports:
                opened.setdefault(port_number(port, manifests), []).extend(sources)
    for name in ("grpc", "metrics"):
        if manifests.container_ports.get(name) not in opened:
            yield manifests.workload, f"no NetworkPolicy lets anybody reach the port {name}"
    for port in opened.keys() - set(manifests.container_ports.values()) - {None}:
        yield manifests.workload, f"a NetworkPolicy opens the port {port}, which the pod lacks"
    grpc = opened.get(manifests.container_ports.get("grpc"), [])
    labels = {"acclimate-client": "true"}
    if not any(matches(source["podSelector"], labels) for source in grpc
               if "podSelector" in source):
        yield manifests.workload, "pods with the label acclimate-client cannot reach the port grpc"
    metrics = opened.get(manifests.container_ports.get("metrics"), [])
    labels = {"kubernetes.io/metadata.name": "monitoring"}
    if not any(matches(source["namespaceSelector"], labels) for source in metrics
               if "namespaceSelector" in source):
        yield manifests.workload, "the namespace monitoring cannot reach the port metrics"


@rule("policy-egress")
def policy_egress(manifests, _):
    for policy in manifests.policies("Egress"):
        for entry in policy["spec"].get("egress") or []:
            ports = {port.get("port") for port in entry.get("ports") or [{}]}
            if not entry.get("to") or not ports <= DNS_PORTS:
                yield policy, "it lets the pod reach more than DNS"
