"""A checkpoint by its path: a path comes back."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from acclimate.models.checkpoint import Checkpoint, model_file
from acclimate.payload import Payload

_BLOB_NAME = re.compile(r"^tenants/[^/]+/blobs/[0-9a-f]{64}$")


def of_path(path: Any) -> Checkpoint:
    """None: a fresh start."""
    payload, blob = None, ""
    if path is not None:
        text = os.fspath(path)
        if _BLOB_NAME.match(text) and not os.path.exists(text):
            blob = text
        else:
            payload = Payload.of_file(text)

    def restore(files: Mapping[str, Path]) -> Any:
        model = model_file(list(files))
        return files[model] if model else path

    return Checkpoint(payload, _wanted, restore, blob, keeps_files=True)


def _wanted(names: list[str]) -> list[str]:
    model = model_file(names)
    return [model] if model else []
