"""What the calls to one server share: its names, deadlines, and how long it is waited for."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from acclimate.errors import CallError
from acclimate.proxies import proxy_advice

_FIRST_DELAY_SECONDS = 0.05
_LONGEST_DELAY_SECONDS = 2.0
_LONGEST_ASKED_SECONDS = 30.0  # by a server


@dataclass(frozen=True)
class Patience:
    """How long a server is waited for that cannot be reached, in seconds."""

    first_contact: float = 5.0  # one that has never answered
    reconnect: float = 300.0  # one that has: it is being restarted, or the network is down


class Session:
    """State of one client. For threads: what two of them may lose is one mark that the server
    was reached."""

    def __init__(
        self, address: str, tenant: str, deadline_seconds: float, patience: Patience
    ) -> None:
        self.address = address
        self.tenant = tenant
        self.deadline_seconds = deadline_seconds
        self._patience = patience
        self._reached = False

    @property
    def parent(self) -> str:
        return f"tenants/{self.tenant}"

    def job_name(self, name_or_id: str) -> str:
        return name_or_id if "/" in name_or_id else f"{self.parent}/jobs/{name_or_id}"

    def blob_name(self, name_or_digest: str) -> str:
        return name_or_digest if "/" in name_or_digest else f"{self.parent}/blobs/{name_or_digest}"

    def note_reached(self) -> None:
        self._reached = True

    @property
    def patience_seconds(self) -> float:
        return self._patience.reconnect if self._reached else self._patience.first_contact

    def explained(self, error: CallError) -> CallError:
        """The error with what helps where the server cannot be reached."""
        if error.code != "UNAVAILABLE":
            return error
        message = f"the server {self.address} cannot be reached: {error.message}"
        advice = proxy_advice(self.address)
        if advice is not None:
            message += f"; {advice}"
        elif not self._reached:
            message += (
                "; start one with `acclimated serve --data-dir DIR` or with acclimate.Server(), or "
                "set ACCLIMATE_SERVER to where it listens"
            )
        return error.with_message(message)

    def retry(self) -> Retry:
        return Retry(self)


class Retry:
    """Decides after a failure whether to try again: after 50 ms, doubling to 2 s, or as long as the
    server asks for, with jitter, until the patience since the last progress is used up."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self.note_progress()

    def note_progress(self) -> None:
        self._last_progress = time.monotonic()
        self._delay = _FIRST_DELAY_SECONDS

    def delay_after(self, error: CallError) -> float:
        """Seconds to wait before the next try. Raises the error when there is to be none."""
        waited = time.monotonic() - self._last_progress
        if not error.is_transient or waited >= self._session.patience_seconds:
            raise self._session.explained(error) from None
        asked = min(error.retry_delay or 0.0, _LONGEST_ASKED_SECONDS)
        delay = max(asked, self._delay) * random.uniform(1.0, 1.4)
        self._delay = min(2 * self._delay, _LONGEST_DELAY_SECONDS)
        return delay
