"""HTTP proxies that the environment names, as gRPC takes them."""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

# In the order in which gRPC asks.
_PROXY_VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
_EXCEPTION_VARIABLES = ("no_grpc_proxy", "no_proxy")


def host_of(address: str) -> str:
    """The host of "host:port", "[::1]:port" or "dns:///host:port"."""
    rest = address.rsplit("/", 1)[-1]
    for scheme in ("dns:", "ipv4:", "ipv6:"):
        if rest.startswith(scheme):
            rest = rest[len(scheme) :]
    if rest.startswith("["):
        return rest[1:].split("]", 1)[0]
    return rest.rsplit(":", 1)[0] if rest.count(":") == 1 else rest


def is_local(address: str) -> bool:
    """Whether calls to the address stay on this machine."""
    if address.startswith(("unix:", "unix-abstract:")):
        return True
    host = host_of(address)
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def proxy_advice(address: str) -> str | None:
    """What to say of a proxy when the server cannot be reached; None where no proxy is used."""
    if is_local(address):
        return None
    variable = next((name for name in _PROXY_VARIABLES if os.environ.get(name)), None)
    if variable is None:
        return None
    host = host_of(address)
    exceptions = next((os.environ[n] for n in _EXCEPTION_VARIABLES if os.environ.get(n)), "")
    if any(host.endswith(name.strip()) for name in exceptions.split(",") if name.strip()):
        return None
    proxy = urlsplit(os.environ[variable])
    where = proxy.hostname or "a proxy"  # never the user or password that the URL may hold
    if proxy.port:
        where += f":{proxy.port}"
    return (
        f"the environment variable {variable} sends the calls through the proxy {where}; "
        f"add {host} to no_proxy to reach the server without it"
    )
