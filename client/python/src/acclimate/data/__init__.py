"""Data of many kinds, made into files that the server reads.

A kind is one module with a `Kind`, and one entry of `_KINDS`. None of them imports a library that
the caller has not imported already.
"""

from __future__ import annotations

from typing import Any

from acclimate.data.arrays import ARRAYS
from acclimate.data.context import DataContext, Kind, PreparedData, Role
from acclimate.data.frames import FRAMES
from acclimate.data.hugging_face import HUGGING_FACE
from acclimate.data.image_folder import IMAGE_FOLDERS
from acclimate.data.paths import PATHS
from acclimate.data.torch_datasets import TORCH_DATASETS
from acclimate.data.torch_loaders import TORCH_LOADERS
from acclimate.errors import DataError

# The first that matches. Arrays take whatever numpy takes, so they come last.
_KINDS: tuple[Kind, ...] = (
    IMAGE_FOLDERS,
    PATHS,
    FRAMES,
    HUGGING_FACE,
    TORCH_LOADERS,
    TORCH_DATASETS,
    ARRAYS,
)

__all__ = ["DataContext", "PreparedData", "Role", "prepare"]


def prepare(data: Any, role: Role, context: DataContext) -> PreparedData:
    for kind in _KINDS:
        if kind.matches(data):
            return kind.prepare(data, role, context)
    raise DataError(
        f"{role.name}: {type(data).__module__}.{type(data).__qualname__} is no data that can be "
        "sent: give a Dataset, a DataLoader, an ImageFolder or its path, a datasets.Dataset, a "
        "DataFrame, arrays, (inputs, labels), or the path of a file"
    )
