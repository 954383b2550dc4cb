"""Adapts trained models to new domains, on a server of Acclimate.

    import acclimate
    adapted, report = acclimate.adapt(model, target=loader, source=train_set, eval=labelled)

What is named here is loaded when it is first used: importing the package costs nothing.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

# Read by grpc when it is first imported. With it, a fork while a call is under way, as of a
# DataLoader's workers, can end this program; what is forked makes no calls of its own.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")

__version__ = "0.1.0"

if TYPE_CHECKING:
    from acclimate.adaptation import Adaptation as Adaptation
    from acclimate.adapting import adapt as adapt
    from acclimate.aio import AsyncClient as AsyncClient
    from acclimate.client import Client as Client
    from acclimate.errors import AcclimateError as AcclimateError
    from acclimate.errors import BlobDamaged as BlobDamaged
    from acclimate.errors import BlobNotFound as BlobNotFound
    from acclimate.errors import CallError as CallError
    from acclimate.errors import DataError as DataError
    from acclimate.errors import DataLoss as DataLoss
    from acclimate.errors import DeadlineExceeded as DeadlineExceeded
    from acclimate.errors import DiskFull as DiskFull
    from acclimate.errors import FailedPrecondition as FailedPrecondition
    from acclimate.errors import FieldViolation as FieldViolation
    from acclimate.errors import InvalidArgument as InvalidArgument
    from acclimate.errors import JobCancelled as JobCancelled
    from acclimate.errors import JobFailed as JobFailed
    from acclimate.errors import JobStateError as JobStateError
    from acclimate.errors import NotFound as NotFound
    from acclimate.errors import PermissionDenied as PermissionDenied
    from acclimate.errors import RequestIdReused as RequestIdReused
    from acclimate.errors import ResourceExhausted as ResourceExhausted
    from acclimate.errors import ServerNotStarted as ServerNotStarted
    from acclimate.errors import Unauthenticated as Unauthenticated
    from acclimate.errors import Unavailable as Unavailable
    from acclimate.jobs import Job as Job
    from acclimate.jobs import JobEvent as JobEvent
    from acclimate.jobs import JobState as JobState
    from acclimate.notes import AcclimateWarning as AcclimateWarning
    from acclimate.report import Report as Report
    from acclimate.server import Server as Server
    from acclimate.session import Patience as Patience
    from acclimate.specs import JobOptions as JobOptions

_MODULES = {
    "acclimate.adapting": ("adapt",),
    "acclimate.adaptation": ("Adaptation",),
    "acclimate.aio": ("AsyncClient",),
    "acclimate.client": ("Client",),
    "acclimate.errors": (
        "AcclimateError",
        "BlobDamaged",
        "BlobNotFound",
        "CallError",
        "DataError",
        "DataLoss",
        "DeadlineExceeded",
        "DiskFull",
        "FailedPrecondition",
        "FieldViolation",
        "InvalidArgument",
        "JobCancelled",
        "JobFailed",
        "JobStateError",
        "NotFound",
        "PermissionDenied",
        "RequestIdReused",
        "ResourceExhausted",
        "ServerNotStarted",
        "Unauthenticated",
        "Unavailable",
    ),
    "acclimate.jobs": ("Job", "JobEvent", "JobState"),
    "acclimate.notes": ("AcclimateWarning",),
    "acclimate.report": ("Report",),
    "acclimate.server": ("Server",),
    "acclimate.session": ("Patience",),
    "acclimate.specs": ("JobOptions",),
}
_MODULE_OF = {name: module for module, names in _MODULES.items() for name in names}

__all__ = sorted(_MODULE_OF)  # pyright: ignore[reportUnsupportedDunderAll]


def __getattr__(name: str) -> Any:
    module = _MODULE_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'acclimate' has no attribute {name!r}")
    value = getattr(importlib.import_module(module), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_MODULE_OF])
