"""What the data of one job share, and what becomes of each."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable

import numpy as np

from acclimate.notes import Notes
from acclimate.payload import Payload


@dataclass(frozen=True)
class Role:
    """What data are to a job."""

    name: str  # "source", "target", "eval", ...: the argument, for messages
    labels: str  # "needed", "dropped" or "optional"


DEFAULT_LABEL_COLUMN = "label"


@dataclass(frozen=True)
class DataOptions:
    """How data become inputs and labels."""

    label_column: str = DEFAULT_LABEL_COLUMN
    input_column: str = ""  # of rows that are dictionaries; empty: found by its name
    categories: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    class_names: Sequence[str] = ()
    image_size: int | tuple[int, int] | None = None  # (resized shorter side, crop)


@dataclass(frozen=True)
class PreparedData:
    payload: Payload | None  # None: `blob` is on the server already
    blob: str = ""
    # Up to EXAMPLE_ROWS samples as they are sent; None where the client has not read them.
    example: np.ndarray[Any, Any] | None = None


EXAMPLE_ROWS = 3


class DataContext:
    """State of one job's data: codings that its files share, and a folder for temporary files."""

    def __init__(self, options: DataOptions, notes: Notes) -> None:
        self.options = options
        self.notes = notes
        self.class_names: list[str] = list(options.class_names)
        self.columns: list[str] = []  # of tables, in the order of the features
        self.categories: dict[str, list[Any]] = {k: list(v) for k, v in options.categories.items()}
        self._folder: Path | None = None

    def new_path(self, name: str) -> Path:
        if self._folder is None:
            self._folder = Path(tempfile.mkdtemp(prefix="acclimate-data-"))
        folder = Path(tempfile.mkdtemp(dir=self._folder))
        return folder / name

    def close(self) -> None:
        """Removes the temporary files."""
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None

    def coding(self) -> dict[str, Any]:
        """For the lineage: which number stands for what."""
        coding: dict[str, Any] = {}
        if self.class_names:
            coding["class_names"] = self.class_names
        if self.columns:
            coding["columns"] = self.columns
        if self.categories:
            coding["categories"] = self.categories
        return coding


@dataclass(frozen=True)
class Kind:
    """A kind of data; `matches` must be cheap and import nothing."""

    name: str
    matches: Callable[[Any], bool]
    prepare: Callable[[Any, Role, DataContext], PreparedData]


def is_of(data: Any, package: str, *classes: str) -> bool:
    """Whether the data's class, or one it derives from, is one of the package's, by their names:
    imports nothing."""
    return any(
        base.__name__ in classes and base.__module__.split(".", 1)[0] == package
        for base in type(data).__mro__
    )
