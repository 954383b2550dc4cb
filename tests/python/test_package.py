"""The package itself: what its import costs, its types, its exceptions, its wheel's contents."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

import acclimate
from acclimate import errors
from acclimate.v1 import error_reason_pb2

HEAVY = ("torch", "pandas", "torchvision", "datasets", "PIL", "tqdm", "IPython")


def run_python(program: str, **environment: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
    ).stdout


def test_importing_loads_nothing_heavy() -> None:
    loaded = json.loads(
        run_python(
            "import acclimate, sys, json; acclimate.Client; acclimate.adapt; acclimate.AsyncClient;"
            "print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
        )
    )
    assert not set(HEAVY) & set(loaded)


def test_every_name_is_there_and_typed() -> None:
    for name in acclimate.__all__:
        assert getattr(acclimate, name) is not None
    source = (resources.files("acclimate") / "__init__.py").read_text(encoding="utf-8")
    for name in acclimate.__all__:
        assert f"import {name} as {name}" in source, f"{name} is not there for a type checker"
    with pytest.raises(AttributeError, match="no attribute 'no_such'"):
        acclimate.no_such  # noqa: B018


def test_every_reason_has_an_exception() -> None:
    named = error_reason_pb2.ErrorReason.items()
    reasons = [name for name, number in named if number != 0]
    assert sorted(reasons) == sorted(errors.BY_REASON)
    assert len(set(errors.BY_REASON.values())) == len(reasons)


def test_the_blocking_and_the_asynchronous_client_have_the_same_names() -> None:
    from acclimate import aio, client

    pairs = [(client.Client, aio.AsyncClient)]
    pairs += [
        (getattr(client, name), getattr(aio, f"Async{name}"))
        for name in ("Jobs", "Blobs", "Methods", "Reports")
    ]
    for blocking, asynchronous in pairs:
        names = {n for n in vars(blocking) if not n.startswith("_")}
        assert names == {n for n in vars(asynchronous) if not n.startswith("_")}


def test_it_is_typed() -> None:
    folder = resources.files("acclimate")
    assert (folder / "py.typed").is_file()
    assert (folder / "v1" / "job_pb2.pyi").is_file()
    assert (folder / "v1" / "job_service_pb2_grpc.py").is_file()
    assert not (folder / "v1" / "worker_pb2.py").is_file()


SOURCES = Path(__file__).resolve().parents[2] / "client" / "python"


@pytest.mark.parametrize("checker", [["mypy"], ["basedpyright", "--pythonpath", sys.executable]])
def test_type_checkers_find_nothing(checker: list[str], tmp_path: Any) -> None:
    pytest.importorskip(checker[0])
    # The stubs that the sources lack are those of the installed wheel.
    folder = tmp_path / "python"
    package = Path(str(resources.files("acclimate")))
    (folder / "src").mkdir(parents=True)
    (folder / "pyproject.toml").write_bytes((SOURCES / "pyproject.toml").read_bytes())
    subprocess.run(["cp", "-r", str(package), str(folder / "src" / "acclimate")], check=True)
    done = subprocess.run(
        [sys.executable, "-m", *checker], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", [["format", "--check"], ["check", "--output-format=concise"]])
def test_sources_are_formatted(command: list[str]) -> None:
    pytest.importorskip("ruff")
    settings = ["--no-cache", "--config", str(SOURCES / "pyproject.toml")]
    folders = [str(SOURCES), str(Path(__file__).parent)]
    done = subprocess.run(
        [sys.executable, "-m", "ruff", *command, *settings, *folders],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
