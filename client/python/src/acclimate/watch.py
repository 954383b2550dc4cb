"""A job's events, across dropped connections and restarts of the server.

1. Events come in the order of their cursors, each once, whatever happens to the connection; none is
   left out but metric points that the server says it dropped.
2. The watch ends when the job has ended; its result is the job as it ended.
"""

from __future__ import annotations

from acclimate import service
from acclimate.errors import CallError, Unavailable
from acclimate.flow import Emit, Flow, Open, Sleep, call, next_message
from acclimate.jobs import Job, JobEvent
from acclimate.session import Session
from acclimate.v1 import job_service_pb2 as jobs


def watch(session: Session, name: str, after_cursor: int = 0) -> Flow[Job]:
    """Emits JobEvents."""
    name = session.job_name(name)
    cursor = after_cursor
    retry = session.retry()
    while True:
        before = cursor
        try:
            stream = yield Open(
                service.WATCH_JOB, jobs.WatchJobRequest(name=name, after_cursor=cursor)
            )
            while True:
                message = yield from next_message(stream, jobs.WatchJobResponse)
                if message is None:
                    break
                session.note_reached()
                event = message.event
                if event.HasField("dropped"):
                    cursor = max(cursor, event.dropped.last_cursor)
                elif event.cursor <= cursor:
                    continue
                else:
                    cursor = event.cursor
                yield Emit(JobEvent(event))
            job = Job((yield from call(session, service.GET_JOB, jobs.GetJobRequest(name=name))))
            if job.has_ended:
                return job
            failure: CallError = Unavailable("the server ended the stream before the job ended")
        except CallError as error:
            failure = error
        if cursor > before:
            retry.note_progress()
        yield Sleep(retry.delay_after(failure))
