"""The examples of docs/python.md, each section as one program, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import acclimate

PAGE = Path(__file__).resolve().parents[2] / "docs" / "python.md"


def programs() -> list[Any]:
    found = []
    for section in re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]:
        title = section.split("\n", 1)[0]
        blocks = re.findall(r"^```python\n(.*?)^```$", section, flags=re.M | re.S)
        if blocks:
            found.append(pytest.param("\n".join(blocks), id=title.replace(" ", "_")))
    return found


@pytest.mark.parametrize("program", programs())
def test_an_example_of_the_page_runs(program: str, server: acclimate.Server, tmp_path: Any) -> None:
    pytest.importorskip("torch")
    if "pandas" in program:
        pytest.importorskip("pandas")
    if "torchvision" in program:
        pytest.importorskip("PIL")
        program = program.replace(
            "import torchvision\n",
            "import torchvision_of_any_build\ntorchvision = torchvision_of_any_build.load()\n",
        )
    path = tmp_path / "example.py"
    path.write_text(f"import torch\ntorch.set_num_threads(1)\n{program}", encoding="utf-8")
    folders = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    done = subprocess.run(
        [sys.executable, str(path)],
        cwd=tmp_path,
        env={
            **os.environ,
            "ACCLIMATE_SERVER": server.address,
            "PYTHONPATH": os.pathsep.join(f for f in folders if f),
        },
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_two_lines_of_the_page_are_two() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text("utf-8"), flags=re.M | re.S)
    calls = [b for b in blocks if "acclimate.adapt(model, target=loader" in b]
    assert len(calls) == 1 and len(calls[0].strip().splitlines()) == 2
