"""Small models and data, made anew in every run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from acclimate.v1 import job_pb2

FEATURES = 8
CLASSES = 3


def points(count: int, shift: float = 0.0, seed: int = 0) -> tuple[Any, Any]:
    """Float vectors in three clusters, and their classes."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    inputs = random.normal(0, 0.5, (count, FEATURES)).astype(np.float32)
    inputs[np.arange(count), labels] += 2
    return inputs + np.float32(shift), labels


def pictures(count: int, seed: int = 0, bright: int = 0) -> tuple[Any, Any]:
    """uint8 [count, 1, 12, 12]: the bright third of the rows tells the class."""
    random = np.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    inputs = random.integers(20, 80, (count, 1, 12, 12))
    for index, label in enumerate(labels):
        inputs[index, 0, 4 * label : 4 * label + 4] += 120
    return np.clip(inputs + bright, 0, 255).astype(np.uint8), labels


def save_npz(path: Path, inputs: Any, labels: Any = None) -> None:
    if labels is None:
        np.savez(path, inputs=inputs)
    else:
        np.savez(path, inputs=inputs, labels=labels)


def fresh_start(target: str, epochs: int) -> job_pb2.JobSpec:
    """A job that needs no checkpoint; `target`: a labelled blob."""
    spec = job_pb2.JobSpec(method="finetune")
    spec.model.architecture = "mlp"
    spec.target.blob = target
    spec.hyperparameters["epochs"].integer = epochs
    return spec


def trained(model: Any, inputs: Any, labels: Any, steps: int = 60) -> Any:
    """The model, fitted to the data and left in training mode."""
    import torch

    torch.set_num_threads(1)  # beside the server's
    torch.manual_seed(0)
    floats = torch.as_tensor(inputs).float()
    if floats.max() > 50:
        floats = floats / 255
    classes = torch.as_tensor(labels)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    model.train()
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(floats), classes).backward()
        optimizer.step()
    return model
