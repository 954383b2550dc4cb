"""Tables of pandas: numbers as they are, categories as codes that all tables of a job share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from acclimate.data.context import DataContext, Kind, PreparedData, Role, is_of
from acclimate.data.rows import Batch, prepare_rows
from acclimate.errors import DataError

_ROWS_AT_ONCE = 65536


def _matches(data: Any) -> bool:
    return is_of(data, "pandas", "DataFrame") or is_of(data, "polars", "DataFrame")


def _prepare(data: Any, role: Role, context: DataContext) -> PreparedData:
    if is_of(data, "polars", "DataFrame"):
        data = data.to_pandas()
    label = context.options.label_column
    if label not in data.columns and role.labels == "needed":
        raise DataError(
            f"{role.name}: it has no column {label!r}, only {list(data.columns)}: give label_column"
        )
    features = [name for name in data.columns if name != label]
    if not context.columns:
        context.columns = features
    missing = [name for name in context.columns if name not in features]
    extra = [name for name in features if name not in context.columns]
    if missing or extra:
        raise DataError(
            f"{role.name}: its columns differ from those of the table before: missing {missing}, "
            f"not known {extra}"
        )
    _refuse_missing_values(data, role, context)
    for name in context.columns:
        _learn_categories(data[name], role, context)
    labels = data[label].to_numpy() if label in data.columns else None
    return prepare_rows(_blocks(data, labels, role, context), role, context)


def _refuse_missing_values(data: Any, role: Role, context: DataContext) -> None:
    counts = data[context.columns].isna().sum()
    holes = {name: int(count) for name, count in counts.items() if count > 0}
    if holes:
        raise DataError(
            f"{role.name}: missing values in the columns {holes}: fill them, for example "
            "frame.fillna(source.mean(numeric_only=True)), or drop the rows with frame.dropna()"
        )


def _learn_categories(column: Any, role: Role, context: DataContext) -> None:
    is_number = column.dtype.kind in "iufb" and not hasattr(column, "cat")
    if is_number and column.name not in context.categories:
        return
    if column.dtype.kind in "mM":
        raise DataError(
            f"{role.name}: the column {column.name!r} holds times: make numbers of them, for "
            "example frame[column].dt.hour"
        )
    if column.name not in context.categories:
        if hasattr(column, "cat"):
            context.categories[column.name] = list(column.cat.categories)
        else:
            context.categories[column.name] = sorted(column.unique().tolist(), key=str)
        context.notes.say(
            f"{role.name}: the column {column.name!r} is coded 0 to "
            f"{len(context.categories[column.name]) - 1}, in the order "
            f"{context.categories[column.name][:5]}"
        )
    unknown = [v for v in column.unique().tolist() if v not in context.categories[column.name]]
    if unknown:
        raise DataError(
            f"{role.name}: the column {column.name!r} holds {unknown[:5]}, which are none of its "
            f"categories {context.categories[column.name][:10]}: give categories with all values"
        )


def _blocks(data: Any, labels: Any, role: Role, context: DataContext) -> Iterator[Batch]:
    codes = {
        name: {value: code for code, value in enumerate(values)}
        for name, values in context.categories.items()
    }
    for begin in range(0, len(data), _ROWS_AT_ONCE):
        block = data.iloc[begin : begin + _ROWS_AT_ONCE]
        rows = np.empty((len(block), len(context.columns)), np.float32)
        for index, name in enumerate(context.columns):
            column = block[name]
            values = column.map(codes[name]) if name in codes else column
            rows[:, index] = values.to_numpy(np.float32)
        yield rows, None if labels is None else labels[begin : begin + _ROWS_AT_ONCE]


FRAMES = Kind("tables of pandas", _matches, _prepare)
