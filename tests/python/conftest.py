"""Real servers for the tests, and each test of a client twice: with Client and with AsyncClient."""

from __future__ import annotations

import asyncio
import inspect
import os
import queue
import threading
from collections.abc import Iterator
from typing import Any

import pytest

import acclimate
from acclimate.v1 import job_pb2

# What the environment says of other servers is nobody's business here.
for name in [n for n in os.environ if n.startswith("ACCLIMATE_") and n != "ACCLIMATE_BIN"]:
    del os.environ[name]
os.environ["ACCLIMATE_CLIENT_CONFIG"] = os.devnull


@pytest.fixture(scope="session")
def server() -> Iterator[acclimate.Server]:
    with acclimate.Server() as server:
        yield server


@pytest.fixture
def own_server() -> Iterator[acclimate.Server]:
    """One that a test may kill."""
    with acclimate.Server(flags=["--drain-timeout=1s"]) as server:
        yield server


@pytest.fixture(params=["blocking", "asynchronous"])
def connect(request: pytest.FixtureRequest) -> Iterator[Any]:
    """Makes clients of a server: blocking, or asynchronous behind a blocking face."""
    opened: list[Any] = []

    def make(server: acclimate.Server, **options: Any) -> Any:
        if request.param == "blocking":
            opened.append(server.client(**options))
        else:
            opened.append(Awaited(server.address, **options))
        return opened[-1]

    yield make
    for client in opened:
        client.close()


@pytest.fixture
def client(connect: Any, server: acclimate.Server) -> Any:
    return connect(server)


class Awaited:
    """AsyncClient with an event loop of its own: what it returns is awaited, what it iterates over
    comes one by one."""

    def __init__(self, address: str, **options: Any) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._client = acclimate.AsyncClient(address, **options)

    def close(self) -> None:
        self._wait(self._client.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def __getattr__(self, name: str) -> Any:
        return _Face(self, getattr(self._client, name))

    def _wait(self, awaitable: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(awaitable, self._loop).result()

    def _iterate(self, values: Any) -> Iterator[Any]:
        items: queue.Queue[Any] = queue.Queue(maxsize=1)
        end = object()

        async def pump() -> None:
            try:
                async for value in values:
                    await asyncio.to_thread(items.put, (value, None))
                await asyncio.to_thread(items.put, (end, None))
            except Exception as error:
                await asyncio.to_thread(items.put, (end, error))

        task = asyncio.run_coroutine_threadsafe(pump(), self._loop)
        try:
            while True:
                value, error = items.get()
                if error is not None:
                    raise error
                if value is end:
                    return
                yield value
        finally:
            task.cancel()
            while not items.empty():
                items.get_nowait()


class _Face:
    def __init__(self, client: Awaited, inner: Any) -> None:
        self._face_client = client
        self._face_inner = inner

    def __getattr__(self, name: str) -> Any:
        return _Face(self._face_client, getattr(self._face_inner, name))

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        result = self._face_inner(*arguments, **named)
        if inspect.isawaitable(result):
            return self._face_client._wait(result)
        if hasattr(result, "__aiter__"):
            return self._face_client._iterate(result)
        return result


@pytest.fixture
def long_job(tmp_path: Any) -> Any:
    """Makes the spec of a job that runs until it is cancelled, on the server of a client."""

    def make(client: Any) -> job_pb2.JobSpec:
        import small_models

        path = tmp_path / "long.npz"
        small_models.save_npz(path, *small_models.points(400, seed=1))
        return small_models.fresh_start(client.blobs.put(str(path)).name, epochs=100_000)

    return make
