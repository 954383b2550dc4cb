"""Uploads and downloads over both clients: hashed, gone on with, never sent twice."""

from __future__ import annotations

import hashlib
import os
import threading
from typing import Any

import numpy as np
import pytest

import acclimate


def test_a_file_goes_and_comes(client: Any, tmp_path: Any) -> None:
    content = np.random.default_rng().bytes(3_500_000)
    path = tmp_path / "file.bin"
    path.write_bytes(content)
    first = client.blobs.put(str(path))
    assert not first.existed and first.size_bytes == len(content)
    assert first.name.endswith(hashlib.sha256(content).hexdigest())
    second = client.blobs.put(content)
    assert second.existed and second.name == first.name
    back = client.blobs.get(first.name, tmp_path / "folder" / "back.bin")
    assert back.read_bytes() == content
    assert client.blobs.read(first.name) == content
    assert client.blobs.stat(first.name).size_bytes == len(content)
    assert client.blobs.pin(first.name).pinned and not client.blobs.unpin(first.name).pinned
    unknown = "tenants/default/blobs/" + "1" * 64
    assert client.blobs.missing([first.name, unknown]) == [unknown]


def test_a_download_goes_on_where_it_broke(client: Any, tmp_path: Any) -> None:
    content = np.random.default_rng().bytes(2_000_000)
    blob = client.blobs.put(content)
    part = tmp_path / f"back.bin.{hashlib.sha256(content).hexdigest()}.part"
    part.write_bytes(content[:1_500_000])
    assert client.blobs.get(blob.name, tmp_path / "back.bin").read_bytes() == content
    part.write_bytes(b"x" * 1_500_000)
    with pytest.raises(acclimate.DataLoss):
        client.blobs.get(blob.name, tmp_path / "back.bin")
    assert not part.exists()


def test_an_upload_goes_on_after_the_server_was_killed(
    connect: Any, own_server: acclimate.Server, tmp_path: Any
) -> None:
    client = connect(own_server, patience=acclimate.Patience(reconnect=60))
    content = np.random.default_rng().bytes(64 << 20)
    sent: list[int] = []
    restarted = threading.Event()

    def restart() -> None:
        own_server.kill()
        own_server.start()
        restarted.set()

    thread = threading.Thread(target=restart)

    def listener(payload: Any, done: int, total: int) -> None:
        sent.append(done)
        if done > 24 << 20 and not thread.ident:
            thread.start()
            thread.join()

    blob = client.blobs.put(content, listener=listener)
    assert restarted.is_set()
    assert not blob.existed and client.blobs.missing([blob.name]) == []
    # It went on from what the server had, and not from the start.
    assert sent.count(1 << 20) == 1


def test_an_unfinished_upload_is_aborted(client: Any) -> None:
    content = np.random.default_rng().bytes(8 << 20)

    def stop(payload: Any, done: int, total: int) -> None:
        if done > 4 << 20:
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        client.blobs.put(content, listener=stop)
    assert client.blobs.abort(content)
    assert not client.blobs.abort(content)


@pytest.mark.parametrize("kind", ["absent", "empty", "folder", "fifo"])
def test_what_is_no_file_is_refused(client: Any, tmp_path: Any, kind: str) -> None:
    path = tmp_path / kind
    if kind == "empty":
        path.touch()
    elif kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    with pytest.raises(acclimate.DataError, match=kind):
        client.blobs.put(str(path))


def test_a_file_that_becomes_shorter_is_refused(client: Any, tmp_path: Any) -> None:
    path = tmp_path / "shrinks.bin"
    path.write_bytes(os.urandom(4 << 20))

    def shrink(payload: Any, done: int, total: int) -> None:
        os.truncate(path, 2 << 20)

    with pytest.raises(acclimate.DataError, match="shorter"):
        client.blobs.put(str(path), listener=shrink)
