"""Data sets of torch: of samples, or of (sample, label)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from acclimate.data.arrays import prepare_arrays
from acclimate.data.context import DataContext, Kind, PreparedData, Role, is_of
from acclimate.data.random_transforms import notice_random_transforms
from acclimate.data.rows import prepare_rows
from acclimate.data.samples import stacked
from acclimate.errors import DataError


def _matches(data: Any) -> bool:
    if is_of(data, "torch", "Dataset", "IterableDataset"):
        return True
    # What torch takes as a data set, too.
    return (
        hasattr(type(data), "__getitem__")
        and hasattr(type(data), "__len__")
        and not isinstance(data, (tuple, list, dict, np.ndarray))
        and not hasattr(data, "__array__")
    )


def _prepare(data: Any, role: Role, context: DataContext) -> PreparedData:
    if is_of(data, "torch", "TensorDataset"):
        tensors = data.tensors
        labels = tensors[1] if len(tensors) > 1 else None
        return prepare_arrays(tensors[0], labels, role, context)
    note_class_names(data, role, context)
    if is_iterable(data):
        return prepare_rows(stacked(data, role, context), role, context)
    if len(data) == 0:
        raise DataError(f"{role.name}: it holds no samples")
    notice_random_transforms(data, role, context)
    return prepare_rows(stacked(_in_order(data), role, context), role, context)


def is_iterable(dataset: Any) -> bool:
    return is_of(dataset, "torch", "IterableDataset")


def note_class_names(dataset: Any, role: Role, context: DataContext) -> None:
    """torchvision's data sets have `classes`."""
    names = getattr(dataset, "classes", None)
    if not isinstance(names, (list, tuple)) or not all(isinstance(n, str) for n in names):
        return
    if not context.class_names:
        context.class_names = list(names)
    elif list(names) != context.class_names and role.labels != "dropped":
        raise DataError(
            f"{role.name}: its classes are {list(names)}, those of the data before "
            f"{context.class_names}: the same number must mean the same class"
        )


def _in_order(dataset: Any) -> Iterator[Any]:
    for index in range(len(dataset)):
        yield dataset[index]


TORCH_DATASETS = Kind("torch data sets", _matches, _prepare)
