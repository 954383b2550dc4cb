"""One sample of a data set: what in it is the input and what the label."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from acclimate.data.context import DataContext, Role
from acclimate.data.inputs import to_numpy
from acclimate.data.pictures import is_picture, picture_to_array
from acclimate.data.rows import Batch
from acclimate.errors import DataError

_INPUT_NAMES = ("inputs", "input", "image", "img", "pixel_values", "x", "features", "data")
_LABEL_NAMES = ("label", "labels", "y", "target", "class")
ROWS_AT_ONCE = 64


def split_sample(sample: Any, role: Role, context: DataContext) -> tuple[Any, Any | None]:
    """(input, label), each a tensor, an array, a picture or a number; no label: None."""
    if isinstance(sample, dict):
        keys = list(sample)
        wanted = context.options.input_column
        name = wanted if wanted else next((n for n in _INPUT_NAMES if n in sample), "")
        if name not in sample:
            raise DataError(
                f"{role.name}: a sample has the keys {keys}: say which is the input with "
                "input_column"
            )
        labels = (context.options.label_column, *_LABEL_NAMES)
        label_name = next((n for n in labels if n in sample), None)
        return sample[name], None if label_name is None else sample[label_name]
    if isinstance(sample, (tuple, list)):
        if len(sample) == 0:
            raise DataError(f"{role.name}: a sample is empty")
        return sample[0], sample[1] if len(sample) > 1 else None
    return sample, None


def sample_array(value: Any, role: Role, context: DataContext) -> np.ndarray[Any, Any]:
    if is_picture(value):
        return picture_to_array(value, context.options.image_size)
    return to_numpy(value)


def stacked(samples: Iterable[Any], role: Role, context: DataContext) -> Iterator[Batch]:
    """Batches of single samples."""
    inputs: list[np.ndarray[Any, Any]] = []
    labels: list[Any] = []
    for index, sample in enumerate(samples):
        value, label = split_sample(sample, role, context)
        array = sample_array(value, role, context)
        if inputs and array.shape != inputs[0].shape:
            advice = ": give image_size" if is_picture(value) else ": pad or crop them to one shape"
            raise DataError(
                f"{role.name}: sample {index} is {list(array.shape)}, the one before "
                f"{list(inputs[0].shape)}{advice}"
            )
        inputs.append(array)
        labels.append(label)
        if len(inputs) == ROWS_AT_ONCE:
            yield np.stack(inputs), _label_batch(labels)
            inputs, labels = [], []
    if inputs:
        yield np.stack(inputs), _label_batch(labels)


def _label_batch(labels: Sequence[Any]) -> np.ndarray[Any, Any] | None:
    if all(label is None for label in labels):
        return None
    return np.stack([to_numpy(label) for label in labels])
