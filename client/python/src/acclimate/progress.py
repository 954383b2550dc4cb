"""Progress for people: bars by tqdm where there is one, else lines on standard error."""

from __future__ import annotations

import sys
import time
from typing import Any, Callable, Union

from acclimate.jobs import JobEvent
from acclimate.payload import Payload

_SECONDS_BETWEEN_LINES = 5.0


class ProgressSink:
    """What an adaptation tells while it runs; this one says nothing."""

    def on_transfer(self, payload: Payload, done: int, total: int) -> None:
        """Bytes of an upload."""

    def on_event(self, event: JobEvent) -> None:
        """An event of the job."""

    def close(self) -> None:
        """Nothing follows."""


# True: bars or lines. False: nothing. A function is called with every event of the job.
ProgressChoice = Union[bool, ProgressSink, Callable[[JobEvent], None]]


def progress_sink(choice: ProgressChoice) -> ProgressSink:
    if isinstance(choice, ProgressSink):
        return choice
    if choice is False:
        return ProgressSink()
    if choice is not True:
        return _Listener(choice)
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return _Lines()
    return _Bars(tqdm)


class _Listener(ProgressSink):
    def __init__(self, listener: Callable[[JobEvent], None]) -> None:
        self._listener = listener

    def on_event(self, event: JobEvent) -> None:
        self._listener(event)


class _Lines(ProgressSink):
    def __init__(self) -> None:
        self._said = ""
        self._time = 0.0

    def on_transfer(self, payload: Payload, done: int, total: int) -> None:
        self._say(f"uploading {payload.name}", f"{done * 100 // max(total, 1)} %")

    def on_event(self, event: JobEvent) -> None:
        if event.progress is not None:
            steps = event.progress
            detail = f"step {steps.step}/{steps.total_steps}" if steps.total_steps else ""
            self._say(steps.phase, detail)
        elif event.warning is not None:
            print(f"warning: {event.warning}", file=sys.stderr, flush=True)
        elif event.state is not None:
            self._say(str(event.state), "")

    def _say(self, what: str, detail: str) -> None:
        now = time.monotonic()
        if what == self._said and now - self._time < _SECONDS_BETWEEN_LINES:
            return
        self._said, self._time = what, now
        print(f"{what} {detail}".rstrip(), file=sys.stderr, flush=True)


class _Bars(ProgressSink):
    def __init__(self, tqdm: Any) -> None:
        self._tqdm = tqdm
        self._what = ""
        self._bar: Any | None = None

    def on_transfer(self, payload: Payload, done: int, total: int) -> None:
        self._show(f"uploading {payload.name}", done, total, unit="B", unit_scale=True)

    def on_event(self, event: JobEvent) -> None:
        if event.progress is not None and event.progress.total_steps:
            steps = event.progress
            self._show(steps.phase, steps.step, steps.total_steps, unit="step")
            loss = steps.metrics.get("loss")
            if loss is not None and self._bar is not None:
                self._bar.set_postfix_str(f"loss {loss:.4g}", refresh=False)
        elif event.warning is not None:
            self._tqdm.write(f"warning: {event.warning}", file=sys.stderr)

    def _show(self, what: str, done: int, total: int, **options: Any) -> None:
        bar = self._bar
        if what != self._what or bar is None:
            self.close()
            self._what = what
            self._bar = bar = self._tqdm(total=total, desc=what, leave=False, **options)
        bar.total = total
        bar.update(done - bar.n)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
