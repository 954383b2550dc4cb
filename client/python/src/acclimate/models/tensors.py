"""Tensors of torch to safetensors and back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from acclimate import safetensors_format
from acclimate.data.inputs import as_bytes
from acclimate.errors import DataError
from acclimate.payload import Payload
from acclimate.safetensors_format import TensorParts


def pack_tensors(name: str, tensors: Mapping[str, torch.Tensor]) -> Payload:
    parts = {}
    for key, tensor in tensors.items():
        flat = tensor.detach().cpu().contiguous()
        dtype = str(flat.dtype).replace("torch.", "")
        if not safetensors_format.supports(dtype):
            raise DataError(f"model: the tensor {key!r} is {dtype}, which safetensors cannot hold")
        buffer = as_bytes(flat.reshape(-1).view(torch.uint8).numpy())
        parts[key] = TensorParts(dtype, tuple(flat.shape), [buffer])
    return safetensors_format.pack(name, parts)


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    tensors = {}
    for name, stored in safetensors_format.read(path).items():
        values: Any = stored.values
        tensor = torch.from_numpy(values.copy()).reshape(values.shape)
        tensors[name] = tensor.view(torch.bfloat16) if stored.dtype == "bfloat16" else tensor
    return tensors


def same_type_as(tensor: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return tensor.to(device=like.device, dtype=like.dtype)
