"""A DataLoader: its data set in order, by its workers and its collate_fn.

The order of a shuffled loader says nothing, and the same data in the same order are sent once. A
loader with a sampler of its own, or a batch sampler, is passed over as it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from acclimate.data.context import DataContext, Kind, PreparedData, Role, is_of
from acclimate.data.random_transforms import notice_random_transforms
from acclimate.data.rows import Batch, prepare_rows
from acclimate.data.samples import split_sample
from acclimate.data.torch_datasets import is_iterable, note_class_names


def _matches(data: Any) -> bool:
    return is_of(data, "torch", "DataLoader")


def _prepare(data: Any, role: Role, context: DataContext) -> PreparedData:
    note_class_names(data.dataset, role, context)
    if not is_iterable(data.dataset) and hasattr(data.dataset, "__len__") and len(data.dataset):
        notice_random_transforms(data.dataset, role, context)
    return prepare_rows(_batches(_ordered(data, role, context), role, context), role, context)


def _ordered(loader: Any, role: Role, context: DataContext) -> Any:
    if is_iterable(loader.dataset) or loader.batch_size is None:
        return loader
    if is_of(loader.sampler, "torch", "SequentialSampler") and not loader.drop_last:
        return loader
    shuffled = is_of(loader.sampler, "torch", "RandomSampler") and not loader.sampler.replacement
    whole = len(loader.sampler) == len(loader.dataset)
    if not (shuffled and whole) and not is_of(loader.sampler, "torch", "SequentialSampler"):
        context.notes.say(
            f"{role.name}: the samples are sent as the loader's own sampler draws them"
        )
        return loader
    context.notes.say(
        f"{role.name}: the loader's whole data set is sent, in its order and not shuffled"
    )
    from torch.utils.data import DataLoader

    return DataLoader(
        loader.dataset,
        batch_size=loader.batch_size,
        shuffle=False,
        num_workers=loader.num_workers,
        collate_fn=loader.collate_fn,
        worker_init_fn=loader.worker_init_fn,
        timeout=loader.timeout,
        multiprocessing_context=loader.multiprocessing_context,
    )


def _batches(loader: Any, role: Role, context: DataContext) -> Iterator[Batch]:
    for batch in loader:
        yield split_sample(batch, role, context)


TORCH_LOADERS = Kind("torch loaders", _matches, _prepare)
