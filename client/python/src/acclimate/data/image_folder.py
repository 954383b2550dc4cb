"""A folder of pictures: a folder a class gives labels and class names, a flat one has no labels."""

from __future__ import annotations

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from acclimate.data.context import DataContext, Kind, PreparedData, Role
from acclimate.data.pictures import picture_to_array
from acclimate.data.rows import Batch, prepare_rows
from acclimate.data.samples import ROWS_AT_ONCE
from acclimate.errors import DataError

_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp")
_MOST_DAMAGED = 0.05  # of the pictures
_NAMED = 3  # of the damaged ones
_THREADS = 8


def _matches(data: Any) -> bool:
    return isinstance(data, (str, os.PathLike)) and os.path.isdir(data)


def _prepare(data: Any, role: Role, context: DataContext) -> PreparedData:
    folder = Path(data)
    try:
        from PIL import Image  # noqa: F401
    except ImportError:
        raise DataError(
            f"{role.name}: {folder} is a folder of pictures, which needs Pillow: "
            "pip install 'acclimate[images]'"
        ) from None
    if context.options.image_size is None:
        raise DataError(
            f"{role.name}: {folder} is a folder of pictures: give image_size, the sides that the "
            "model takes, for example image_size=224, or (256, 224) to resize before the crop"
        )
    files = _list_pictures(folder, role, context)
    damaged: list[Path] = []
    prepared = prepare_rows(_decoded(files, context, damaged), role, context)
    if damaged:
        _report_damaged(damaged, len(files), role, context)
    return prepared


def _list_pictures(folder: Path, role: Role, context: DataContext) -> list[tuple[Path, int | None]]:
    """In a fixed order, each with its class."""
    classes = sorted(entry.name for entry in folder.iterdir() if entry.is_dir())
    if not classes:
        flat = [path for path in sorted(folder.iterdir()) if _is_picture_file(path)]
        if not flat:
            raise DataError(f"{role.name}: {folder} holds no JPEG, PNG, WebP or BMP")
        return [(path, None) for path in flat]
    if not context.class_names:
        context.class_names = classes
    known = {name: index for index, name in enumerate(context.class_names)}
    files: list[tuple[Path, int | None]] = []
    for name in classes:
        if name not in known and role.labels != "dropped":
            raise DataError(
                f"{role.name}: {folder}/{name} is none of the classes {context.class_names}"
            )
        files += [
            (path, known.get(name))
            for path in sorted((folder / name).rglob("*"))
            if _is_picture_file(path)
        ]
    if not files:
        raise DataError(f"{role.name}: the folders in {folder} hold no JPEG, PNG, WebP or BMP")
    return files


def _is_picture_file(path: Path) -> bool:
    return path.suffix.lower() in _SUFFIXES and path.is_file()


def _decoded(
    files: list[tuple[Path, int | None]], context: DataContext, damaged: list[Path]
) -> Iterator[Batch]:
    with ThreadPoolExecutor(_THREADS) as pool:
        for begin in range(0, len(files), ROWS_AT_ONCE):
            chosen = files[begin : begin + ROWS_AT_ONCE]
            arrays = pool.map(lambda file: _decode(file[0], context), chosen)
            inputs, labels = [], []
            for (path, label), array in zip(chosen, arrays):
                if array is None:
                    damaged.append(path)
                    continue
                inputs.append(array)
                labels.append(label)
            if inputs:
                unlabelled = all(label is None for label in labels)
                yield _stack(inputs), None if unlabelled else np.array(labels)


def _decode(path: Path, context: DataContext) -> np.ndarray[Any, Any] | None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(path) as picture:
            picture.load()
            return picture_to_array(picture, context.options.image_size)
    except (OSError, SyntaxError, UnidentifiedImageError, ValueError):
        return None


def _stack(arrays: list[np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    """Grey pictures among coloured ones get three equal channels."""
    channels = max(len(array) for array in arrays)
    return np.stack([np.broadcast_to(a, (channels, *a.shape[1:])) for a in arrays])


def _report_damaged(damaged: list[Path], count: int, role: Role, context: DataContext) -> None:
    names = ", ".join(str(path) for path in damaged[:_NAMED])
    more = f" and {len(damaged) - _NAMED} more" if len(damaged) > _NAMED else ""
    sentence = f"{role.name}: {len(damaged)} of {count} pictures cannot be read: {names}{more}"
    if len(damaged) > _MOST_DAMAGED * count:
        raise DataError(f"{sentence}; more than {_MOST_DAMAGED:.0%} are too many: mend them")
    context.notes.warn(f"{sentence}; they are left out")


IMAGE_FOLDERS = Kind("folders of pictures", _matches, _prepare)
