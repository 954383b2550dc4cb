"""Models of many kinds, made into checkpoints that the server reads, and back."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from acclimate.data.context import is_of
from acclimate.errors import DataError
from acclimate.models.checkpoint import Checkpoint
from acclimate.models.paths import of_path
from acclimate.notes import Notes

__all__ = ["Checkpoint", "prepare_model"]


def prepare_model(
    model: Any,
    architecture: str,
    example: np.ndarray[Any, Any] | None,
    folder: Any,
    notes: Notes,
) -> Checkpoint:
    """`example`: a few samples as the model takes them; `folder`: a function that makes paths of
    temporary files."""
    if model is None:
        if not architecture:
            raise DataError("model: it is None: give a model, or architecture to start afresh")
        return of_path(None)
    if isinstance(model, (str, os.PathLike)):
        return of_path(model)
    if is_of(model, "torch", "Module", "ExportedProgram"):
        from acclimate.models.modules import of_module

        return of_module(model, example, folder, notes)
    if isinstance(model, Mapping):
        from acclimate.models.state_dicts import of_state_dict

        return of_state_dict(model, architecture)
    raise DataError(
        f"model: {type(model).__module__}.{type(model).__qualname__} is no model: give an "
        "nn.Module, the path of a checkpoint, or a state dict with architecture"
    )
