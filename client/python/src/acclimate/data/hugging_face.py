"""`datasets.Dataset` of Hugging Face: rows by column names, with the names of the classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from acclimate.data.context import DataContext, Kind, PreparedData, Role, is_of
from acclimate.data.rows import prepare_rows
from acclimate.data.samples import stacked
from acclimate.data.torch_datasets import note_class_names
from acclimate.errors import DataError


def _matches(data: Any) -> bool:
    return is_of(data, "datasets", "Dataset", "IterableDataset")


def _prepare(data: Any, role: Role, context: DataContext) -> PreparedData:
    features = getattr(data, "features", None) or {}
    label = context.options.label_column
    if role.labels == "needed" and features and label not in features:
        raise DataError(
            f"{role.name}: it has no column {label!r}, only {list(features)}: give label_column"
        )
    names = getattr(features.get(label), "names", None)
    if names:
        note_class_names(_Classes(list(names)), role, context)
    return prepare_rows(stacked(_rows(data), role, context), role, context)


class _Classes:
    def __init__(self, classes: list[str]) -> None:
        self.classes = classes


def _rows(data: Any) -> Iterator[Any]:
    yield from data


HUGGING_FACE = Kind("datasets of Hugging Face", _matches, _prepare)
