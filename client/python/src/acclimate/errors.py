"""What a call can fail with: one exception for each code and for each `ErrorInfo.reason`.

try:
    client.jobs.create(spec)
except acclimate.InvalidArgument as error:
    for violation in error.fields:
        print(violation.field, violation.description)
except acclimate.DiskFull as error:
    print(error.metadata)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from acclimate.jobs import Job

_DETAILS_KEY = "grpc-status-details-bin"
_DOMAIN = "acclimate.dev"


@dataclass(frozen=True)
class FieldViolation:
    """A field of the request that is at fault."""

    field: str  # "spec.hyperparameters.learning_rate"; empty: counts those that did not fit
    description: str


class AcclimateError(Exception):
    """The base of all errors of this package."""

    code = "UNKNOWN"


class DataError(AcclimateError, ValueError):
    """Data, a model or an argument that cannot be sent; nothing was sent."""

    code = "INVALID_ARGUMENT"


class ServerNotStarted(AcclimateError):
    """`acclimate.Server` did not come up."""


@dataclass(frozen=True)
class ErrorDetails:
    """What a google.rpc.Status says beside code and message."""

    reason: str = ""  # of acclimate.v1.ErrorReason; empty: the server gave none
    metadata: dict[str, str] = field(default_factory=dict)
    fields: tuple[FieldViolation, ...] = ()
    retry_delay: float | None = None  # seconds that the server asks to wait


class CallError(AcclimateError):
    """The server, or the way to it, refused a call."""

    def __init__(self, message: str, details: ErrorDetails | None = None) -> None:
        self.details = details or ErrorDetails()
        self.message = message
        super().__init__(message)

    @property
    def reason(self) -> str:
        return self.details.reason

    @property
    def fields(self) -> tuple[FieldViolation, ...]:
        """Every field at fault."""
        return self.details.fields

    @property
    def metadata(self) -> dict[str, str]:
        return self.details.metadata

    @property
    def retry_delay(self) -> float | None:
        return self.details.retry_delay

    @property
    def is_transient(self) -> bool:
        """Whether the same call may succeed later without anybody doing anything."""
        return self.code in ("UNAVAILABLE", "ABORTED") or (
            self.code == "RESOURCE_EXHAUSTED" and self.retry_delay is not None
        )

    def with_message(self, message: str) -> CallError:
        """The same error in other words."""
        return type(self)(message, self.details)

    def __str__(self) -> str:
        described = [
            f"{v.field}: {v.description}" if v.field else v.description for v in self.fields
        ]
        if len(described) < 2 and all(d in self.message for d in described):
            return self.message or self.code
        if all(d in self.message for d in described):  # the message only joins them
            return "\n  ".join([f"{len(described)} fields are at fault:", *described])
        return "\n  ".join([self.message or self.code, *described])


class InvalidArgument(CallError, ValueError):
    code = "INVALID_ARGUMENT"


class NotFound(CallError, LookupError):
    code = "NOT_FOUND"


class AlreadyExists(CallError):
    code = "ALREADY_EXISTS"


class FailedPrecondition(CallError):
    code = "FAILED_PRECONDITION"


class ResourceExhausted(CallError):
    code = "RESOURCE_EXHAUSTED"


class Aborted(CallError):
    code = "ABORTED"


class OutOfRange(CallError):
    code = "OUT_OF_RANGE"


class DataLoss(CallError):
    code = "DATA_LOSS"


class Internal(CallError):
    code = "INTERNAL"


class Unauthenticated(CallError):
    code = "UNAUTHENTICATED"


class PermissionDenied(CallError, PermissionError):
    code = "PERMISSION_DENIED"


class Unavailable(CallError, ConnectionError):
    code = "UNAVAILABLE"


class DeadlineExceeded(CallError, TimeoutError):
    code = "DEADLINE_EXCEEDED"


class CredentialsMissing(Unauthenticated):
    """The call has neither a bearer token nor a client certificate."""


class TokenUnknown(Unauthenticated):
    """The access file has no such token."""


class TokenRefused(Unauthenticated):
    """The token is wrong or expired."""


class CertificateUnknown(Unauthenticated):
    """The access file has none of the certificate's names."""


class RoleMissing(PermissionDenied):
    """The caller lacks the role that the call needs."""


class BlobNotFound(NotFound):
    """The job names a blob that the tenant does not have."""


class BlobTooLarge(ResourceExhausted):
    """The file is larger than the server takes."""


class DiskFull(ResourceExhausted):
    """The server's disk has no room."""


class UploadOffsetMismatch(OutOfRange):
    """A chunk does not begin where the upload ends."""


class UploadDigestMismatch(InvalidArgument):
    """The bytes received do not have the announced SHA-256."""


class UploadComplete(FailedPrecondition):
    """The upload to write to is complete."""


class RequestIdReused(AlreadyExists):
    """The request_id was used for another job."""


class JobStateError(FailedPrecondition):
    """The job's state does not allow it."""


class BlobDamaged(DataLoss):
    """The blob's bytes do not have its SHA-256 any more."""


class CallRateExceeded(ResourceExhausted):
    """The tenant makes more calls a second than the server allows."""


class TooManyStreams(ResourceExhausted):
    """The client has as many streams open as one may."""


class UploadTooSlow(Aborted):
    """The client sent less of an upload than the least rate."""


class JobQuotaExceeded(ResourceExhausted):
    """The tenant has as many queued jobs as it may."""


class StorageQuotaExceeded(ResourceExhausted):
    """The tenant would store more than it may."""


class JobTooLarge(ResourceExhausted):
    """The job needs more memory than all jobs together may use."""


BY_REASON: dict[str, type[CallError]] = {
    "CREDENTIALS_MISSING": CredentialsMissing,
    "TOKEN_UNKNOWN": TokenUnknown,
    "TOKEN_REFUSED": TokenRefused,
    "CERTIFICATE_UNKNOWN": CertificateUnknown,
    "ROLE_MISSING": RoleMissing,
    "BLOB_NOT_FOUND": BlobNotFound,
    "BLOB_TOO_LARGE": BlobTooLarge,
    "DISK_FULL": DiskFull,
    "UPLOAD_OFFSET_MISMATCH": UploadOffsetMismatch,
    "UPLOAD_DIGEST_MISMATCH": UploadDigestMismatch,
    "UPLOAD_COMPLETE": UploadComplete,
    "REQUEST_ID_REUSED": RequestIdReused,
    "JOB_STATE": JobStateError,
    "BLOB_DAMAGED": BlobDamaged,
    "CALL_RATE_EXCEEDED": CallRateExceeded,
    "TOO_MANY_STREAMS": TooManyStreams,
    "UPLOAD_TOO_SLOW": UploadTooSlow,
    "JOB_QUOTA_EXCEEDED": JobQuotaExceeded,
    "STORAGE_QUOTA_EXCEEDED": StorageQuotaExceeded,
    "JOB_TOO_LARGE": JobTooLarge,
}

_BY_CODE: dict[str, type[CallError]] = {
    kind.code: kind
    for kind in (
        InvalidArgument,
        NotFound,
        AlreadyExists,
        FailedPrecondition,
        ResourceExhausted,
        Aborted,
        OutOfRange,
        DataLoss,
        Internal,
        Unauthenticated,
        PermissionDenied,
        Unavailable,
        DeadlineExceeded,
    )
}


class JobFailed(AcclimateError):
    """The job ended without a result; `job` is the job as it ended."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.code = job.error_code or "UNKNOWN"
        self.message = job.error_message or "the server gave no reason"
        super().__init__(f"job {job.id} failed: {self.message}")


class JobCancelled(AcclimateError):
    """Somebody cancelled the job."""

    code = "CANCELLED"

    def __init__(self, job: Job) -> None:
        self.job = job
        super().__init__(f"job {job.id} was cancelled")


def read_details(status: status_pb2.Status) -> ErrorDetails:
    reason, delay = "", None
    metadata: dict[str, str] = {}
    fields: list[FieldViolation] = []
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        bad_request = error_details_pb2.BadRequest()
        retry = error_details_pb2.RetryInfo()
        if detail.Unpack(info) and info.domain == _DOMAIN:
            reason, metadata = info.reason, dict(info.metadata)
        elif detail.Unpack(bad_request):
            fields += [FieldViolation(v.field, v.description) for v in bad_request.field_violations]
        elif detail.Unpack(retry):
            delay = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
    return ErrorDetails(reason, metadata, tuple(fields), delay)


def call_error(code: str, message: str, details: ErrorDetails) -> CallError:
    """The exception of a reason, else of a code, else a CallError with that code."""
    # gRPC says CANCELLED of calls that a stopping server never took up.
    code = "UNAVAILABLE" if code == "CANCELLED" else code
    kind = BY_REASON.get(details.reason) or _BY_CODE.get(code)
    if kind is not None:
        return kind(message, details)
    error = CallError(message, details)
    error.code = code
    return error


def from_rpc(code: str, message: str, trailing: dict[str, bytes]) -> CallError:
    """Of a call that gRPC ended; `trailing` are the binary trailers."""
    status = status_pb2.Status()
    encoded = trailing.get(_DETAILS_KEY)
    if encoded is not None:
        status.ParseFromString(encoded)
    return call_error(code, message, read_details(status))
