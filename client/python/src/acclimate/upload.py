"""Payloads to the server's blob store: only what it lacks, gone on with where a stream broke."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Callable

import google_crc32c

from acclimate import service
from acclimate.errors import CallError, DataError, DataLoss, NotFound
from acclimate.flow import Flow, Send, Sleep, call, do
from acclimate.payload import Payload
from acclimate.session import Session
from acclimate.v1 import artifact_service_pb2 as artifacts

CHUNK_BYTES = 1 << 20

# Called with payload, bytes that were handed to gRPC so far, and all.
Listener = Callable[[Payload, int, int], None]


@dataclass(frozen=True)
class UploadedBlob:
    name: str  # "tenants/default/blobs/<sha256>"
    size_bytes: int
    existed: bool  # the server had it: no byte was sent


def upload(
    session: Session, payloads: Sequence[Payload], listener: Listener | None = None
) -> Flow[list[UploadedBlob]]:
    """In the order of `payloads`; equal bytes are sent once."""
    names = []
    for payload in payloads:
        digest = yield from do(payload.hash)
        names.append(session.blob_name(digest))
    found = yield from call(
        session,
        service.FIND_MISSING_BLOBS,
        artifacts.FindMissingBlobsRequest(parent=session.parent, blobs=sorted(set(names))),
    )
    missing = set(found.missing)
    uploaded = []
    for name, payload in zip(names, payloads):
        existed = name not in missing
        if not existed:
            missing.remove(name)
            yield from _send(session, payload, listener)
        uploaded.append(UploadedBlob(name, payload.size, existed))
    return uploaded


def abort(session: Session, payload: Payload) -> Flow[bool]:
    """Removes what an upload that did not end has left; whether there was something."""
    yield from do(payload.hash)
    # Finds the upload that did not end; where there was none, this makes one of no bytes.
    found = yield from _create(session, payload)
    yield from call(session, service.ABORT_UPLOAD, artifacts.AbortUploadRequest(name=found.name))
    return not found.complete and found.committed_bytes > 0


def _send(session: Session, payload: Payload, listener: Listener | None) -> Flow[None]:
    state = yield from _create(session, payload)
    retry = session.retry()
    while not state.complete:
        before = state.committed_bytes
        messages = _Messages(payload, state, listener)
        try:
            state = yield Send(service.WRITE_UPLOAD, iter(messages))
        except CallError as error:
            messages.raise_failure()
            try:
                yield Sleep(retry.delay_after(error))
            except CallError as last:
                raise last.with_message(f"{payload.name}: {last.message}") from None
            state = yield from _resume(session, payload, state.name)
            if state.committed_bytes > before:
                retry.note_progress()
        else:
            messages.raise_failure()
            session.note_reached()
            if not state.complete and state.committed_bytes <= before:
                # These bytes will never come.
                yield from call(
                    session, service.ABORT_UPLOAD, artifacts.AbortUploadRequest(name=state.name)
                )
                raise DataLoss(f"{payload.name} became shorter while it was being uploaded")
    if listener is not None:
        listener(payload, payload.size, payload.size)


def _create(session: Session, payload: Payload) -> Flow[artifacts.Upload]:
    if payload.size == 0:
        raise DataError(f"{payload.name} is empty")
    request = artifacts.CreateUploadRequest(
        parent=session.parent, sha256=payload.sha256, size_bytes=payload.size
    )
    return (yield from call(session, service.CREATE_UPLOAD, request))


def _resume(session: Session, payload: Payload, name: str) -> Flow[artifacts.Upload]:
    try:
        request = artifacts.GetUploadRequest(name=name)
        return (yield from call(session, service.GET_UPLOAD, request))
    except NotFound:
        return (yield from _create(session, payload))


class _Messages:
    """The chunks from where the upload ends, serialised. gRPC iterates in a thread of its own, and
    would tell only that iterating failed: a failure ends the stream, and is kept."""

    def __init__(
        self, payload: Payload, state: artifacts.Upload, listener: Listener | None
    ) -> None:
        self._payload = payload
        self._state = state
        self._listener = listener
        self._failure: Exception | None = None

    def raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._chunks()
        except Exception as error:
            self._failure = error

    def _chunks(self) -> Iterator[bytes]:
        name, offset = self._state.name, self._state.committed_bytes
        if offset == self._payload.size:
            # Every byte has arrived, but not the end of the stream: one chunk without data.
            yield artifacts.WriteUploadRequest(name=name, offset=offset).SerializeToString()
            return
        for chunk in self._payload.chunks(offset, CHUNK_BYTES):
            data = bytes(chunk)
            message = artifacts.WriteUploadRequest(
                name=name, offset=offset, data=data, crc32c=google_crc32c.value(data)
            )
            yield message.SerializeToString()
            offset += len(data)
            if self._listener is not None:
                self._listener(self._payload, offset, self._payload.size)
