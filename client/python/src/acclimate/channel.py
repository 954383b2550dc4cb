"""How a channel to the server is made: options of gRPC, encryption, and what every call carries."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from acclimate.errors import CallError, DataError, from_rpc
from acclimate.proxies import is_local
from acclimate.settings import Settings

_FIRST_RECONNECT_MS = 50
_LONGEST_RECONNECT_MS = 2000
# Longer than the five minutes that gRPC servers demand between pings on a quiet connection.
_KEEPALIVE_MS = 6 * 60 * 1000
_TRACEPARENT = re.compile(r"^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")


@dataclass(frozen=True)
class ChannelPlan:
    """All that grpc and grpc.aio need alike."""

    address: str
    options: tuple[tuple[str, object], ...]
    credentials: grpc.ChannelCredentials | None  # None: not encrypted
    metadata: tuple[tuple[str, str], ...]


def plan_channel(settings: Settings) -> ChannelPlan:
    options: list[tuple[str, object]] = [
        ("grpc.initial_reconnect_backoff_ms", _FIRST_RECONNECT_MS),
        ("grpc.min_reconnect_backoff_ms", _LONGEST_RECONNECT_MS),
        ("grpc.max_reconnect_backoff_ms", _LONGEST_RECONNECT_MS),
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        # The retries are ours: gRPC's own would hide how long they take.
        ("grpc.enable_retries", 0),
        # Two connections of one process to one address must not share a broken subchannel.
        ("grpc.use_local_subchannel_pool", 1),
    ]
    if is_local(settings.server):
        options.append(("grpc.enable_http_proxy", 0))
    if settings.tls_server_name:
        options.append(("grpc.ssl_target_name_override", settings.tls_server_name))
    metadata: list[tuple[str, str]] = []
    if settings.token_file:
        if not settings.uses_tls and not is_local(settings.server):
            raise DataError(
                f"the token would travel unencrypted to {settings.server}: use tls or tls_ca"
            )
        metadata.append(("authorization", f"Bearer {_read_token(settings.token_file)}"))
    trace = os.environ.get("TRACEPARENT", "")
    if _TRACEPARENT.match(trace):
        metadata.append(("traceparent", trace))
    credentials = _encryption(settings) if settings.uses_tls else None
    return ChannelPlan(settings.server, tuple(options), credentials, tuple(metadata))


def to_call_error(error: Any) -> CallError:
    """Of an exception of grpc or grpc.aio."""
    trailing = error.trailing_metadata() or ()
    binary = {key: value for key, value in trailing if isinstance(value, bytes)}
    return from_rpc(error.code().name, error.details() or "", binary)


def _encryption(settings: Settings) -> grpc.ChannelCredentials:
    return grpc.ssl_channel_credentials(
        root_certificates=_contents(settings.tls_ca),
        private_key=_contents(settings.tls_key),
        certificate_chain=_contents(settings.tls_cert),
    )


def _contents(path: str) -> bytes | None:
    if not path:
        return None
    try:
        contents = Path(path).read_bytes()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    if not contents:
        raise DataError(f"{path} is empty")
    return contents


def _read_token(path: str) -> str:
    token = (_contents(path) or b"").split(b"\n", 1)[0].strip()
    if not token:
        raise DataError(f"{path}: its first line is empty")
    if not all(0x21 <= byte <= 0x7E for byte in token):
        raise DataError(f"{path}: the token holds something that is not printable ASCII")
    return token.decode("ascii")
