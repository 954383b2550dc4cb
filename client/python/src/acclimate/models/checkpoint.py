"""A model on its way to the server and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

from acclimate.payload import Payload


@dataclass(frozen=True)
class Checkpoint:
    payload: Payload | None  # None: a fresh start, or `blob` is on the server already
    # Which files of the result `restore` needs, given the names that there are.
    wanted: Callable[[list[str]], list[str]]
    # Makes what the user gets of the files, by name; of no file the model as it came.
    restore: Callable[[Mapping[str, Path]], Any]
    blob: str = ""
    # Whether the files are the result, and have to stay.
    keeps_files: bool = False


CHANGED_FILE = "changed.safetensors"


def of_result(names: list[str], wanted: str) -> list[str]:
    """Nothing, where the method returns no model: it measures, or corrects predictions only."""
    return [wanted] if wanted in names else []


def model_file(names: list[str]) -> str:
    """The adapted model among the files of a result; empty: there is none."""
    return next((name for name in names if name.startswith("model.")), "")
