"""Labels as numpy, torch, pandas and people write them, made into class indices."""

from __future__ import annotations

from typing import Any

import numpy as np

from acclimate.data.context import DataContext, Role
from acclimate.errors import DataError

NO_LABEL = -1  # the field's convention for a sample without a label


def class_indices(labels: Any, role: Role, context: DataContext) -> np.ndarray[Any, Any] | None:
    """int64 [N]; None where there are no labels, or the role has no use for them."""
    if labels is None or role.labels == "dropped":
        if labels is not None:
            context.notes.say(f"{role.name}: its labels are not sent")
        return _checked_need(None, role)
    values = np.asarray(labels)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim == 2:
        raise DataError(
            f"{role.name}: labels are {list(values.shape)}, one column a class: give class "
            "indices, labels.argmax(1)"
        )
    if values.ndim != 1:
        raise DataError(f"{role.name}: labels must be [N], not {list(values.shape)}")
    if values.dtype.kind in "OUS":
        return _checked_need(_from_names(values, role, context), role)
    if values.dtype.kind == "f":
        values = _from_floats(values, role)
    if values.dtype.kind not in "iub":
        raise DataError(
            f"{role.name}: labels are {values.dtype}: give whole numbers or class names"
        )
    indices = values.astype(np.int64)
    below = np.flatnonzero(indices < NO_LABEL)
    if len(below) > 0:
        raise DataError(
            f"{role.name}: labels[{below[0]}] is {indices[below[0]]}: classes are counted from 0, "
            "and -1 says that there is no label"
        )
    if len(indices) > 0 and (indices == NO_LABEL).all():
        context.notes.say(f"{role.name}: all labels are -1, so it is taken as unlabelled")
        return _checked_need(None, role)
    return _checked_need(indices, role)


def _checked_need(indices: np.ndarray[Any, Any] | None, role: Role) -> np.ndarray[Any, Any] | None:
    if indices is None and role.labels == "needed":
        raise DataError(
            f"{role.name}: it has no labels: give (inputs, labels), a data set of pairs, or "
            "label_column"
        )
    return indices


def _from_floats(values: np.ndarray[Any, Any], role: Role) -> np.ndarray[Any, Any]:
    broken = np.flatnonzero(~np.isfinite(values) | (values != np.floor(values)))
    if len(broken) > 0:
        raise DataError(
            f"{role.name}: labels[{broken[0]}] is {values[broken[0]]}: labels are class indices, "
            "whole numbers from 0"
        )
    return values.astype(np.int64)


def _from_names(
    values: np.ndarray[Any, Any], role: Role, context: DataContext
) -> np.ndarray[Any, Any]:
    names = [_name(value, index, role) for index, value in enumerate(values.tolist())]
    if not context.class_names:
        context.class_names = sorted(set(names))
        context.notes.say(
            f"{role.name}: its classes are taken in the order {context.class_names}; class_names "
            "gives another"
        )
    known = {name: index for index, name in enumerate(context.class_names)}
    unknown = sorted({name for name in names if name not in known})
    if unknown:
        raise DataError(
            f"{role.name}: labels {unknown[:5]} are none of the classes {context.class_names}"
        )
    return np.array([known[name] for name in names], np.int64)


def _name(value: Any, index: int, role: Role) -> str:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, str):
        return value
    raise DataError(
        f"{role.name}: labels[{index}] is {value!r}, a {type(value).__name__}: give whole numbers "
        "or class names"
    )
