"""Mistakes in the manifests, each with the rule that has to find it."""

from kubernetes_checks.manifests import Manifests

MUTATIONS = []  # (folder under deploy/kubernetes, rule, name, function that breaks the manifests)


def mistake(rule, folder="base"):
    def register(function):
        MUTATIONS.append((folder, rule, function.__name__, function))
        return function
    return register


def change_configuration(manifests, old, new):
    data = manifests.of_kind("ConfigMap")[0]["data"]
    data["server.conf"] = data["server.conf"].replace(old, new)


def policy(manifests, name):
    return manifests.named("NetworkPolicy", f"acclimate-{name}")["spec"]


def volume(manifests, name):
    return next(item for item in manifests.pod["volumes"] if item["name"] == name)


def mount(manifests, name):
    return next(item for item in manifests.container["volumeMounts"] if item["name"] == name)


@mistake("schema")
def field_that_is_unknown(m: Manifests):
    m.pod["terminationGracePeriod"] = 90


@mistake("schema")
def field_of_the_wrong_type(m):
    m.container["readinessProbe"]["periodSeconds"] = "10s"


@mistake("schema")
def field_in_the_wrong_place(m):
    m.pod["securityContext"]["readOnlyRootFilesystem"] = True


@mistake("schema")
def version_that_was_removed(m):
    m.of_kind("PodDisruptionBudget")[0]["apiVersion"] = "policy/v1beta1"


@mistake("schema")
def kind_that_does_not_exist(m):
    m.of_kind("ServiceAccount")[0]["kind"] = "ServiceAcount"


@mistake("schema", "overlays/monitoring")
def unknown_field_of_a_service_monitor(m):
    m.of_kind("ServiceMonitor")[0]["spec"]["endpoints"][0]["intervall"] = "30s"


@mistake("schema", "overlays/monitoring")
def duration_that_prometheus_cannot_read(m):
    m.of_kind("ServiceMonitor")[0]["spec"]["endpoints"][0]["interval"] = "30 seconds"


@mistake("schema", "overlays/working-hours")
def trigger_without_metadata(m):
    del m.of_kind("ScaledObject")[0]["spec"]["triggers"][0]["metadata"]


@mistake("one-writer")
def two_replicas(m):
    m.workload["spec"]["replicas"] = 2


@mistake("one-writer", "overlays/working-hours")
def scaling_to_two(m):
    m.of_kind("ScaledObject")[0]["spec"]["maxReplicaCount"] = 2


@mistake("workloads")
def second_workload(m):
    m.objects.append({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "shell"},
                      "spec": {"containers": [{"name": "shell", "image": "debian:12"}]}})


@mistake("workload-selector")
def selector_of_another_pod(m):
    m.workload["spec"]["selector"]["matchLabels"]["app.kubernetes.io/name"] = "acclimated"


@mistake("workload-selector")
def service_name_that_does_not_exist(m):
    m.workload["spec"]["serviceName"] = "acclimate-pods"


@mistake("workload-selector")
def spread_over_other_pods(m):
    m.pod["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"] = {"app": "acclimate"}


@mistake("update")
def update_by_hand(m):
    m.workload["spec"]["updateStrategy"]["type"] = "OnDelete"


@mistake("image")
def latest_image(m):
    m.container["image"] = "acclimate:latest"


@mistake("image")
def image_without_a_tag(m):
    m.container["image"] = "registry.example.com:5000/acclimate"


@mistake("pod-security")
def writable_root(m):
    m.container["securityContext"]["readOnlyRootFilesystem"] = False


@mistake("pod-security")
def privileged(m):
    m.container["securityContext"]["privileged"] = True


@mistake("pod-security")
def root(m):
    m.pod["securityContext"]["runAsUser"] = 0


@mistake("pod-security", "overlays/openshift")
def perhaps_root(m):
    del m.pod["securityContext"]["runAsNonRoot"]


@mistake("pod-security")
def capability_added(m):
    m.container["securityContext"]["capabilities"]["add"] = ["SYS_PTRACE"]


@mistake("pod-security")
def no_seccomp(m):
    del m.pod["securityContext"]["seccompProfile"]


@mistake("pod-security")
def folder_of_the_node(m):
    m.pod["volumes"][0] = {"name": "tmp", "hostPath": {"path": "/tmp"}}


@mistake("pod-security")
def second_container_with_privileges(m):
    m.pod["containers"].append({"name": "shell", "image": "debian:12"})


@mistake("service-account")
def token_mounted(m):
    m.pod["automountServiceAccountToken"] = True


@mistake("service-account")
def account_that_does_not_exist(m):
    m.pod["serviceAccountName"] = "default"


@mistake("service-account")
def service_links(m):
    del m.pod["enableServiceLinks"]


@mistake("grace")
def grace_too_short(m):
    m.pod["terminationGracePeriodSeconds"] = 60


@mistake("grace")
def drain_too_long(m):
    change_configuration(m, 'drain-timeout = "60s"', 'drain-timeout = "10m"')


@mistake("resources")
def no_memory_limit(m):
    del m.container["resources"]["limits"]["memory"]


@mistake("resources", "overlays/cpu")
def more_slots_than_memory(m):
    m.container["env"][1]["value"] = "8"


@mistake("resources")
def slots_of_the_whole_node(m):
    change_configuration(m, "slots = 2\n", "")


@mistake("device", "overlays/gpu")
def no_gpu_requested(m):
    del m.container["resources"]["limits"]["nvidia.com/gpu"]


@mistake("device", "overlays/gpu")
def image_without_cuda(m):
    m.container["image"] = m.container["image"].removesuffix("-cuda")


@mistake("storage")
def data_in_memory(m):
    del m.workload["spec"]["volumeClaimTemplates"]
    m.pod["volumes"].append({"name": "data", "emptyDir": {}})


@mistake("storage")
def no_folder_for_temporary_files(m):
    m.container["volumeMounts"].remove(mount(m, "tmp"))


@mistake("reload")
def sub_path(m):
    mount(m, "tls").update(mountPath="/etc/acclimate/tls/tls.crt", subPath="tls.crt")


@mistake("disruption-budget")
def budget_that_blocks(m):
    m.of_kind("PodDisruptionBudget")[0]["spec"]["maxUnavailable"] = 0


@mistake("disruption-budget")
def budget_that_keeps_one(m):
    spec = m.of_kind("PodDisruptionBudget")[0]["spec"]
    del spec["maxUnavailable"]
    spec["minAvailable"] = 1


@mistake("disruption-budget")
def budget_of_another_pod(m):
    m.of_kind("PodDisruptionBudget")[0]["spec"]["selector"]["matchLabels"] = {"app": "acclimate"}


@mistake("secrets")
def secret_in_a_manifest(m):
    m.objects.append({"apiVersion": "v1", "kind": "Secret",
                      "metadata": {"name": "acclimate-access"}, "stringData": {"access": "none"}})


@mistake("secrets")
def secret_for_everybody(m):
    del volume(m, "tls")["secret"]["defaultMode"]


@mistake("files")
def certificate_that_is_not_mounted(m):
    m.container["volumeMounts"].remove(mount(m, "tls"))


@mistake("files")
def access_file_under_another_key(m):
    volume(m, "access")["secret"]["items"][0]["path"] = "token"


@mistake("files")
def configuration_in_another_place(m):
    m.container["args"][1] = "/etc/acclimate/server.conf"


@mistake("programs")
def flag_misspelt(m):
    m.container["args"] += ["--drain-time", "60s"]


@mistake("programs")
def key_misspelt(m):
    change_configuration(m, "job-memory-limit", "memory-limit")


@mistake("programs")
def command_misspelt(m):
    m.container["livenessProbe"]["exec"]["command"][1] = "healthz"


@mistake("programs")
def flag_of_a_probe_misspelt(m):
    m.container["livenessProbe"]["exec"]["command"][2] = "--alive"


@mistake("programs", "overlays/gpu")
def variable_misspelt(m):
    m.container["env"][0]["name"] = "ACCLIMATE_DEVICES"


@mistake("probes")
def no_readiness_probe(m):
    del m.container["readinessProbe"]


@mistake("probes")
def probe_of_another_port(m):
    command = m.container["startupProbe"]["exec"]["command"]
    command[command.index("127.0.0.1:50051")] = "127.0.0.1:50052"


@mistake("probes")
def liveness_that_fails_while_draining(m):
    m.container["livenessProbe"]["exec"]["command"].remove("--live")


@mistake("probes")
def probe_without_tls(m):
    del m.container["readinessProbe"]["exec"]["command"][-2:]


@mistake("configuration")
def listening_on_another_port(m):
    change_configuration(m, "0.0.0.0:50051", "0.0.0.0:50052")


@mistake("configuration")
def metrics_on_loopback(m):
    change_configuration(m, "0.0.0.0:9464", "127.0.0.1:9464")


@mistake("configuration")
def configuration_under_another_name(m):
    m.of_kind("ConfigMap")[0]["metadata"]["name"] = "acclimate-config"


@mistake("authentication")
def insecure(m):
    change_configuration(m, "access-file = ", "insecure = true\naccess-file = ")


@mistake("authentication")
def no_tls(m):
    change_configuration(m, "tls-cert = ", "# tls-cert = ")


@mistake("authentication")
def no_clients(m):
    change_configuration(m, "access-file = ", "# access-file = ")


@mistake("service-selector")
def service_of_another_pod(m):
    m.named("Service", "acclimate")["spec"]["selector"] = {"app": "acclimate"}


@mistake("service-port")
def target_port_that_does_not_exist(m):
    m.named("Service", "acclimate")["spec"]["ports"][0]["targetPort"] = "api"


@mistake("service-port")
def ports_mixed_up(m):
    ports = m.named("Service", "acclimate")["spec"]["ports"]
    ports[0]["targetPort"], ports[1]["targetPort"] = "metrics", "grpc"


@mistake("policy-deny")
def egress_not_restricted(m):
    policy(m, "deny")["policyTypes"] = ["Ingress"]
    policy(m, "egress")["policyTypes"] = ["Ingress"]


@mistake("policy-deny")
def policies_of_another_pod(m):
    m.workload["spec"]["template"]["metadata"]["labels"]["app.kubernetes.io/name"] = "server"


@mistake("policy-ingress")
def everybody_may_call(m):
    del policy(m, "grpc")["ingress"][0]["from"]


@mistake("policy-ingress")
def every_namespace_may_call(m):
    policy(m, "grpc")["ingress"][0]["from"][1]["namespaceSelector"] = {}


@mistake("policy-ingress")
def metrics_closed(m):
    policy(m, "metrics")["ingress"] = []


@mistake("policy-ingress")
def policy_for_another_port(m):
    policy(m, "grpc")["ingress"][0]["ports"] = [{"port": 50052}]


@mistake("policy-ingress")
def label_misspelt(m):
    policy(m, "grpc")["ingress"][0]["from"][0]["podSelector"]["matchLabels"] = {"client": "true"}


@mistake("policy-egress")
def way_out(m):
    policy(m, "egress")["egress"].append({})


@mistake("policy-egress", "overlays/openshift")
def https_to_everywhere(m):
    policy(m, "egress")["egress"].append({"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}],
                                          "ports": [{"port": 443}]})


@mistake("service-monitor", "overlays/monitoring")
def monitor_of_a_port_that_does_not_exist(m):
    m.of_kind("ServiceMonitor")[0]["spec"]["endpoints"][0]["port"] = "http"


@mistake("service-monitor", "overlays/monitoring")
def monitor_of_no_service(m):
    m.of_kind("ServiceMonitor")[0]["spec"]["selector"]["matchLabels"] = {"app": "acclimate"}


@mistake("service-monitor", "overlays/monitoring")
def pod_scraped_twice(m):
    m.named("Service", "acclimate-headless")["spec"]["ports"].append(
        {"name": "metrics", "port": 9464, "targetPort": "metrics"})


@mistake("service-monitor", "overlays/monitoring")
def job_of_another_name(m):
    m.of_kind("ServiceMonitor")[0]["spec"]["jobLabel"] = "app"
    m.named("Service", "acclimate")["metadata"]["name"] = "server"


@mistake("alerts", "overlays/monitoring")
def alert_changed(m):
    m.of_kind("PrometheusRule")[0]["spec"]["groups"][0]["rules"][0]["expr"] = "vector(0)"


@mistake("scaled-object", "overlays/working-hours")
def scaling_something_else(m):
    m.of_kind("ScaledObject")[0]["spec"]["scaleTargetRef"]["kind"] = "Deployment"


@mistake("scaled-object", "overlays/working-hours")
def nothing_that_starts_the_server(m):
    del m.of_kind("ScaledObject")[0]["spec"]["triggers"][0]


@mistake("scaled-object", "overlays/working-hours")
def metric_that_does_not_exist(m):
    m.of_kind("ScaledObject")[0]["spec"]["triggers"][1]["metadata"]["query"] = \
        "sum(acclimate_queue_length)"


@mistake("scaled-object", "overlays/working-hours")
def replicas_written_twice(m):
    m.workload["spec"]["replicas"] = 1
