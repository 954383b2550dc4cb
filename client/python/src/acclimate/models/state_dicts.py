"""A state dict of a built-in architecture: a state dict with the same keys comes back."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from acclimate.errors import DataError
from acclimate.models.checkpoint import CHANGED_FILE, Checkpoint, of_result
from acclimate.models.tensors import pack_tensors, read_tensors, same_type_as


def of_state_dict(state: Mapping[str, Any], architecture: str) -> Checkpoint:
    others = [key for key, value in state.items() if not isinstance(value, torch.Tensor)]
    if others:
        raise DataError(
            f"model: the dictionary holds more than tensors ({others[:5]}): give the state dict "
            "itself, for example checkpoint['state_dict']"
        )
    if not architecture:
        raise DataError(
            "model: a state dict needs architecture, one of the server's (acclimate methods lists "
            "them); for any other network load it into your nn.Module and give that"
        )
    kept = dict(state)

    def restore(files: Mapping[str, Path]) -> dict[str, torch.Tensor]:
        changed = read_tensors(files[CHANGED_FILE]) if files else {}
        return {
            key: same_type_as(changed[key], tensor) if key in changed else tensor.clone()
            for key, tensor in kept.items()
        }

    return Checkpoint(
        pack_tensors("state_dict.safetensors", kept),
        lambda names: of_result(names, CHANGED_FILE),
        restore,
    )
