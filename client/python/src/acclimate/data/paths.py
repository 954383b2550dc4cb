"""Files that the server reads as they are, and blobs that it has already."""

from __future__ import annotations

import os
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from acclimate import safetensors_format
from acclimate.data.context import EXAMPLE_ROWS, DataContext, Kind, PreparedData, Role
from acclimate.payload import Payload

_BLOB_NAME = re.compile(r"^tenants/[^/]+/blobs/[0-9a-f]{64}$")


def _matches(data: Any) -> bool:
    return isinstance(data, (str, os.PathLike))


def _prepare(data: Any, role: Role, context: DataContext) -> PreparedData:
    path = os.fspath(data)
    # A file of that name comes first: only the server knows what the blob holds.
    if _BLOB_NAME.match(path) and not os.path.exists(path):
        return PreparedData(None, blob=path)
    payload = Payload.of_file(path)
    if is_picture_archive(path):
        return PreparedData(payload, example=_blank_pictures(context))
    return PreparedData(payload, example=_first_rows(Path(path)))


def is_picture_archive(name: str) -> bool:
    return name.lower().endswith((".tar", ".tar.gz", ".tgz", ".tar.zst", ".zip"))


def _blank_pictures(context: DataContext) -> np.ndarray[Any, Any] | None:
    """Of the size that the server will make them; it alone opens the archive."""
    size = context.options.image_size
    if size is None:
        return None
    side = size if isinstance(size, int) else size[1]
    return np.zeros((EXAMPLE_ROWS, 3, side, side), np.uint8)


def _first_rows(path: Path) -> np.ndarray[Any, Any] | None:
    """None where only the server can tell: it reads the file strictly."""
    try:
        if path.suffix == ".npy":
            return np.array(np.load(path, mmap_mode="r", allow_pickle=False)[:EXAMPLE_ROWS])
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                return np.array(archive["inputs"][:EXAMPLE_ROWS])
        stored = safetensors_format.read(path).get("inputs")
        return None if stored is None else np.array(stored.values[:EXAMPLE_ROWS])
    except (ValueError, KeyError, OSError, TypeError, zipfile.BadZipFile):
        return None


PATHS = Kind("paths", _matches, _prepare)
