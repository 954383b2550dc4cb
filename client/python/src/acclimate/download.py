"""Blobs from the server into files, whole and verified or not at all."""

from __future__ import annotations

import hashlib
import os
from functools import partial
from pathlib import Path
from typing import Callable

import google_crc32c

from acclimate import service
from acclimate.errors import CallError, DataError, DataLoss
from acclimate.flow import Flow, Open, Sleep, call, do, next_message
from acclimate.session import Session
from acclimate.v1 import artifact_service_pb2 as artifacts

_HASH_CHUNK_BYTES = 1 << 20

# Called with bytes so far, and all.
Listener = Callable[[int, int], None]


def download(
    session: Session, blob: str, path: Path, listener: Listener | None = None
) -> Flow[Path]:
    """Writes to "<path>.<digest>.part", which a later call goes on with; renamed to `path` once the
    SHA-256 is right."""
    blob = session.blob_name(blob)
    digest = blob.rsplit("/", 1)[-1]
    found = yield from call(session, service.GET_BLOB, artifacts.GetBlobRequest(name=blob))
    part = path.with_name(f"{path.name}.{digest}.part")
    path.parent.mkdir(parents=True, exist_ok=True)
    retry = session.retry()
    while True:
        offset = part.stat().st_size if part.exists() else 0
        if offset >= found.size_bytes:
            break
        try:
            yield from _append(blob, part, offset, found.size_bytes, listener)
        except CallError as error:
            if part.exists() and part.stat().st_size > offset:
                retry.note_progress()
            yield Sleep(retry.delay_after(error))
    actual = yield from do(lambda: _sha256(part))
    if actual != digest:
        part.unlink()
        raise DataLoss(f"{path}: the bytes that arrived do not have the SHA-256 {digest}")
    os.replace(part, path)
    return path


def read_all(session: Session, blob: str) -> Flow[bytes]:
    """A small blob, such as a report."""
    retry = session.retry()
    while True:
        data = bytearray()
        try:
            stream = yield Open(
                service.READ_BLOB, artifacts.ReadBlobRequest(name=session.blob_name(blob))
            )
            while True:
                message = yield from next_message(stream, artifacts.ReadBlobResponse)
                if message is None:
                    return bytes(data)
                data += _checked(message)
        except CallError as error:
            yield Sleep(retry.delay_after(error))


def _append(blob: str, part: Path, offset: int, size: int, listener: Listener | None) -> Flow[None]:
    stream = yield Open(service.READ_BLOB, artifacts.ReadBlobRequest(name=blob, offset=offset))
    try:
        file = open(part, "ab")  # noqa: SIM115 - closed below
    except OSError as error:
        raise DataError(f"cannot write {part}: {error.strerror}") from None
    with file:
        while True:
            message = yield from next_message(stream, artifacts.ReadBlobResponse)
            if message is None:
                break
            data = _checked(message)
            yield from do(partial(file.write, data))
            offset += len(data)
            if listener is not None:
                listener(offset, size)
        file.flush()
        os.fsync(file.fileno())


def _checked(message: artifacts.ReadBlobResponse) -> bytes:
    if google_crc32c.value(message.data) != message.crc32c:
        raise DataLoss(f"the bytes from {message.offset} on arrived damaged")
    return message.data


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while chunk := file.read(_HASH_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()
