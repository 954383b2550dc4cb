"""A job and its events, as the server tells them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum

from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import code_pb2

from acclimate.v1 import job_pb2


class JobState(str, Enum):
    UNSPECIFIED = "UNSPECIFIED"
    QUEUED = "QUEUED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    PAUSING = "PAUSING"
    PAUSED = "PAUSED"
    CANCELLING = "CANCELLING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    def __str__(self) -> str:
        return self.value


_ENDED = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)


def _state(value: job_pb2.JobState) -> JobState:
    name = job_pb2.JobState.Name(value)[len("JOB_STATE_") :]
    return JobState(name)


@dataclass(frozen=True)
class OutputFile:
    name: str  # "model.pt", "report.json", ...
    blob: str
    size_bytes: int


@dataclass(frozen=True)
class Progress:
    phase: str  # loading_data, loading_model, preparing, training, evaluating, saving
    step: int
    total_steps: int
    metrics: dict[str, float]


class Job:
    """A job at one moment; `proto` is the whole message."""

    def __init__(self, proto: job_pb2.Job) -> None:
        self.proto = proto

    @property
    def name(self) -> str:
        return self.proto.name

    @property
    def id(self) -> str:
        return self.proto.name.rsplit("/", 1)[-1]

    @property
    def method(self) -> str:
        return self.proto.spec.method

    @property
    def state(self) -> JobState:
        return _state(self.proto.state)

    @property
    def has_ended(self) -> bool:
        return self.state in _ENDED

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.proto.spec.labels)

    @property
    def create_time(self) -> datetime | None:
        return _time(self.proto.create_time)

    @property
    def end_time(self) -> datetime | None:
        return _time(self.proto.end_time)

    @property
    def progress(self) -> Progress:
        return _progress(self.proto.progress)

    @property
    def metrics(self) -> dict[str, float]:
        """Of the result; empty until there is one."""
        return dict(self.proto.result.metrics)

    @property
    def warnings(self) -> list[str]:
        return list(self.proto.result.warnings)

    @property
    def files(self) -> list[OutputFile]:
        return [OutputFile(f.name, f.blob, f.size_bytes) for f in self.proto.result.files]

    @property
    def error_code(self) -> str:
        """ "INVALID_ARGUMENT", ...; empty unless it FAILED."""
        code = self.proto.error.code
        return str(code_pb2.Code.Name(code)) if code else ""

    @property
    def error_message(self) -> str:
        return str(self.proto.error.message)

    @property
    def last_cursor(self) -> int:
        return self.proto.last_cursor

    def __repr__(self) -> str:
        return f"<Job {self.id}: {self.method}, {self.state}>"


class JobEvent:
    """One entry of a job's history; `proto` is the whole message."""

    def __init__(self, proto: job_pb2.JobEvent) -> None:
        self.proto = proto

    @property
    def cursor(self) -> int:
        return self.proto.cursor

    @property
    def kind(self) -> str:
        """state, progress, warning, checkpoint, result or dropped"""
        return self.proto.WhichOneof("kind") or ""

    @property
    def state(self) -> JobState | None:
        """The new state, where the event is a change of it."""
        return _state(self.proto.state.to) if self.kind == "state" else None

    @property
    def progress(self) -> Progress | None:
        return _progress(self.proto.progress) if self.kind == "progress" else None

    @property
    def warning(self) -> str | None:
        return self.proto.warning if self.kind == "warning" else None

    def __repr__(self) -> str:
        return f"<JobEvent {self.cursor}: {self.kind}>"


def _progress(proto: job_pb2.Progress) -> Progress:
    return Progress(proto.phase, proto.step, proto.total_steps, dict(proto.metrics))


def _time(proto: Timestamp) -> datetime | None:
    if proto.seconds == 0 and proto.nanos == 0:
        return None
    return proto.ToDatetime(tzinfo=timezone.utc)
