"""Arrays: inputs, (inputs, labels), {"inputs": ..., "labels": ...}, of numpy, torch or lists.

What lies in memory as it is sent is sent from there, without a copy.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from acclimate.data.context import EXAMPLE_ROWS, DataContext, Kind, PreparedData, Role
from acclimate.data.inputs import as_bytes, checked, to_numpy
from acclimate.data.rows import Batch, pack_data, prepare_rows
from acclimate.errors import DataError
from acclimate.safetensors_format import TensorParts

_ROWS_AT_ONCE_BYTES = 4 << 20


def _matches(data: Any) -> bool:
    return isinstance(data, (tuple, list, dict)) or hasattr(data, "__array__")


def _prepare(data: Any, role: Role, context: DataContext) -> PreparedData:
    labels = None
    if isinstance(data, dict):
        if "inputs" not in data:
            raise DataError(f"{role.name}: it has no key 'inputs', only {sorted(map(str, data))}")
        data, labels = data["inputs"], data.get("labels")
    elif isinstance(data, tuple):
        if len(data) not in (1, 2):
            raise DataError(
                f"{role.name}: a tuple of {len(data)}: give (inputs, labels) or (inputs,)"
            )
        labels = data[1] if len(data) == 2 else None
        data = data[0]
    return prepare_arrays(data, labels, role, context)


def prepare_arrays(inputs: Any, labels: Any, role: Role, context: DataContext) -> PreparedData:
    array = to_numpy(inputs)
    if labels is not None:
        labels = to_numpy(labels)
        if labels.ndim > 0 and array.ndim > 0 and len(labels) != len(array):
            raise DataError(f"{role.name}: {len(array)} samples, but {len(labels)} labels")
    lies_as_sent = array.flags.c_contiguous and array.dtype.isnative
    if array.ndim > 0 and array.dtype.kind in "fiub" and not lies_as_sent:
        return prepare_rows(_slices(array, labels), role, context)
    array = checked(array, role)
    return pack_data(
        role,
        context,
        TensorParts(array.dtype.name, array.shape, [as_bytes(array)]),
        labels,
        array[:EXAMPLE_ROWS].copy(),
    )


def _slices(inputs: np.ndarray[Any, Any], labels: Any) -> Iterator[Batch]:
    row_bytes = max(1, inputs.nbytes // max(1, len(inputs)))
    rows = max(1, _ROWS_AT_ONCE_BYTES // row_bytes)
    for begin in range(0, len(inputs), rows):
        chosen = None if labels is None else labels[begin : begin + rows]
        yield inputs[begin : begin + rows], chosen


ARRAYS = Kind("arrays", _matches, _prepare)
