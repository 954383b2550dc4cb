"""An nn.Module: a copy with the changed tensors comes back, in the mode it was in."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Callable

import numpy as np
import torch
from torch import nn

from acclimate.errors import DataError
from acclimate.models.checkpoint import CHANGED_FILE, Checkpoint, model_file, of_result
from acclimate.models.export import export_module
from acclimate.models.tensors import read_tensors, same_type_as
from acclimate.notes import Notes
from acclimate.payload import Payload


def of_module(
    model: Any,
    example: np.ndarray[Any, Any] | None,
    new_path: Callable[[str], Path],
    notes: Notes,
) -> Checkpoint:
    if isinstance(model, torch.export.ExportedProgram):
        path = new_path("model.pt2")
        torch.export.save(model, path)
        return Checkpoint(Payload.of_file(path), _model_only, _whole_or(model))
    if isinstance(model, torch.jit.ScriptModule):
        path = new_path("model.pt")
        torch.jit.save(model, str(path))
        return Checkpoint(Payload.of_file(path), _model_only, _whole_or(model))
    if example is None or len(example) == 0:
        raise DataError(
            "model: to export an nn.Module some samples are needed, and target is a file that only "
            "the server reads: give target as arrays, or a model as TorchScript or .pt2"
        )
    adapted = copy.deepcopy(_unwrapped(model, notes))
    path, prefix = export_module(adapted, torch.from_numpy(example), new_path, notes)

    def wanted(names: list[str]) -> list[str]:
        # A mixture of models comes as TorchScript, whatever the checkpoint was.
        whole = model_file(names)
        if whole and Path(whole).suffix != path.suffix:
            return [whole]
        return of_result(names, CHANGED_FILE)

    def restore(files: Mapping[str, Path]) -> nn.Module:
        if not files:
            return adapted
        if CHANGED_FILE not in files:
            notes.warn(
                "the method returns a network of another form than the model's: it comes as "
                "TorchScript and not as its class"
            )
            return _load_script(files[model_file(list(files))])
        load_changed(adapted, files[CHANGED_FILE], prefix)
        return adapted

    return Checkpoint(Payload.of_file(path), wanted, restore)


def load_changed(module: nn.Module, path: Path, prefix: str = "") -> None:
    """The tensors of changed.safetensors into the module, in their type and on their device."""
    places: dict[str, torch.Tensor] = dict(module.named_parameters(remove_duplicate=False))
    places.update(module.named_buffers(remove_duplicate=False))
    changed = read_tensors(path)
    unknown = [name for name in changed if name[len(prefix) :] not in places]
    if unknown:
        raise DataError(f"{path}: the model has no tensors {unknown[:5]}")
    with torch.no_grad():
        for name, tensor in changed.items():
            place = places[name[len(prefix) :]]
            place.copy_(same_type_as(tensor, place))


def _unwrapped(model: nn.Module, notes: Notes) -> nn.Module:
    """Without torch.compile and the wrappers of data parallelism."""
    while True:
        inner = getattr(model, "_orig_mod", None)
        if inner is None and type(model).__name__ in ("DataParallel", "DistributedDataParallel"):
            inner = model.module
        if not isinstance(inner, nn.Module):
            return model
        notes.say(f"the model is taken out of its {type(model).__name__}")
        model = inner


def _model_only(names: list[str]) -> list[str]:
    return of_result(names, model_file(names))


def _whole_or(model: Any) -> Callable[[Mapping[str, Path]], Any]:
    def restore(files: Mapping[str, Path]) -> Any:
        if not files:
            return model
        path = next(iter(files.values()))
        return torch.export.load(path) if path.suffix == ".pt2" else _load_script(path)

    return restore


def _load_script(path: Path) -> nn.Module:
    module: nn.Module = torch.jit.load(str(path))  # type: ignore[no-untyped-call]
    return module
