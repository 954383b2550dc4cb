"""The calls of acclimate.v1: where each goes, what it takes and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from google.protobuf import empty_pb2
from google.protobuf.message import Message

from acclimate.v1 import admin_service_pb2 as admin
from acclimate.v1 import artifact_service_pb2 as artifacts
from acclimate.v1 import catalog_service_pb2 as catalog
from acclimate.v1 import job_pb2
from acclimate.v1 import job_service_pb2 as jobs

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)


@dataclass(frozen=True)
class Method(Generic[Request, Response]):
    path: str
    request: type[Request]
    response: type[Response]


def _method(
    service: str, name: str, request: type[Request], response: type[Response]
) -> Method[Request, Response]:
    return Method(f"/acclimate.v1.{service}/{name}", request, response)


CREATE_JOB = _method("JobService", "CreateJob", jobs.CreateJobRequest, job_pb2.Job)
GET_JOB = _method("JobService", "GetJob", jobs.GetJobRequest, job_pb2.Job)
LIST_JOBS = _method("JobService", "ListJobs", jobs.ListJobsRequest, jobs.ListJobsResponse)
WATCH_JOB = _method("JobService", "WatchJob", jobs.WatchJobRequest, jobs.WatchJobResponse)
CANCEL_JOB = _method("JobService", "CancelJob", jobs.CancelJobRequest, job_pb2.Job)
PAUSE_JOB = _method("JobService", "PauseJob", jobs.PauseJobRequest, job_pb2.Job)
RESUME_JOB = _method("JobService", "ResumeJob", jobs.ResumeJobRequest, job_pb2.Job)
RETRY_JOB = _method("JobService", "RetryJob", jobs.RetryJobRequest, job_pb2.Job)
DELETE_JOB = _method("JobService", "DeleteJob", jobs.DeleteJobRequest, empty_pb2.Empty)

FIND_MISSING_BLOBS = _method(
    "ArtifactService",
    "FindMissingBlobs",
    artifacts.FindMissingBlobsRequest,
    artifacts.FindMissingBlobsResponse,
)
CREATE_UPLOAD = _method(
    "ArtifactService", "CreateUpload", artifacts.CreateUploadRequest, artifacts.Upload
)
WRITE_UPLOAD = _method(
    "ArtifactService", "WriteUpload", artifacts.WriteUploadRequest, artifacts.Upload
)
GET_UPLOAD = _method("ArtifactService", "GetUpload", artifacts.GetUploadRequest, artifacts.Upload)
ABORT_UPLOAD = _method(
    "ArtifactService", "AbortUpload", artifacts.AbortUploadRequest, empty_pb2.Empty
)
GET_BLOB = _method("ArtifactService", "GetBlob", artifacts.GetBlobRequest, artifacts.Blob)
READ_BLOB = _method(
    "ArtifactService", "ReadBlob", artifacts.ReadBlobRequest, artifacts.ReadBlobResponse
)
PIN_BLOB = _method("ArtifactService", "PinBlob", artifacts.PinBlobRequest, artifacts.Blob)
UNPIN_BLOB = _method("ArtifactService", "UnpinBlob", artifacts.UnpinBlobRequest, artifacts.Blob)

LIST_METHODS = _method(
    "CatalogService", "ListMethods", catalog.ListMethodsRequest, catalog.ListMethodsResponse
)
GET_METHOD = _method("CatalogService", "GetMethod", catalog.GetMethodRequest, catalog.Method)

GET_SERVER_INFO = _method(
    "AdminService", "GetServerInfo", admin.GetServerInfoRequest, admin.ServerInfo
)
