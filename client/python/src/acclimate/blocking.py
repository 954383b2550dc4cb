"""Performs the effects of flows one after the other, in the caller's thread."""

from __future__ import annotations

import time
from collections.abc import Generator
from typing import Any, TypeVar

import grpc

from acclimate.channel import ChannelPlan, to_call_error
from acclimate.flow import Call, Do, Effect, Emit, Flow, Next, Open, Send, Sleep
from acclimate.session import Session

Result = TypeVar("Result")


class BlockingRunner:
    """Thread-safe."""

    def __init__(self, plan: ChannelPlan, session: Session) -> None:
        self._metadata = plan.metadata
        self._deadline = session.deadline_seconds
        if plan.credentials is None:
            self._channel = grpc.insecure_channel(plan.address, options=plan.options)
        else:
            self._channel = grpc.secure_channel(plan.address, plan.credentials, plan.options)

    def close(self) -> None:
        self._channel.close()

    def run(self, flow: Flow[Result]) -> Result:
        """The flow's result; what it emits is dropped."""
        steps = self.iterate(flow)
        try:
            while True:
                next(steps)
        except StopIteration as end:
            result: Result = end.value
            return result
        finally:
            steps.close()

    def iterate(self, flow: Flow[Result]) -> Generator[Any, None, Result]:
        """What the flow emits."""
        streams: list[Any] = []
        try:
            effect = next(flow)
            while True:
                if isinstance(effect, Emit):
                    yield effect.value
                    effect = next(flow)
                    continue
                try:
                    outcome = self._perform(effect, streams)
                except GeneratorExit:
                    raise
                except BaseException as error:
                    effect = flow.throw(error)
                else:
                    effect = flow.send(outcome)
        except StopIteration as end:
            result: Result = end.value
            return result
        finally:
            for stream in streams:
                stream.cancel()
            flow.close()

    def _perform(self, effect: Effect, streams: list[Any]) -> Any:
        try:
            if isinstance(effect, Call):
                unary = self._channel.unary_unary(
                    effect.method.path,
                    request_serializer=effect.method.request.SerializeToString,
                    response_deserializer=effect.method.response.FromString,
                )
                return unary(effect.request, timeout=self._deadline, metadata=self._metadata)
            if isinstance(effect, Send):
                sending: Any = self._channel.stream_unary(
                    effect.method.path, response_deserializer=effect.method.response.FromString
                )
                return sending(effect.messages, metadata=self._metadata)
            if isinstance(effect, Open):
                reading = self._channel.unary_stream(
                    effect.method.path,
                    request_serializer=effect.method.request.SerializeToString,
                    response_deserializer=effect.method.response.FromString,
                )
                streams.append(reading(effect.request, metadata=self._metadata))
                return streams[-1]
            if isinstance(effect, Next):
                return next(effect.stream, None)
        except grpc.RpcError as error:
            raise to_call_error(error) from None
        if isinstance(effect, Sleep):
            return time.sleep(effect.seconds)
        assert isinstance(effect, Do)
        return effect.action()
