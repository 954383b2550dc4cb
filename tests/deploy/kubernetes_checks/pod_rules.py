"""The workload, its pod, and what belongs to it."""

from kubernetes_checks.configuration import mounted_files, parse_bytes, parse_seconds, settings
from kubernetes_checks.manifests import matches
from kubernetes_checks.rules import rule

GRACE_ROOM_SECONDS = 15   # to stop workers and close the store
SERVER_BYTES = 512 << 20  # what the server itself and cached pages need
WORKLOADS = {"StatefulSet", "Deployment", "DaemonSet", "ReplicaSet", "Job", "CronJob", "Pod"}
ALLOWED_VOLUMES = {"configMap", "secret", "emptyDir", "persistentVolumeClaim", "projected"}


@rule("schema")
def schema(manifests, _):
    from kubernetes_checks import schemas  # needs packages that a machine may lack
    for item in manifests.objects:
        yield from ((problem.object, problem.text) for problem in schemas.problems_of(item))


@rule("one-writer")
def one_writer(manifests, _):
    if manifests.workload["spec"].get("replicas", 1) > 1:
        yield manifests.workload, "replicas is more than 1; the store has one writer"
    for scaler in manifests.of_kind("ScaledObject") + manifests.of_kind("HorizontalPodAutoscaler"):
        spec = scaler["spec"]
        if spec.get("maxReplicaCount", spec.get("maxReplicas", 100)) > 1:
            yield scaler, "scales to more than 1; the store has one writer"


@rule("workloads")
def workloads(manifests, _):
    """The other rules look at one StatefulSet."""
    for item in manifests.objects:
        if item.get("kind") in WORKLOADS and item is not manifests.workload:
            yield item, "it is a second workload, which no rule checks"


@rule("workload-selector")
def workload_selector(manifests, _):
    spec = manifests.workload["spec"]
    if not matches(spec["selector"], manifests.pod_labels):
        yield manifests.workload, "its selector does not match the labels of its pod"
    for constraint in manifests.pod.get("topologySpreadConstraints", []):
        if not matches(constraint["labelSelector"], manifests.pod_labels):
            yield manifests.workload, "a topology spread constraint does not select the pod"
    service = manifests.named("Service", spec.get("serviceName"))
    if service is None or service["spec"].get("clusterIP") != "None":
        yield manifests.workload, f"serviceName {spec.get('serviceName')} is no headless Service"


@rule("update")
def update(manifests, _):
    strategy = manifests.workload["spec"].get("updateStrategy", {})
    if strategy.get("type", "RollingUpdate") != "RollingUpdate":
        yield manifests.workload, "an update does not replace the pod"
    if strategy.get("rollingUpdate", {}).get("partition", 0) > 0:
        yield manifests.workload, "the partition keeps the pod from updates"


@rule("image")
def image(manifests, context):
    for container in manifests.pod["containers"]:
        tag = container["image"].rpartition("/")[2].partition(":")[2]
        if tag.partition("-")[0] != context.version:
            yield manifests.workload, (f"the tag of {container['image']} does not begin with the "
                                       f"version {context.version}")


@rule("pod-security")
def pod_security(manifests, _):
    """Kubernetes' standard "restricted", and a root file system that nobody can write."""
    pod, found = manifests.pod, []
    found += [f"{key} is set" for key in ("hostNetwork", "hostPID", "hostIPC") if pod.get(key)]
    for volume in pod.get("volumes", []):
        found += [f"the volume {volume['name']} is of the kind {kind}"
                  for kind in volume.keys() - {"name"} - ALLOWED_VOLUMES]
    for container in pod["containers"] + pod.get("initContainers", []):
        own = container.get("securityContext", {})
        both = pod.get("securityContext", {}) | own
        capabilities = own.get("capabilities", {})
        if own.get("privileged"):
            found.append("privileged is set")
        if own.get("allowPrivilegeEscalation") is not False:
            found.append("allowPrivilegeEscalation is not false")
        if own.get("readOnlyRootFilesystem") is not True:
            found.append("the root file system can be written")
        if "ALL" not in capabilities.get("drop", []) or capabilities.get("add"):
            found.append("it does not drop all capabilities")
        if both.get("runAsNonRoot") is not True or both.get("runAsUser") == 0:
            found.append("it may run as root")
        if both.get("seccompProfile", {}).get("type") not in ("RuntimeDefault", "Localhost"):
            found.append("it has no seccomp profile")
        if any(port.get("hostPort") for port in container.get("ports", [])):
            found.append("it uses a host port")
    context = pod.get("securityContext", {})
    if ("fsGroup" in context) != ("runAsUser" in context):
        found.append("runAsUser and fsGroup are set together, or neither")
    for text in found:
        yield manifests.workload, text


@rule("service-account")
def service_account(manifests, _):
    account = manifests.named("ServiceAccount", manifests.pod.get("serviceAccountName"))
    if account is None:
        yield manifests.workload, "its ServiceAccount is not among the objects"
    elif account.get("automountServiceAccountToken") is not False:
        yield account, "its token is mounted"
    if manifests.pod.get("automountServiceAccountToken") is not False:
        yield manifests.workload, "the token of its ServiceAccount is mounted"
    if manifests.pod.get("enableServiceLinks") is not False:
        yield manifests.workload, "enableServiceLinks sets variables that begin with ACCLIMATE_"


@rule("grace")
def grace(manifests, context):
    text = settings(manifests).get("drain-timeout")
    drain = parse_seconds(text) if text else context.default_drain_seconds
    period = manifests.pod.get("terminationGracePeriodSeconds", 30)
    if period < drain + GRACE_ROOM_SECONDS:
        yield manifests.workload, (f"terminationGracePeriodSeconds {period} is less than the drain "
                                   f"timeout {drain:g} + {GRACE_ROOM_SECONDS}")


@rule("resources")
def resources(manifests, _):
    given = manifests.container.get("resources", {})
    requests, limits = given.get("requests", {}), given.get("limits", {})
    if "cpu" not in requests or "memory" not in requests or "memory" not in limits:
        yield manifests.workload, "it does not request processors and limit memory"
        return
    if parse_bytes(requests["memory"]) != parse_bytes(limits["memory"]):
        yield manifests.workload, "memory: the request is not the limit"
    told = settings(manifests)
    slots, limit = int(told.get("slots", 0)), parse_bytes(told.get("job-memory-limit", 0))
    if slots == 0:
        yield manifests.workload, "slots is not set; the server would count the node's processors"
    if slots > 1 and limit == 0:
        yield manifests.workload, "job-memory-limit is not set; a job could take all memory"
    if slots * limit + SERVER_BYTES > parse_bytes(limits["memory"]):
        yield manifests.workload, f"{slots} workers of {limit} bytes exceed the memory limit"


@rule("device")
def device(manifests, _):
    gpus = "nvidia.com/gpu" in manifests.container.get("resources", {}).get("limits", {})
    named = settings(manifests).get("device", "auto")
    if gpus != named.startswith("cuda"):
        requested = "a GPU is" if gpus else "no GPU is"
        yield manifests.workload, f"the device is {named}, and {requested} requested"
    if gpus and not manifests.container["image"].endswith("-cuda"):
        yield manifests.workload, "a GPU is requested, and the image is not the one with CUDA"


@rule("storage")
def storage(manifests, _):
    claims = {claim["metadata"]["name"]
              for claim in manifests.workload["spec"].get("volumeClaimTemplates", [])}
    data = settings(manifests).get("data-dir")
    for path, kind, names in (
            (data, "claimed volume", claims),
            ("/tmp", "emptyDir", {volume["name"] for volume in manifests.pod.get("volumes", [])
                                  if "emptyDir" in volume})):
        if not any(mount["mountPath"] == path and mount["name"] in names
                   for mount in manifests.container.get("volumeMounts", [])):
            yield manifests.workload, f"no {kind} is mounted at {path}"


@rule("reload")
def reload(manifests, _):
    """The kubelet never updates a file that is mounted with subPath."""
    for mount in manifests.container.get("volumeMounts", []):
        if "subPath" in mount or "subPathExpr" in mount:
            yield manifests.workload, f"{mount['mountPath']} is mounted with subPath"


@rule("disruption-budget")
def disruption_budget(manifests, _):
    budgets = [budget for budget in manifests.of_kind("PodDisruptionBudget")
               if matches(budget["spec"].get("selector", {}), manifests.pod_labels)]
    if not budgets:
        yield manifests.workload, "no PodDisruptionBudget selects its pod"
    for budget in budgets:
        if budget["spec"].get("maxUnavailable") in (None, 0, "0%"):
            yield budget, "it never allows an eviction, so nodes cannot be drained"


@rule("secrets")
def secrets(manifests, _):
    for secret in manifests.of_kind("Secret"):
        yield secret, "a manifest holds a Secret; the operator makes it"
    for volume in manifests.pod.get("volumes", []):
        if volume.get("secret", {}).get("optional"):
            yield manifests.workload, f"the Secret of {volume['name']} is optional"
        mode = volume.get("secret", {}).get("defaultMode", 0o644)
        if "secret" in volume and mode & 0o007:
            yield manifests.workload, f"every user may read the Secret of {volume['name']}"


@rule("files")
def files(manifests, _):
    """Each file that a flag names is mounted."""
    mounted = mounted_files(manifests)
    folders = tuple(path for path in mounted if path.endswith("/"))
    named = settings(manifests)
    words = manifests.command
    for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
        words = words + manifests.container.get(probe, {}).get("exec", {}).get("command", [])
    paths = [value for value in named.values() if value.startswith("/")]
    paths += [word.partition("=")[2] or word for word in words if "/etc/" in word]
    for path in sorted(set(paths)):
        if path not in mounted and not (path + "/").startswith(folders):
            yield manifests.workload, f"{path} is not mounted"
