"""The calls of JobService as flows."""

from __future__ import annotations

import uuid

from acclimate import service
from acclimate.errors import JobCancelled, JobFailed
from acclimate.flow import Emit, Flow, call
from acclimate.jobs import Job, JobState
from acclimate.session import Session
from acclimate.v1 import job_pb2
from acclimate.v1 import job_service_pb2 as jobs


def new_request_id() -> str:
    return f"python-{uuid.uuid4().hex}"


def create(
    session: Session, spec: job_pb2.JobSpec, request_id: str | None, validate_only: bool
) -> Flow[Job]:
    request = jobs.CreateJobRequest(
        parent=session.parent,
        spec=spec,
        request_id=request_id or new_request_id(),
        validate_only=validate_only,
    )
    return Job((yield from call(session, service.CREATE_JOB, request)))


def get(session: Session, name: str) -> Flow[Job]:
    request = jobs.GetJobRequest(name=session.job_name(name))
    return Job((yield from call(session, service.GET_JOB, request)))


def list_jobs(session: Session, job_filter: str, page_size: int) -> Flow[None]:
    """Emits Jobs, the newest first."""
    request = jobs.ListJobsRequest(parent=session.parent, filter=job_filter, page_size=page_size)
    while True:
        page = yield from call(session, service.LIST_JOBS, request)
        for job in page.jobs:
            yield Emit(Job(job))
        if not page.next_page_token:
            return
        request.page_token = page.next_page_token


def cancel(session: Session, name: str) -> Flow[Job]:
    request = jobs.CancelJobRequest(name=session.job_name(name))
    return Job((yield from call(session, service.CANCEL_JOB, request)))


def pause(session: Session, name: str) -> Flow[Job]:
    request = jobs.PauseJobRequest(name=session.job_name(name))
    return Job((yield from call(session, service.PAUSE_JOB, request)))


def resume(session: Session, name: str) -> Flow[Job]:
    request = jobs.ResumeJobRequest(name=session.job_name(name))
    return Job((yield from call(session, service.RESUME_JOB, request)))


def retry(session: Session, name: str, request_id: str | None) -> Flow[Job]:
    request = jobs.RetryJobRequest(
        name=session.job_name(name), request_id=request_id or new_request_id()
    )
    return Job((yield from call(session, service.RETRY_JOB, request)))


def delete(session: Session, name: str) -> Flow[None]:
    request = jobs.DeleteJobRequest(name=session.job_name(name))
    yield from call(session, service.DELETE_JOB, request)


def succeeded(job: Job) -> Job:
    """The job, unless it ended otherwise: then JobFailed or JobCancelled."""
    if job.state == JobState.FAILED:
        raise JobFailed(job)
    if job.state == JobState.CANCELLED:
        raise JobCancelled(job)
    return job
