"""Conversations with the server, written once for both clients.

A flow is a generator that yields effects and is sent their results; it does no input or output
itself. `blocking.py` performs the effects in the caller's thread, `asynchronous.py` with asyncio:

    def get_job(session, name) -> Flow[job_pb2.Job]:
        return (yield from call(session, service.GET_JOB, GetJobRequest(name=name)))

A failed effect is raised at the `yield`. Streams that a flow leaves open are cancelled when it
ends, however it ends.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Callable, TypeVar, Union

from google.protobuf.message import Message

from acclimate.errors import CallError
from acclimate.service import Method, Request, Response
from acclimate.session import Session


@dataclass(frozen=True)
class Call:
    """One unary call; the result is its response."""

    method: Method[Any, Any]
    request: Message


@dataclass(frozen=True)
class Send:
    """A stream of messages to the server, already serialised; the result is its one response."""

    method: Method[Any, Any]
    messages: Iterator[bytes]


@dataclass(frozen=True)
class Open:
    """A stream of messages from the server; the result is a handle for Next."""

    method: Method[Any, Any]
    request: Message


@dataclass(frozen=True)
class Next:
    """The next message of a stream, or None at its end."""

    stream: Any


@dataclass(frozen=True)
class Sleep:
    seconds: float


@dataclass(frozen=True)
class Do:
    """Something that takes time on this machine; the result is what it returns."""

    action: Callable[[], Any]


@dataclass(frozen=True)
class Emit:
    """A value for whoever iterates over the flow."""

    value: Any


Effect = Union[Call, Send, Open, Next, Sleep, Do, Emit]
Result = TypeVar("Result")
Flow = Generator[Effect, Any, Result]


def call(session: Session, method: Method[Request, Response], request: Request) -> Flow[Response]:
    """A call that may be repeated safely: again while the server is away and patience lasts."""
    retry = session.retry()
    while True:
        try:
            response: Response = yield Call(method, request)
        except CallError as error:
            yield Sleep(retry.delay_after(error))
        else:
            session.note_reached()
            return response


def do(action: Callable[[], Result]) -> Flow[Result]:
    result: Result = yield Do(action)
    return result


def next_message(stream: Any, response: type[Response]) -> Flow[Response | None]:
    message: Response | None = yield Next(stream)
    return message
