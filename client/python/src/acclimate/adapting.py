"""`acclimate.adapt`: the whole of an adaptation in one call that waits for its end."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import Any

from acclimate.adaptation import Adaptation
from acclimate.client import Client
from acclimate.progress import ProgressChoice
from acclimate.server import Server
from acclimate.specs import Hyperparameter, Numbers


def adapt(
    model: Any,
    *,
    target: Any,
    source: Any = None,
    eval: Any = None,
    method: str = "auto",
    server: Server | Client | str | None = None,
    hyperparameters: Mapping[str, Hyperparameter] | None = None,
    inputs: Mapping[str, Any] | None = None,
    architecture: str = "",
    num_classes: int = 0,
    normalize: str | None = None,
    mean: Numbers | None = None,
    std: Numbers | None = None,
    clip: float = 0.0,
    raw_bytes: bool = False,
    label_column: str = "",
    missing: str = "",
    input_column: str = "",
    categories: Mapping[str, Sequence[Any]] | None = None,
    class_names: Sequence[str] = (),
    image_size: int | tuple[int, int] | None = None,
    audit: Mapping[int, int] | None = None,
    use_audit: bool = False,
    seed: int = 0,
    device: str = "",
    precision: str = "",
    threads: int = 0,
    priority: int = 0,
    time_limit_seconds: int = 0,
    smaller_batch: bool = False,
    labels: Mapping[str, str] | None = None,
    out: str | os.PathLike[str] | None = None,
    progress: ProgressChoice = True,
) -> Adaptation:
    """Adapts `model` to the unlabelled `target`; gives the adapted model and the report.

    model: an nn.Module (a copy of it with the changed tensors comes back), the path of a checkpoint
        (a path comes back), or a state dict with `architecture` (a state dict comes back).
    target, source, eval: a Dataset, a DataLoader, an ImageFolder or its path, a datasets.Dataset,
        a DataFrame, an array, (inputs, labels), or the path of a file. `source` is labelled data of
        the model's own domain; a list is several. The labels of `eval` are only ever used to
        report. Labels of `target` are not sent, unless the method is one that takes them.
    method, hyperparameters: `client.methods.list()` has them.
    inputs: what the method takes beside these, by name.
    server: a Server, a Client, or an address; None: as the environment says.
    normalize, mean, std, clip: (x - mean) / std, after uint8 has been scaled to [0, 1]; or
        "auto", "imagenet" or "none". Values beyond `clip` are clipped to it. With raw_bytes uint8
        is not scaled.
    label_column, input_column: of tables ("label"), and of rows that are dictionaries.
    missing: "mean" fills missing values of a CSV file, which are refused otherwise.
    categories, class_names: the order of categories of a column, and of the classes.
    image_size: of a folder of pictures: the side, or (side before the crop, side).
    audit, use_audit: {index of a target sample: its class}; see docs/report.md.
    out: a folder for all files of the result.
    progress: True: bars or lines; False: nothing; a function is called with each JobEvent.

    Ctrl-C leaves the job running, and says how to come back to it.
    """
    options: dict[str, Any] = {
        name: value
        for name, value in locals().items()
        if name not in ("model", "target", "server") and value is not None
    }
    if isinstance(server, Client):
        return server.adapt(model, target=target, **options)
    address = server.address if isinstance(server, Server) else server
    with Client(address) as client:
        return client.adapt(model, target=target, **options)
