"""The catalogue: which methods the server has, what each needs, and its hyperparameters."""

from __future__ import annotations

from dataclasses import dataclass

from acclimate import service
from acclimate.flow import Flow, call
from acclimate.session import Session
from acclimate.v1 import catalog_service_pb2 as catalog


@dataclass(frozen=True)
class MethodHyperparameter:
    name: str
    type: str  # INTEGER, REAL, BOOLEAN or TEXT
    description: str
    default: bool | int | float | str | None
    choices: tuple[str, ...]


class MethodInfo:
    """A method of the catalogue; `proto` is the whole message."""

    def __init__(self, proto: catalog.Method) -> None:
        self.proto = proto

    @property
    def name(self) -> str:
        return self.proto.name.rsplit("/", 1)[-1]

    @property
    def title(self) -> str:
        return self.proto.title

    @property
    def summary(self) -> str:
        return self.proto.summary

    @property
    def needs_source(self) -> bool:
        return self.proto.source == catalog.DATA_NEED_REQUIRED

    @property
    def takes_target_labels(self) -> bool:
        return self.proto.target_labels in (
            catalog.DATA_NEED_OPTIONAL,
            catalog.DATA_NEED_REQUIRED,
        )

    @property
    def hyperparameters(self) -> dict[str, MethodHyperparameter]:
        return {h.name: _hyperparameter(h) for h in self.proto.hyperparameters}

    def __repr__(self) -> str:
        return f"<MethodInfo {self.name}: {self.title}>"


def list_methods(session: Session) -> Flow[list[MethodInfo]]:
    answer = yield from call(session, service.LIST_METHODS, catalog.ListMethodsRequest())
    return [MethodInfo(method) for method in answer.methods]


def get_method(session: Session, name: str) -> Flow[MethodInfo]:
    full = name if "/" in name else f"methods/{name}"
    request = catalog.GetMethodRequest(name=full)
    return MethodInfo((yield from call(session, service.GET_METHOD, request)))


def _hyperparameter(proto: catalog.Hyperparameter) -> MethodHyperparameter:
    kind = proto.default_value.WhichOneof("kind")
    return MethodHyperparameter(
        proto.name,
        catalog.Hyperparameter.Type.Name(proto.type),
        proto.description,
        None if kind is None else getattr(proto.default_value, kind),
        tuple(proto.choices),
    )
