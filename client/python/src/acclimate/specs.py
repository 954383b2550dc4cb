"""A job's specification from plain values of Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Union

from acclimate.errors import DataError
from acclimate.v1 import job_pb2

Hyperparameter = Union[bool, int, float, str]
Numbers = Union[float, Sequence[float]]


@dataclass(frozen=True)
class JobOptions:
    """What a job takes beside model and data."""

    method: str = "auto"
    hyperparameters: Mapping[str, Hyperparameter] = field(default_factory=dict)
    mean: Numbers | None = None
    std: Numbers | None = None
    normalize: str = ""  # auto, imagenet or none, in place of numbers
    clip: float = 0.0
    raw_bytes: bool = False
    seed: int = 0
    device: str = ""
    precision: str = ""
    threads: int = 0
    priority: int = 0
    time_limit_seconds: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    audit: Mapping[int, int] = field(default_factory=dict)  # index of a target sample -> its class
    use_audit: bool = False
    smaller_batch: bool = False
    num_classes: int = 0

    def to_spec(self) -> job_pb2.JobSpec:
        spec = job_pb2.JobSpec(
            method=self.method,
            seed=self.seed,
            priority=self.priority,
            labels=dict(self.labels),
            use_audit=self.use_audit,
            smaller_batch=self.smaller_batch,
            audit=[job_pb2.AuditLabel(index=i, label=c) for i, c in sorted(self.audit.items())],
        )
        for name, value in self.hyperparameters.items():
            spec.hyperparameters[name].CopyFrom(hyperparameter(name, value))
        if self.mean is not None or self.std is not None:
            spec.normalization.mean[:] = _numbers(0.0 if self.mean is None else self.mean)
            spec.normalization.std[:] = _numbers(1.0 if self.std is None else self.std)
        if self.normalize:
            spec.normalization.mode = self.normalize
        if self.clip:
            spec.normalization.clip = self.clip
        if self.raw_bytes:
            spec.normalization.raw_bytes = True
        spec.resources.device = self.device
        spec.resources.precision = self.precision
        spec.resources.threads = self.threads
        if self.time_limit_seconds:
            spec.limits.run_time.seconds = self.time_limit_seconds
        spec.model.num_classes = self.num_classes
        return spec


def hyperparameter(name: str, value: Hyperparameter) -> job_pb2.HyperparameterValue:
    of_array = getattr(value, "item", None)  # a number of numpy or torch
    value = value if of_array is None else of_array()
    if isinstance(value, bool):
        return job_pb2.HyperparameterValue(boolean=value)
    if isinstance(value, int):
        return job_pb2.HyperparameterValue(integer=value)
    if isinstance(value, float):
        return job_pb2.HyperparameterValue(real=value)
    if isinstance(value, str):
        return job_pb2.HyperparameterValue(text=value)
    raise DataError(
        f"hyperparameter {name}: {value!r} is {type(value).__name__}; give a bool, int, float or "
        "str"
    )


def _numbers(value: Numbers) -> list[float]:
    return [float(value)] if isinstance(value, (int, float)) else [float(v) for v in value]
