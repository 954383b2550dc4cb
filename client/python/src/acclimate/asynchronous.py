"""Performs the effects of flows under asyncio. What takes time on this machine runs in a thread."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any, TypeVar

import grpc
import grpc.aio

from acclimate.channel import ChannelPlan, to_call_error
from acclimate.flow import Call, Do, Effect, Emit, Flow, Next, Open, Send, Sleep
from acclimate.session import Session

Result = TypeVar("Result")


class AsyncRunner:
    """For the event loop in which it is first used."""

    def __init__(self, plan: ChannelPlan, session: Session) -> None:
        self._plan = plan
        self._deadline = session.deadline_seconds
        self._open_channel: Any = None

    @property
    def _channel(self) -> Any:
        if self._open_channel is None:
            plan = self._plan
            if plan.credentials is None:
                self._open_channel = grpc.aio.insecure_channel(plan.address, options=plan.options)
            else:
                self._open_channel = grpc.aio.secure_channel(
                    plan.address, plan.credentials, plan.options
                )
        return self._open_channel

    async def close(self) -> None:
        if self._open_channel is not None:
            await self._open_channel.close()

    async def run(self, flow: Flow[Result]) -> Result:
        """The flow's result; what it emits is dropped."""
        steps = _Steps(self, flow)
        async for _ in steps:
            pass
        result: Result = steps.result
        return result

    def iterate(self, flow: Flow[Any]) -> AsyncIterator[Any]:
        """What the flow emits."""
        return _Steps(self, flow).__aiter__()

    async def perform(self, effect: Effect, streams: list[Any]) -> Any:
        metadata = self._plan.metadata
        try:
            if isinstance(effect, Call):
                unary = self._channel.unary_unary(
                    effect.method.path,
                    request_serializer=effect.method.request.SerializeToString,
                    response_deserializer=effect.method.response.FromString,
                )
                return await unary(effect.request, timeout=self._deadline, metadata=metadata)
            if isinstance(effect, Send):
                sending = self._channel.stream_unary(
                    effect.method.path, response_deserializer=effect.method.response.FromString
                )
                return await sending(_in_thread(effect.messages), metadata=metadata)
            if isinstance(effect, Open):
                reading = self._channel.unary_stream(
                    effect.method.path,
                    request_serializer=effect.method.request.SerializeToString,
                    response_deserializer=effect.method.response.FromString,
                )
                streams.append(reading(effect.request, metadata=metadata))
                return streams[-1]
            if isinstance(effect, Next):
                message = await effect.stream.read()
                return None if message is grpc.aio.EOF else message
        except grpc.RpcError as error:
            raise to_call_error(error) from None
        if isinstance(effect, Sleep):
            return await asyncio.sleep(effect.seconds)
        assert isinstance(effect, Do)
        return await asyncio.to_thread(effect.action)


class _Steps:
    """The emitted values of a flow; after the last one `result` is the flow's."""

    def __init__(self, runner: AsyncRunner, flow: Flow[Any]) -> None:
        self._runner = runner
        self._flow = flow
        self.result: Any = None

    async def __aiter__(self) -> AsyncIterator[Any]:
        streams: list[Any] = []
        flow = self._flow
        try:
            effect = next(flow)
            while True:
                if isinstance(effect, Emit):
                    yield effect.value
                    effect = next(flow)
                    continue
                try:
                    result = await self._runner.perform(effect, streams)
                except GeneratorExit:
                    raise
                except BaseException as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(result)
        except StopIteration as end:
            self.result = end.value
        finally:
            for stream in streams:
                stream.cancel()
            flow.close()


async def _in_thread(messages: Iterator[bytes]) -> AsyncIterator[bytes]:
    while True:
        message = await asyncio.to_thread(next, messages, None)
        if message is None:
            return
        yield message
