"""The client: jobs, blobs, methods and reports of one server.

    with acclimate.Client("127.0.0.1:50051") as client:
        for job in client.jobs.list(filter="state=RUNNING"):
            print(job)

Every call has a deadline, and is made again while the server is away. Errors are in `errors.py`.
`aio.py` has the same with `await`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from acclimate import blob_calls, job_calls, methods, report, service
from acclimate.blob_calls import Blob, Puttable
from acclimate.blocking import BlockingRunner
from acclimate.channel import plan_channel
from acclimate.download import download, read_all
from acclimate.flow import call
from acclimate.jobs import Job, JobEvent
from acclimate.methods import MethodInfo
from acclimate.report import Report
from acclimate.session import Patience, Session
from acclimate.settings import load_settings
from acclimate.upload import Listener, UploadedBlob, abort, upload
from acclimate.v1 import admin_service_pb2 as admin
from acclimate.v1 import job_pb2
from acclimate.watch import watch

if TYPE_CHECKING:
    from acclimate.adaptation import Adaptation


class Jobs:
    """Names are full ("tenants/default/jobs/abc") or the id ("abc")."""

    def __init__(self, runner: BlockingRunner, session: Session) -> None:
        self._runner = runner
        self._session = session

    def create(
        self,
        spec: job_pb2.JobSpec,
        *,
        request_id: str | None = None,
        validate_only: bool = False,
    ) -> Job:
        """Without a request_id one is made, so that a retry never makes two jobs."""
        return self._runner.run(job_calls.create(self._session, spec, request_id, validate_only))

    def get(self, name: str) -> Job:
        return self._runner.run(job_calls.get(self._session, name))

    def list(self, filter: str = "", *, page_size: int = 50) -> Iterator[Job]:
        """The newest first. Filter: "state=RUNNING AND method=shot AND label.team=vision"."""
        return self._runner.iterate(job_calls.list_jobs(self._session, filter, page_size))

    def watch(self, name: str, *, after_cursor: int = 0) -> Iterator[JobEvent]:
        """Every event after the cursor, then live ones until the job has ended; goes on after a
        restart of the server."""
        return self._runner.iterate(watch(self._session, name, after_cursor))

    def wait(self, name: str) -> Job:
        """The job once it has ended, however it ended."""
        return self._runner.run(watch(self._session, name))

    def cancel(self, name: str) -> Job:
        return self._runner.run(job_calls.cancel(self._session, name))

    def pause(self, name: str) -> Job:
        return self._runner.run(job_calls.pause(self._session, name))

    def resume(self, name: str) -> Job:
        return self._runner.run(job_calls.resume(self._session, name))

    def retry(self, name: str, *, request_id: str | None = None) -> Job:
        """A new job of the same spec, of one that FAILED or was CANCELLED."""
        return self._runner.run(job_calls.retry(self._session, name, request_id))

    def delete(self, name: str) -> None:
        self._runner.run(job_calls.delete(self._session, name))


class Blobs:
    """Names are full ("tenants/default/blobs/<sha256>") or the digest."""

    def __init__(self, runner: BlockingRunner, session: Session) -> None:
        self._runner = runner
        self._session = session

    def put(self, content: Puttable, *, listener: Listener | None = None) -> UploadedBlob:
        """A file by its path, or bytes. What the server has is not sent again."""
        return self.put_all([content], listener=listener)[0]

    def put_all(
        self, contents: Sequence[Puttable], *, listener: Listener | None = None
    ) -> list[UploadedBlob]:
        payloads = [blob_calls.to_payload(content) for content in contents]
        return self._runner.run(upload(self._session, payloads, listener))

    def get(self, blob: str, path: str | os.PathLike[str]) -> Path:
        """Into a file, whole and verified or not at all."""
        return self._runner.run(download(self._session, blob, Path(path)))

    def read(self, blob: str) -> bytes:
        """A small one, into memory."""
        return self._runner.run(read_all(self._session, blob))

    def missing(self, blobs: Sequence[str]) -> list[str]:
        return self._runner.run(blob_calls.missing(self._session, blobs))

    def stat(self, blob: str) -> Blob:
        return self._runner.run(blob_calls.stat(self._session, blob))

    def pin(self, blob: str) -> Blob:
        return self._runner.run(blob_calls.pin(self._session, blob))

    def unpin(self, blob: str) -> Blob:
        return self._runner.run(blob_calls.unpin(self._session, blob))

    def abort(self, content: Puttable) -> bool:
        """Removes what an upload that did not end has left; whether there was something."""
        return self._runner.run(abort(self._session, blob_calls.to_payload(content)))


class Methods:
    def __init__(self, runner: BlockingRunner, session: Session) -> None:
        self._runner = runner
        self._session = session

    def list(self) -> list[MethodInfo]:
        return self._runner.run(methods.list_methods(self._session))

    def get(self, name: str) -> MethodInfo:
        return self._runner.run(methods.get_method(self._session, name))


class Reports:
    def __init__(self, runner: BlockingRunner, session: Session) -> None:
        self._runner = runner
        self._session = session

    def get(self, job: str | Job) -> Report:
        """Of a job that succeeded."""
        name = job if isinstance(job, str) else job.name
        found = self._runner.run(job_calls.get(self._session, name))
        return self._runner.run(report.fetch(self._session, found))


class Client:
    """Thread-safe. What is not given comes from the environment (ACCLIMATE_SERVER,
    ACCLIMATE_TENANT, ACCLIMATE_TOKEN_FILE, ...), else from ~/.config/acclimate/config.toml."""

    def __init__(
        self,
        server: str | None = None,
        *,
        tenant: str | None = None,
        profile: str | None = None,
        token_file: str | None = None,
        tls: bool | None = None,
        tls_ca: str | None = None,
        tls_cert: str | None = None,
        tls_key: str | None = None,
        tls_server_name: str | None = None,
        deadline_seconds: float = 60.0,
        patience: Patience | None = None,
    ) -> None:
        settings = load_settings(
            profile,
            server=server,
            tenant=tenant,
            token_file=token_file,
            tls=tls,
            tls_ca=tls_ca,
            tls_cert=tls_cert,
            tls_key=tls_key,
            tls_server_name=tls_server_name,
        )
        self._session = Session(
            settings.server, settings.tenant, deadline_seconds, patience or Patience()
        )
        self._runner = BlockingRunner(plan_channel(settings), self._session)
        self.jobs = Jobs(self._runner, self._session)
        self.blobs = Blobs(self._runner, self._session)
        self.methods = Methods(self._runner, self._session)
        self.reports = Reports(self._runner, self._session)

    @property
    def server(self) -> str:
        return self._session.address

    def server_info(self) -> admin.ServerInfo:
        request = admin.GetServerInfoRequest()
        return self._runner.run(call(self._session, service.GET_SERVER_INFO, request))

    def adapt(self, model: Any, *, target: Any, **options: Any) -> Adaptation:
        """As `acclimate.adapt`, on this server."""
        # With numpy, which the other calls do without.
        from acclimate.adaptation import AdaptationOptions, adapt_flow

        return self._runner.run(
            adapt_flow(self._session, AdaptationOptions(model=model, target=target, **options))
        )

    def close(self) -> None:
        self._runner.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
