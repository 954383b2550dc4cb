"""safetensors: eight bytes of length, a JSON header, then the tensors' bytes.

https://github.com/huggingface/safetensors
"""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from acclimate.errors import DataError
from acclimate.payload import Part, Payload

_DTYPES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "int16": "I16",
    "int32": "I32",
    "int64": "I64",
    "float16": "F16",
    "bfloat16": "BF16",
    "float32": "F32",
    "float64": "F64",
}
_NAMES = {code: name for name, code in _DTYPES.items()}


@dataclass(frozen=True)
class TensorParts:
    """A tensor whose bytes lie in parts, in C order and little endian."""

    dtype: str  # of numpy, or "bfloat16"
    shape: tuple[int, ...]
    parts: Sequence[Part]


@dataclass(frozen=True)
class StoredTensor:
    dtype: str  # of numpy, or "bfloat16", whose `values` are uint16
    values: np.ndarray[Any, Any]


def pack(
    name: str, tensors: Mapping[str, TensorParts], metadata: Mapping[str, str] = {}
) -> Payload:
    """A safetensors file of these tensors, without copying them."""
    header: dict[str, Any] = {}
    if metadata:
        header["__metadata__"] = dict(sorted(metadata.items()))
    offset = 0
    parts: list[Part] = []
    for tensor_name, tensor in tensors.items():
        size = Payload("", tensor.parts).size
        header[tensor_name] = {
            "dtype": _DTYPES[tensor.dtype],
            "shape": list(tensor.shape),
            "data_offsets": [offset, offset + size],
        }
        offset += size
        parts += tensor.parts
    encoded = json.dumps(header, separators=(",", ":")).encode("utf-8")
    encoded += b" " * (-len(encoded) % 8)
    return Payload(name, [struct.pack("<Q", len(encoded)) + encoded, *parts])


def supports(dtype: str) -> bool:
    return dtype in _DTYPES


def read(path: str | os.PathLike[str]) -> dict[str, StoredTensor]:
    """The tensors of a file, mapped and not read."""
    with open(path, "rb") as file:
        prefix = file.read(8)
        length = struct.unpack("<Q", prefix)[0] if len(prefix) == 8 else -1
        if not 0 < length <= os.fstat(file.fileno()).st_size - 8:
            raise DataError(f"{os.fspath(path)}: not a safetensors file")
        try:
            header = json.loads(file.read(length))
        except ValueError:
            raise DataError(f"{os.fspath(path)}: its header is not JSON") from None
    tensors = {}
    for name, entry in header.items():
        if name == "__metadata__":
            continue
        dtype = _NAMES[entry["dtype"]]
        shape = tuple(entry["shape"])
        stored: Any = "uint16" if dtype == "bfloat16" else dtype
        if 0 in shape:
            values: np.ndarray[Any, Any] = np.empty(shape, stored)
        else:
            begin = 8 + length + entry["data_offsets"][0]
            values = np.memmap(path, stored, "r", begin, shape)
        tensors[name] = StoredTensor(dtype, values)
    return tensors
