"""What the manifests tell the programs: flags, keys, probes, authentication."""

from kubernetes_checks.configuration import parse_flags, settings
from kubernetes_checks.rules import rule

PROBES = ("startupProbe", "readinessProbe", "livenessProbe")


def probe_commands(manifests):
    return {probe: manifests.container.get(probe, {}).get("exec", {}).get("command", [])
            for probe in PROBES}


@rule("programs")
def programs(manifests, context):
    """Every flag, key, variable and command is in the help of the programs."""
    known = context.programs
    if known is None:
        return
    unknown = (set(settings(manifests)) | set(parse_flags(manifests.command))) - known.server_flags
    for name in sorted(unknown):
        yield manifests.workload, f"acclimated knows no {name}"
    for entry in manifests.container.get("env", []):
        if entry["name"].startswith("ACCLIMATE_") and entry["name"] not in known.server_variables:
            yield manifests.workload, f"acclimated reads no variable {entry['name']}"
    for probe, words in probe_commands(manifests).items():
        command = words[1] if len(words) > 1 else ""
        if command not in known.commands:
            yield manifests.workload, f"{probe}: acclimate has no command {command}"
            continue
        for flag in sorted(set(parse_flags(words)) - known.command_flags[command]):
            yield manifests.workload, f"{probe}: acclimate {command} knows no --{flag}"


@rule("probes")
def probes(manifests, _):
    told = settings(manifests)
    port = told.get("listen", "").rpartition(":")[2]
    for probe, words in probe_commands(manifests).items():
        if words[:2] != ["acclimate", "health"]:
            yield manifests.workload, f"{probe} does not run acclimate health"
            continue
        flags = parse_flags(words)
        if flags.get("server") != f"127.0.0.1:{port}":
            yield manifests.workload, f"{probe} does not ask 127.0.0.1:{port}"
        if ("tls-ca" in flags) != ("tls-cert" in told):
            yield manifests.workload, f"{probe} and the server do not agree about TLS"
        if ("tls-cert" in flags) != ("tls-client-ca" in told):
            yield manifests.workload, f"{probe} and the server do not agree about mutual TLS"
        # A server that drains is alive and not ready.
        if ("live" in flags) != (probe == "livenessProbe"):
            yield manifests.workload, f"{probe}: --live belongs to the liveness probe alone"


@rule("configuration")
def configuration(manifests, _):
    told = settings(manifests)
    if "data-dir" not in told:
        yield manifests.workload, "the server gets no data-dir: is its configuration file mounted?"
    for key, port in (("listen", "grpc"), ("metrics-listen", "metrics")):
        host, _, number = told.get(key, "").rpartition(":")
        if number != str(manifests.container_ports.get(port)):
            yield manifests.workload, f"{key} is not the container's port {port}"
        if host in ("", "127.0.0.1", "localhost", "[::1]"):
            yield manifests.workload, f"{key} is not reached from outside the pod"


@rule("authentication")
def authentication(manifests, _):
    told = settings(manifests)
    if told.get("insecure", "false") != "false":
        yield manifests.workload, "the server runs without authentication"
    if not {"tls-cert", "tls-key"} <= told.keys():
        yield manifests.workload, "the server runs without TLS"
    if not told.keys() & {"access-file", "jwks-file"}:
        yield manifests.workload, "the server knows no client: no access-file or jwks-file"
