"""A local server, for a notebook or a test."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from acclimate.errors import ServerNotStarted

if TYPE_CHECKING:
    from acclimate.aio import AsyncClient
    from acclimate.client import Client

_POLL_SECONDS = 0.02
_LOG_TAIL_BYTES = 2000


class Server:
    """`acclimated serve` on free ports of this machine, stopped when the block or Python ends,
    however it ends:

        with acclimate.Server() as server:
            adapted, report = acclimate.adapt(model, target=loader, server=server)

    Without a folder its data are temporary. The program is looked for in ACCLIMATE_BIN, a folder or
    the program itself, then on PATH.
    """

    def __init__(
        self,
        data_dir: str | os.PathLike[str] | None = None,
        *,
        slots: int = 1,
        flags: Sequence[str] = (),
    ) -> None:
        self._program = find_program()
        self._temporary = data_dir is None
        self.data_dir = Path(
            tempfile.mkdtemp(prefix="acclimate-") if data_dir is None else data_dir
        )
        self._flags = [f"--slots={slots}", *flags]
        self._process: subprocess.Popen[bytes] | None = None
        self.address = "127.0.0.1:0"
        self.metrics_address = "127.0.0.1:0"
        atexit.register(self.stop)
        self.start()

    def start(self) -> None:
        """Waits until the server answers; after stop(keep=True) or kill(): on the same ports."""
        endpoint = self.data_dir / "endpoint.json"
        self.data_dir.mkdir(parents=True, exist_ok=True)
        endpoint.unlink(missing_ok=True)
        with open(self.log_path, "ab") as log:
            self._process = subprocess.Popen(
                [
                    self._program,
                    "serve",
                    f"--data-dir={self.data_dir}",
                    f"--listen={self.address}",
                    f"--metrics-listen={self.metrics_address}",
                    # However this program ends, the pipe closes, and the server stops.
                    "--stop-with-stdin=true",
                    *self._flags,
                ],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # Ctrl-C is for this program, not for the server and its jobs.
                start_new_session=True,
            )
        while True:
            where = _read_endpoint(endpoint)
            if where is not None:
                break
            code = self._process.poll()
            if code is not None:
                raise ServerNotStarted(f"{self._program} ended with {code}:\n{self.log_tail()}")
            time.sleep(_POLL_SECONDS)
        self.address = where["listen"]
        self.metrics_address = where["metrics_listen"]

    def stop(self, keep: bool = False) -> None:
        """Ends the server; a temporary folder goes with it unless `keep`."""
        process, self._process = self._process, None
        if process is not None:
            with process:  # closes the pipe, and waits
                process.terminate()
        if self._temporary and not keep:
            shutil.rmtree(self.data_dir, ignore_errors=True)
            atexit.unregister(self.stop)

    def kill(self) -> None:
        """kill -9, as a crash would; start() brings it back with its data."""
        process, self._process = self._process, None
        if process is not None:
            with process:
                process.kill()

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None else None

    @property
    def log_path(self) -> Path:
        return self.data_dir / "server.log"

    def log_tail(self) -> str:
        """The end of what the server said."""
        if not self.log_path.exists():
            return ""
        return self.log_path.read_bytes()[-_LOG_TAIL_BYTES:].decode("utf-8", "replace")

    def client(self, **options: Any) -> Client:
        from acclimate.client import Client

        return Client(self.address, **options)

    def async_client(self, **options: Any) -> AsyncClient:
        from acclimate.aio import AsyncClient

        return AsyncClient(self.address, **options)

    def __enter__(self) -> Server:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server {self.address}, {self.data_dir}>"


def find_program() -> str:
    """The path of acclimated."""
    given = os.environ.get("ACCLIMATE_BIN", "")
    if given:
        program = Path(given).expanduser()
        if program.is_dir():
            program /= "acclimated"
        if not os.access(program, os.X_OK):
            raise ServerNotStarted(f"ACCLIMATE_BIN is {given}, but there is no program {program}")
        return str(program)
    found = shutil.which("acclimated")
    if found is None:
        raise ServerNotStarted(
            "there is no acclimated on PATH: install Acclimate, or set ACCLIMATE_BIN to the folder "
            "with its programs, for example build/release/bin"
        )
    return found


def _read_endpoint(path: Path) -> dict[str, str] | None:
    try:
        endpoint = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return endpoint if isinstance(endpoint, dict) else None
