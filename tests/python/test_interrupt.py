"""Ctrl-C while an adaptation runs: the job goes on, and the way back to it is said."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

import acclimate
import small_models

PROGRAM = """
import acclimate, sys
acclimate.adapt(
    None, architecture="mlp", target="target.npz", method="finetune", server=sys.argv[1],
    hyperparameters={"epochs": 100000}, out="out",
    progress=lambda event: print(event.kind, flush=True),
)
"""


def test_ctrl_c_detaches(server: acclimate.Server, tmp_path: Any) -> None:
    small_models.save_npz(tmp_path / "target.npz", *small_models.points(300))
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, server.address],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line == "progress\n":
            break
    os.kill(process.pid, signal.SIGINT)
    _, said = process.communicate()
    found = re.search(r"Detached: job (\w+) goes on .*client\.jobs\.cancel", said)
    assert found is not None and "KeyboardInterrupt" in said
    with server.client() as client:
        assert not client.jobs.get(found[1]).has_ended
        client.jobs.cancel(found[1])
        assert client.jobs.wait(found[1]).state == acclimate.JobState.CANCELLED


def test_ctrl_c_in_the_listener_detaches_too(server: acclimate.Server, capsys: Any) -> None:
    def interrupt(event: acclimate.JobEvent) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        acclimate.adapt(
            None,
            architecture="mlp",
            target=small_models.points(300),
            method="finetune",
            server=server,
            hyperparameters={"epochs": 100000},
            progress=interrupt,
        )
    found = re.search(r"Detached: job (\w+) goes on", capsys.readouterr().err)
    assert found is not None
    with server.client() as client:
        client.jobs.cancel(found[1])


def test_a_server_ends_with_a_program_that_is_killed() -> None:
    program = "import acclimate, time; print(acclimate.Server().pid, flush=True); time.sleep(600)"
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    pid = int(process.stdout.readline())
    os.kill(pid, 0)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 60
    while _runs(pid):
        assert time.monotonic() < deadline, "the server goes on"
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    """Whoever took it over may not have waited for it yet."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_cancelled_task_detaches(server: acclimate.Server, tmp_path: Any, capsys: Any) -> None:
    import asyncio

    path = tmp_path / "target.npz"
    small_models.save_npz(path, *small_models.points(300))

    async def adapt_until_cancelled() -> None:
        started = asyncio.Event()
        async with server.async_client() as client:
            task = asyncio.create_task(
                client.adapt(
                    None,
                    architecture="mlp",
                    target=path,
                    method="finetune",
                    hyperparameters={"epochs": 100_000},
                    progress=lambda event: started.set(),
                )
            )
            await started.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    asyncio.run(adapt_until_cancelled())
    found = re.search(r"Detached: job (\w+) goes on", capsys.readouterr().err)
    assert found is not None
    with server.client() as client:
        assert not client.jobs.get(found[1]).has_ended
        client.jobs.cancel(found[1])
        client.jobs.wait(found[1])


def test_ctrl_c_leaves_a_server_of_the_program_running() -> None:
    program = """
import acclimate, time
server = acclimate.Server(slots=0)
try:
    print("started", flush=True)
    time.sleep(600)
except KeyboardInterrupt:
    print(server.client().server_info().version)
"""
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stdout is not None and process.stdout.readline() == "started\n"
    os.killpg(process.pid, signal.SIGINT)  # as a terminal and a notebook do
    said, _ = process.communicate()
    assert process.returncode == 0 and said.strip()
