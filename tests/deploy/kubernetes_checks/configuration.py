"""The configuration that the server in a pod gets: flags, then the environment, then the file."""

import re

UNITS = {"": 1, "KiB": 2**10, "MiB": 2**20, "GiB": 2**30,  # of the server
         "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}  # of Kubernetes
SECONDS = {"h": 3600, "m": 60, "s": 1, "ms": 0.001}


def parse_bytes(text):
    number, unit = re.fullmatch(r"(\d+)([A-Za-z]*)", str(text)).groups()
    return int(number) * UNITS[unit]


def parse_seconds(text):
    parts = re.findall(r"(\d+(?:\.\d+)?)(h|ms|m|s)", text)
    return sum(float(number) * SECONDS[unit] for number, unit in parts)


def parse_file(text):
    lines = [line.strip() for line in text.splitlines()]
    pairs = [line.split("=", 1) for line in lines if line and not line.startswith("#")]
    return {key.strip(): value.strip().strip('"') for key, value in pairs}


def parse_flags(words):
    """Flags as --name VALUE or --name=VALUE; one without a value is true."""
    flags = {}
    for position, word in enumerate(words):
        if not word.startswith("--"):
            continue
        name, equals, value = word[2:].partition("=")
        following = words[position + 1:position + 2]
        if not equals:
            value = following[0] if following and not following[0].startswith("--") else "true"
        flags[name] = value
    return flags


def variables(container):
    """The ACCLIMATE_ variables of a container, by the name of the flag that each one sets."""
    prefix = "ACCLIMATE_"
    return {entry["name"][len(prefix):].lower().replace("_", "-"): entry.get("value", "")
            for entry in container.get("env", []) if entry["name"].startswith(prefix)}


def mounted_files(manifests):
    """Where files are in the container: path -> its content, or None for what is not known here.

    A folder (a volume that the container may fill) has a trailing slash.
    """
    volumes = {volume["name"]: volume for volume in manifests.pod.get("volumes", [])}
    claims = {claim["metadata"]["name"]
              for claim in manifests.workload["spec"].get("volumeClaimTemplates", [])}
    files = {}
    for mount in manifests.container.get("volumeMounts", []):
        path, volume = mount["mountPath"], volumes.get(mount["name"], {})
        if "configMap" in volume:
            config_map = manifests.named("ConfigMap", volume["configMap"]["name"]) or {}
            files |= {f"{path}/{key}": text for key, text in config_map.get("data", {}).items()}
        elif "secret" in volume:
            items = volume["secret"].get("items")
            # Without items: the keys of the type kubernetes.io/tls, which the operator makes.
            names = [item["path"] for item in items] if items else ["tls.crt", "tls.key", "ca.crt"]
            files |= {f"{path}/{name}": None for name in names}
        elif "emptyDir" in volume or mount["name"] in claims:
            files[path.rstrip("/") + "/"] = None
    return files


def settings(manifests):
    """What the server is told, by the names of its flags."""
    flags = parse_flags(manifests.command)
    path = flags.pop("config", "")
    from_file = parse_file(mounted_files(manifests).get(path) or "")
    return from_file | variables(manifests.container) | flags
