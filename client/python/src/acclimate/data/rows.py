"""Samples that come in batches, written to a temporary file as they come."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from acclimate.data.context import EXAMPLE_ROWS, DataContext, PreparedData, Role
from acclimate.data.inputs import as_bytes, checked, to_numpy
from acclimate.data.labels import class_indices
from acclimate.errors import DataError
from acclimate.payload import FilePart
from acclimate.safetensors_format import TensorParts, pack

# Inputs [n, ...] and their labels, n of them, or None.
Batch = tuple[Any, Any]


def prepare_rows(batches: Iterable[Batch], role: Role, context: DataContext) -> PreparedData:
    """One pass over the batches; holds one of them, and the labels."""
    path = context.new_path("inputs")
    labels: list[Any] = []
    unlabelled = False
    first: np.ndarray[Any, Any] | None = None
    examples: list[np.ndarray[Any, Any]] = []
    count = 0
    with open(path, "wb") as file:
        for batch, batch_labels in batches:
            rows = checked(to_numpy(batch), role)
            first = rows[:1].copy() if first is None else first
            _check_alike(rows, first, count, role)
            if count < EXAMPLE_ROWS:
                examples.append(rows[: EXAMPLE_ROWS - count].copy())
            file.write(as_bytes(np.ascontiguousarray(rows)))
            count += len(rows)
            if batch_labels is None:
                unlabelled = True
            else:
                labels.extend(np.asarray(to_numpy(batch_labels)).tolist())
    if first is None or count == 0:
        raise DataError(f"{role.name}: it holds no samples")
    if labels and (unlabelled or len(labels) != count):
        raise DataError(f"{role.name}: {count} samples, but {len(labels)} labels")
    size = path.stat().st_size
    shape = (count, *first.shape[1:])
    return pack_data(
        role,
        context,
        TensorParts(first.dtype.name, shape, [FilePart(str(path), 0, size)]),
        labels or None,
        np.concatenate(examples),
    )


def _check_alike(
    rows: np.ndarray[Any, Any], first: np.ndarray[Any, Any], count: int, role: Role
) -> None:
    if rows.shape[1:] != first.shape[1:] or rows.dtype != first.dtype:
        raise DataError(
            f"{role.name}: sample {count} is {rows.dtype} {list(rows.shape[1:])}, the ones before "
            f"are {first.dtype} {list(first.shape[1:])}: samples must have one shape and type"
        )


def pack_data(
    role: Role,
    context: DataContext,
    inputs: TensorParts,
    labels: Any,
    example: np.ndarray[Any, Any],
) -> PreparedData:
    """A file with the tensors `inputs` and, where there are labels, `labels`."""
    if inputs.shape[0] == 0:
        raise DataError(f"{role.name}: it holds no samples")
    indices = class_indices(labels, role, context)
    tensors = {}
    if indices is not None:
        if len(indices) != inputs.shape[0]:
            raise DataError(f"{role.name}: {inputs.shape[0]} samples, but {len(indices)} labels")
        # Before the inputs: whose size need not be a multiple of eight.
        tensors["labels"] = TensorParts("int64", indices.shape, [as_bytes(indices)])
    tensors["inputs"] = inputs
    return PreparedData(pack(f"{role.name}.safetensors", tensors), example=example)
