"""An adaptation from model and data of Python to the adapted model and its report.

Written once for both clients: a flow that prepares, uploads, creates the job, follows it, and makes
of its files what was given.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from acclimate import job_calls, methods, report
from acclimate.data import DataContext, PreparedData, Role, prepare
from acclimate.data.context import DEFAULT_LABEL_COLUMN, DataOptions
from acclimate.data.paths import is_picture_archive
from acclimate.download import download
from acclimate.flow import Emit, Flow, do
from acclimate.jobs import Job, JobEvent
from acclimate.models import Checkpoint, prepare_model
from acclimate.notes import Notes
from acclimate.payload import Payload
from acclimate.progress import ProgressChoice, ProgressSink, progress_sink
from acclimate.report import Report
from acclimate.session import Session
from acclimate.specs import Hyperparameter, JobOptions, Numbers
from acclimate.upload import upload
from acclimate.v1 import job_pb2
from acclimate.watch import watch

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Adaptation(NamedTuple):
    """`adapted, report = acclimate.adapt(...)`"""

    model: Any  # of the kind that was given
    report: Report


@dataclass(frozen=True)
class AdaptationOptions:
    """The arguments of `acclimate.adapt`, which describes them."""

    model: Any
    target: Any
    source: Any = None
    eval: Any = None
    inputs: Mapping[str, Any] = field(default_factory=dict)
    method: str = "auto"
    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    architecture: str = ""
    num_classes: int = 0
    normalize: str | None = None
    mean: Numbers | None = None
    std: Numbers | None = None
    clip: float = 0.0
    raw_bytes: bool = False
    label_column: str = ""
    missing: str = ""
    input_column: str = ""
    categories: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    class_names: Sequence[str] = ()
    image_size: int | tuple[int, int] | None = None
    audit: Mapping[int, int] = field(default_factory=dict)
    use_audit: bool = False
    seed: int = 0
    device: str = ""
    precision: str = ""
    threads: int = 0
    priority: int = 0
    time_limit_seconds: int = 0
    smaller_batch: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)
    out: str | os.PathLike[str] | None = None
    progress: ProgressChoice = True

    def job_options(self) -> JobOptions:
        return JobOptions(
            method=self.method,
            hyperparameters=self.hyperparameters,
            mean=self.mean,
            std=self.std,
            normalize=self.normalize or "",
            clip=self.clip,
            raw_bytes=self.raw_bytes,
            seed=self.seed,
            device=self.device,
            precision=self.precision,
            threads=self.threads,
            priority=self.priority,
            time_limit_seconds=self.time_limit_seconds,
            labels=self.labels,
            audit=self.audit,
            use_audit=self.use_audit,
            smaller_batch=self.smaller_batch,
            num_classes=self.num_classes,
        )

    def data_options(self) -> DataOptions:
        return DataOptions(
            self.label_column or DEFAULT_LABEL_COLUMN,
            self.input_column,
            self.categories,
            self.class_names,
            self.image_size,
        )


@dataclass
class _Inputs:
    """What is sent, in order."""

    sources: list[PreparedData]
    target: PreparedData | None
    evaluation: PreparedData | None
    named: dict[str, PreparedData]
    checkpoint: Checkpoint

    def data(self) -> list[PreparedData]:
        given = [*self.sources, self.target, self.evaluation, *self.named.values()]
        return [data for data in given if data is not None]

    def payloads(self) -> list[Payload]:
        all_of_it: list[PreparedData | Checkpoint] = [*self.data(), self.checkpoint]
        return [sent.payload for sent in all_of_it if sent.payload is not None]


def adapt_flow(session: Session, options: AdaptationOptions) -> Flow[Adaptation]:
    """Emits the job's events."""
    spec = options.job_options().to_spec()
    notes = Notes()
    context = DataContext(options.data_options(), notes)
    sink = progress_sink(options.progress)
    try:
        method = yield from methods.get_method(session, options.method)
        inputs = yield from do(lambda: _prepare(options, method, context, notes))
        blobs = yield from upload(session, inputs.payloads(), sink.on_transfer)
        names = {id(p): blob.name for p, blob in zip(inputs.payloads(), blobs)}
        _fill_spec(spec, options, inputs, names)
        job = yield from job_calls.create(session, spec, None, False)
        job = yield from _follow(session, job, sink)
        sink.close()
        job_calls.succeeded(job)
        return (yield from _collect(session, options, job, inputs.checkpoint, context))
    finally:
        sink.close()
        context.close()


def _prepare(
    options: AdaptationOptions, method: methods.MethodInfo, context: DataContext, notes: Notes
) -> _Inputs:
    # A list is several sources; a tuple is one, (inputs, labels).
    given = options.source if isinstance(options.source, list) else [options.source]
    sources = [prepare(s, Role("source", "needed"), context) for s in given if s is not None]
    target_labels = "optional" if method.takes_target_labels else "dropped"
    target = evaluation = None
    if options.target is not None:
        target = prepare(options.target, Role("target", target_labels), context)
    if options.eval is not None:
        evaluation = prepare(options.eval, Role("eval", "needed"), context)
    named = {
        name: prepare(value, Role(name, "optional"), context)
        for name, value in options.inputs.items()
    }
    known = [d.example for d in (target, *sources, evaluation) if d and d.example is not None]
    spec = options.job_options().to_spec()
    example = _as_the_model_takes(known[0], spec.normalization) if known else None
    checkpoint = prepare_model(
        options.model, options.architecture, example, context.new_path, notes
    )
    return _Inputs(sources, target, evaluation, named, checkpoint)


def _as_the_model_takes(
    samples: np.ndarray[Any, Any], normalization: job_pb2.Normalization
) -> np.ndarray[Any, Any]:
    """As the server makes them: uint8 to [0, 1], unless raw, then (x - mean) / std."""
    if samples.dtype.kind in "iu" and samples.dtype != np.uint8:
        return samples
    floats = samples.astype(np.float32)
    if samples.dtype == np.uint8 and not normalization.raw_bytes:
        floats /= 255
    means, stds = list(normalization.mean), list(normalization.std)
    if normalization.mode == "imagenet":
        means, stds = list(IMAGENET_MEAN), list(IMAGENET_STD)
    if means:
        shape = (-1, *[1] * max(0, samples.ndim - 2))
        mean = np.array(means, np.float32).reshape(shape)
        floats = (floats - mean) / np.array(stds, np.float32).reshape(shape)
    return np.ascontiguousarray(floats, np.float32)


def _fill_spec(
    spec: job_pb2.JobSpec, options: AdaptationOptions, inputs: _Inputs, names: dict[int, str]
) -> None:
    def blob(data: PreparedData | Checkpoint) -> str:
        return data.blob or names[id(data.payload)]

    def shown(data: PreparedData) -> str:
        return data.payload.name if data.payload is not None else data.blob.rsplit("/", 1)[-1]

    spec.model.architecture = options.architecture
    if options.missing:
        spec.table.missing = options.missing
    if any(shown(data).endswith(".csv") for data in inputs.data()):
        spec.table.label_column = options.label_column
    size = options.image_size
    if size is not None and any(is_picture_archive(shown(data)) for data in inputs.data()):
        spec.pictures.resize, spec.pictures.size = (0, size) if isinstance(size, int) else size
    if inputs.checkpoint.payload is not None or inputs.checkpoint.blob:
        spec.model.checkpoint = blob(inputs.checkpoint)
    for source in inputs.sources:
        spec.sources.add(blob=blob(source), display_name=shown(source))
    if inputs.target is not None:
        spec.target.blob = blob(inputs.target)
        spec.target.display_name = shown(inputs.target)
    if inputs.evaluation is not None:
        spec.evaluation.blob = blob(inputs.evaluation)
        spec.evaluation.display_name = shown(inputs.evaluation)
    for name, data in inputs.named.items():
        spec.inputs.add(name=name, blob=blob(data), display_name=shown(data))


def _follow(session: Session, job: Job, sink: ProgressSink) -> Flow[Job]:
    try:
        return (yield from _pass_events_on(session, job, sink))
    except Exception:
        raise
    except BaseException:  # Ctrl-C, wherever it hits, or the task was cancelled
        sink.close()
        print(
            f"Detached: job {job.id} goes on at {session.address}. "
            f"client.jobs.wait({job.id!r}) follows it, client.jobs.cancel({job.id!r}) stops "
            f"it, client.reports.get({job.id!r}) fetches its report.",
            file=sys.stderr,
        )
        raise


def _pass_events_on(session: Session, job: Job, sink: ProgressSink) -> Flow[Job]:
    following = watch(session, job.name)
    result: Any = None
    failure: BaseException | None = None
    while True:
        try:
            effect = following.throw(failure) if failure is not None else following.send(result)
        except StopIteration as end:
            ended: Job = end.value
            return ended
        failure = result = None
        if isinstance(effect, Emit) and isinstance(effect.value, JobEvent):
            sink.on_event(effect.value)
        try:
            result = yield effect
        except Exception as error:
            failure = error


def _collect(
    session: Session,
    options: AdaptationOptions,
    job: Job,
    checkpoint: Checkpoint,
    context: DataContext,
) -> Flow[Adaptation]:
    """The files that are wanted, the model made of them, and the report."""
    out = None if options.out is None else Path(options.out)
    blobs = {file.name: file.blob for file in job.files}
    if out is None and checkpoint.keeps_files and checkpoint.wanted(list(blobs)):
        out = Path(f"adapted-{job.id}")
        context.notes.say(f"the adapted model is in the folder {out}")
    with tempfile.TemporaryDirectory(prefix="acclimate-result-") as temporary:
        wanted = list(blobs) if out is not None else checkpoint.wanted(list(blobs))
        files = {}
        for name in wanted:
            if name in blobs:
                path = (out or Path(temporary)) / name
                files[name] = yield from download(session, blobs[name], path)
        needed = {name: files[name] for name in checkpoint.wanted(list(blobs)) if name in files}
        if not needed:
            context.notes.say(f"{options.method} returns no model: the one that came comes back")
        model = yield from do(lambda: checkpoint.restore(needed))
    found = yield from report.fetch(session, job)
    lineage = dict(found.lineage)
    coding = context.coding()
    if coding:
        lineage["coding"] = coding
        if out is not None:
            (out / "lineage.json").write_text(
                json.dumps(lineage, indent=2, default=str) + "\n", encoding="utf-8"
            )
    return Adaptation(model, Report(found.data, found.page, lineage, job, context.notes.all()))
