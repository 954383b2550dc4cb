"""Samples as numbers: which element types are sent, and what is said of the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from acclimate.data.context import Role
from acclimate.errors import DataError


def is_tensor(value: Any) -> bool:
    """A tensor of torch, without importing it."""
    return hasattr(value, "detach") and hasattr(value, "numpy") and hasattr(value, "requires_grad")


def to_numpy(value: Any) -> np.ndarray[Any, Any]:
    """Shares memory where it can."""
    if is_tensor(value):
        tensor = value.detach().cpu()
        if str(tensor.dtype) == "torch.bfloat16":  # which numpy does not have
            tensor = tensor.float()
        array: np.ndarray[Any, Any] = tensor.resolve_conj().numpy()
        return array
    try:
        return np.asarray(value)
    except ValueError as error:  # ragged
        raise DataError(
            f"the samples differ in their shape ({error}): pad or crop them to one"
        ) from None


def as_bytes(array: np.ndarray[Any, Any]) -> memoryview:
    """A view of a contiguous array."""
    return memoryview(array.reshape(-1).view(np.uint8).data)


def checked(inputs: np.ndarray[Any, Any], role: Role) -> np.ndarray[Any, Any]:
    """In a type and byte order that can be sent; copies only where it has to."""
    kind, size = inputs.dtype.kind, inputs.dtype.itemsize
    if inputs.ndim < 1:
        raise DataError(f"{role.name}: inputs must be [N, ...], not one number")
    if kind == "b":
        return inputs.astype(np.float32)
    if kind == "O":
        raise DataError(
            f"{role.name}: inputs are Python objects (dtype object), for example of samples that "
            "differ in their shape: give one array, numpy.stack(samples).astype('float32')"
        )
    if kind == "u" and size > 1:
        raise DataError(
            f"{role.name}: inputs are {inputs.dtype}; scale them to float, "
            f"inputs.astype('float32') / {np.iinfo(inputs.dtype).max}"
        )
    if kind not in "fiu" or size > 8:
        raise DataError(
            f"{role.name}: inputs are {inputs.dtype}: give float or uint8, for example "
            "inputs.astype('float32')"
        )
    if inputs.dtype.byteorder == ">":
        return inputs.astype(inputs.dtype.newbyteorder("="))
    return inputs
