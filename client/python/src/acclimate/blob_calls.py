"""The calls of ArtifactService that are not uploads or downloads, as flows."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Union

from acclimate import service
from acclimate.flow import Flow, call
from acclimate.payload import Payload
from acclimate.session import Session
from acclimate.v1 import artifact_service_pb2 as artifacts

# What can be put: bytes, or the path of a file.
Puttable = Union[bytes, bytearray, memoryview, str, "os.PathLike[str]", Payload]


@dataclass(frozen=True)
class Blob:
    name: str
    size_bytes: int
    pinned: bool


def to_payload(content: Puttable) -> Payload:
    if isinstance(content, Payload):
        return content
    if isinstance(content, (bytes, bytearray, memoryview)):
        return Payload("bytes", [memoryview(content)])
    return Payload.of_file(content)


def missing(session: Session, blobs: Sequence[str]) -> Flow[list[str]]:
    request = artifacts.FindMissingBlobsRequest(
        parent=session.parent, blobs=[session.blob_name(blob) for blob in blobs]
    )
    found = yield from call(session, service.FIND_MISSING_BLOBS, request)
    return list(found.missing)


def stat(session: Session, blob: str) -> Flow[Blob]:
    request = artifacts.GetBlobRequest(name=session.blob_name(blob))
    return _blob((yield from call(session, service.GET_BLOB, request)))


def pin(session: Session, blob: str) -> Flow[Blob]:
    request = artifacts.PinBlobRequest(name=session.blob_name(blob))
    return _blob((yield from call(session, service.PIN_BLOB, request)))


def unpin(session: Session, blob: str) -> Flow[Blob]:
    request = artifacts.UnpinBlobRequest(name=session.blob_name(blob))
    return _blob((yield from call(session, service.UNPIN_BLOB, request)))


def _blob(proto: artifacts.Blob) -> Blob:
    return Blob(proto.name, proto.size_bytes, proto.pinned)
