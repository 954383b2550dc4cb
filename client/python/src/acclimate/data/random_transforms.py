"""Notices data sets that give another sample each time they are asked."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from acclimate.data.context import DataContext, Role
from acclimate.data.samples import sample_array, split_sample

_SAMPLES = 4


def notice_random_transforms(dataset: Any, role: Role, context: DataContext) -> None:
    """Compares two passes over a few samples. The random generators are left as they were."""
    count = len(dataset)
    indices = sorted({i * (count - 1) // max(1, _SAMPLES - 1) for i in range(_SAMPLES)})
    with _generators_restored():
        passes = [
            [
                sample_array(split_sample(dataset[i], role, context)[0], role, context)
                for i in indices
            ]
            for _ in range(2)
        ]
    for first, second in zip(*passes):
        if first.shape != second.shape or not np.array_equal(first, second, equal_nan=True):
            context.notes.warn(
                f"{role.name}: its samples differ from one pass to the next (random transforms): "
                "what one pass gave is sent, and the same data will be sent again next time; give "
                "the data set with the transforms of evaluation, since the methods make views of "
                "their own"
            )
            return


@contextmanager
def _generators_restored() -> Iterator[None]:
    torch = sys.modules.get("torch")
    state, numpy_state = random.getstate(), np.random.get_state()
    torch_state = None if torch is None else torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(state)
        np.random.set_state(numpy_state)
        if torch is not None:
            torch.set_rng_state(torch_state)
