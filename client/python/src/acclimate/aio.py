"""The client of `client.py` for asyncio: the same names, with `await` and `async for`.

async with acclimate.AsyncClient("127.0.0.1:50051") as client:
    async for job in client.jobs.list(filter="state=RUNNING"):
        print(job)
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from acclimate import blob_calls, job_calls, methods, report, service
from acclimate.asynchronous import AsyncRunner
from acclimate.blob_calls import Blob, Puttable
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


class AsyncJobs:
    """Names are full ("tenants/default/jobs/abc") or the id ("abc")."""

    def __init__(self, runner: AsyncRunner, session: Session) -> None:
        self._runner = runner
        self._session = session

    async def create(
        self,
        spec: job_pb2.JobSpec,
        *,
        request_id: str | None = None,
        validate_only: bool = False,
    ) -> Job:
        """Without a request_id one is made, so that a retry never makes two jobs."""
        return await self._runner.run(
            job_calls.create(self._session, spec, request_id, validate_only)
        )

    async def get(self, name: str) -> Job:
        return await self._runner.run(job_calls.get(self._session, name))

    def list(self, filter: str = "", *, page_size: int = 50) -> AsyncIterator[Job]:
        """The newest first. Filter: "state=RUNNING AND method=shot AND label.team=vision"."""
        return self._runner.iterate(job_calls.list_jobs(self._session, filter, page_size))

    def watch(self, name: str, *, after_cursor: int = 0) -> AsyncIterator[JobEvent]:
        """Every event after the cursor, then live ones until the job has ended; goes on after a
        restart of the server."""
        return self._runner.iterate(watch(self._session, name, after_cursor))

    async def wait(self, name: str) -> Job:
        """The job once it has ended, however it ended."""
        return await self._runner.run(watch(self._session, name))

    async def cancel(self, name: str) -> Job:
        return await self._runner.run(job_calls.cancel(self._session, name))

    async def pause(self, name: str) -> Job:
        return await self._runner.run(job_calls.pause(self._session, name))

    async def resume(self, name: str) -> Job:
        return await self._runner.run(job_calls.resume(self._session, name))

    async def retry(self, name: str, *, request_id: str | None = None) -> Job:
        """A new job of the same spec, of one that FAILED or was CANCELLED."""
        return await self._runner.run(job_calls.retry(self._session, name, request_id))

    async def delete(self, name: str) -> None:
        await self._runner.run(job_calls.delete(self._session, name))


class AsyncBlobs:
    """Names are full ("tenants/default/blobs/<sha256>") or the digest."""

    def __init__(self, runner: AsyncRunner, session: Session) -> None:
        self._runner = runner
        self._session = session

    async def put(self, content: Puttable, *, listener: Listener | None = None) -> UploadedBlob:
        """A file by its path, or bytes. What the server has is not sent again."""
        return (await self.put_all([content], listener=listener))[0]

    async def put_all(
        self, contents: Sequence[Puttable], *, listener: Listener | None = None
    ) -> list[UploadedBlob]:
        payloads = [blob_calls.to_payload(content) for content in contents]
        return await self._runner.run(upload(self._session, payloads, listener))

    async def get(self, blob: str, path: str | os.PathLike[str]) -> Path:
        """Into a file, whole and verified or not at all."""
        return await self._runner.run(download(self._session, blob, Path(path)))

    async def read(self, blob: str) -> bytes:
        """A small one, into memory."""
        return await self._runner.run(read_all(self._session, blob))

    async def missing(self, blobs: Sequence[str]) -> list[str]:
        return await self._runner.run(blob_calls.missing(self._session, blobs))

    async def stat(self, blob: str) -> Blob:
        return await self._runner.run(blob_calls.stat(self._session, blob))

    async def pin(self, blob: str) -> Blob:
        return await self._runner.run(blob_calls.pin(self._session, blob))

    async def unpin(self, blob: str) -> Blob:
        return await self._runner.run(blob_calls.unpin(self._session, blob))

    async def abort(self, content: Puttable) -> bool:
        """Removes what an upload that did not end has left; whether there was something."""
        return await self._runner.run(abort(self._session, blob_calls.to_payload(content)))


class AsyncMethods:
    def __init__(self, runner: AsyncRunner, session: Session) -> None:
        self._runner = runner
        self._session = session

    async def list(self) -> list[MethodInfo]:
        return await self._runner.run(methods.list_methods(self._session))

    async def get(self, name: str) -> MethodInfo:
        return await self._runner.run(methods.get_method(self._session, name))


class AsyncReports:
    def __init__(self, runner: AsyncRunner, session: Session) -> None:
        self._runner = runner
        self._session = session

    async def get(self, job: str | Job) -> Report:
        """Of a job that succeeded."""
        name = job if isinstance(job, str) else job.name
        found = await self._runner.run(job_calls.get(self._session, name))
        return await self._runner.run(report.fetch(self._session, found))


class AsyncClient:
    """For one event loop. What is not given comes from the environment (ACCLIMATE_SERVER,
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
        self._runner = AsyncRunner(plan_channel(settings), self._session)
        self.jobs = AsyncJobs(self._runner, self._session)
        self.blobs = AsyncBlobs(self._runner, self._session)
        self.methods = AsyncMethods(self._runner, self._session)
        self.reports = AsyncReports(self._runner, self._session)

    @property
    def server(self) -> str:
        return self._session.address

    async def server_info(self) -> admin.ServerInfo:
        request = admin.GetServerInfoRequest()
        return await self._runner.run(call(self._session, service.GET_SERVER_INFO, request))

    async def adapt(self, model: Any, *, target: Any, **options: Any) -> Adaptation:
        """As `acclimate.adapt`, on this server."""
        # With numpy, which the other calls do without.
        from acclimate.adaptation import AdaptationOptions, adapt_flow

        return await self._runner.run(
            adapt_flow(self._session, AdaptationOptions(model=model, target=target, **options))
        )

    async def close(self) -> None:
        await self._runner.close()

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
