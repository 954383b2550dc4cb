"""An nn.Module as a file: a program of torch.export with a free batch dimension, else a trace.

What is written is compared with the module on samples of another number before it is sent.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Callable

import torch
from torch import nn

from acclimate.errors import DataError
from acclimate.notes import Notes

_EXPORTED_SAMPLES = 2  # 0 and 1 would be written into the program
_COMPARED_SAMPLES = 3
_RELATIVE_TOLERANCE = 1e-3
# Of the serialised programs that the server reads, and of the first PyTorch that does not pickle
# their weights; with another one models are traced.
_SCHEMA_VERSION = 8
_FIRST_PYTORCH = (2, 9)
# Of the names of tensors where only a part of the output is taken.
_INNER = "inner"


class _Logits(nn.Module):
    """The logits alone of a model with several outputs."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return logits_of(self.inner(inputs))


def logits_of(output: Any) -> torch.Tensor:
    if isinstance(output, torch.Tensor):
        return output
    if isinstance(output, (tuple, list)) and output and isinstance(output[0], torch.Tensor):
        return output[0]
    logits = output.get("logits") if isinstance(output, dict) else getattr(output, "logits", None)
    if isinstance(logits, torch.Tensor):
        return logits
    raise DataError(
        f"model: it returns {type(output).__name__}, in which no logits are found: return a tensor "
        "[N, classes], a tuple that begins with it, or a dictionary with the key 'logits'"
    )


def export_module(
    module: nn.Module, samples: torch.Tensor, new_path: Callable[[str], Path], notes: Notes
) -> tuple[Path, str]:
    """The file, and the prefix that its tensors' names have before the module's."""
    repeats = -(-_COMPARED_SAMPLES // len(samples))
    samples = samples.repeat(repeats, *[1] * (samples.dim() - 1))[:_COMPARED_SAMPLES]
    with _for_export(module), torch.no_grad():
        prefix, traced = "", module
        try:
            expected = module(samples)
        except Exception as error:
            raise DataError(
                f"model: it does not take samples of target, {_described(samples)}: "
                f"{_first_line(error)}"
            ) from error
        if not isinstance(expected, torch.Tensor):
            prefix, traced = f"{_INNER}.", _Logits(module).eval()
            notes.say("the model has several outputs: its logits alone are taken")
        expected = logits_of(expected)
        # Without anything of the data, so that the same model is the same file.
        zeros = torch.zeros_like(samples[:_EXPORTED_SAMPLES])
        try:
            path = _exported(traced, zeros, samples, expected, new_path("model.pt2"))
            notes.say("the model is exported with torch.export, for any batch size")
        except Exception as export_error:  # of many types, of torch's many parts
            path = _traced(traced, zeros, samples, expected, new_path("model.pt"), export_error)
            notes.say(
                "the model is traced with torch.jit.trace, and gives the same for another batch "
                f"size; torch.export refused it: {_first_line(export_error)}"
            )
    return path, prefix


def _exported(
    module: nn.Module,
    zeros: torch.Tensor,
    samples: torch.Tensor,
    expected: torch.Tensor,
    path: Path,
) -> Path:
    from torch._export.serde.schema import SCHEMA_VERSION

    version = tuple(int(number) for number in torch.__version__.split(".")[:2])
    if version < _FIRST_PYTORCH:
        raise RuntimeError(
            f"PyTorch {torch.__version__} pickles the weights of programs, which the server does "
            "not read; PyTorch 2.9 and later do not"
        )
    if SCHEMA_VERSION[0] != _SCHEMA_VERSION:
        raise RuntimeError(
            f"this PyTorch writes programs of schema {SCHEMA_VERSION[0]}, the server reads "
            f"{_SCHEMA_VERSION}"
        )
    batch = torch.export.Dim("batch")
    program = torch.export.export(module, (zeros,), dynamic_shapes=({0: batch},))
    actual = program.module()(samples)
    _compare(actual, expected, "the exported program")
    torch.export.save(program, path)
    return path


def _traced(
    module: nn.Module,
    zeros: torch.Tensor,
    samples: torch.Tensor,
    expected: torch.Tensor,
    path: Path,
    export_error: Exception,
) -> Path:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            trace: Any = torch.jit.trace(  # type: ignore[no-untyped-call]
                module, (zeros,), check_trace=False
            )
        _compare(trace(samples), expected, "the trace")
    except Exception as error:
        raise DataError(
            "model: it can be neither exported nor traced for any batch size. torch.export: "
            f"{_first_line(export_error)}. torch.jit.trace: {_first_line(error)}. "
            "Take decisions on values and fixed batch sizes out of forward, or give TorchScript"
        ) from error
    torch.jit.save(trace, str(path))
    return path


def _compare(actual: torch.Tensor, expected: torch.Tensor, what: str) -> None:
    if actual.shape != expected.shape:
        raise RuntimeError(
            f"{what} gives {list(actual.shape)} for {len(expected)} samples, the model "
            f"{list(expected.shape)}"
        )
    largest = float(expected.abs().max()) if expected.numel() else 0.0
    difference = float((actual - expected).abs().max()) if expected.numel() else 0.0
    if not difference <= _RELATIVE_TOLERANCE * max(largest, 1e-6):
        raise RuntimeError(f"{what} differs from the model by {difference:.3g} on the same samples")


@contextmanager
def _for_export(module: nn.Module) -> Iterator[None]:
    """On the CPU and in evaluation mode; afterwards where and as it was."""
    modes = {part: part.training for part in module.modules()}
    devices = {tensor.device for tensor in [*module.parameters(), *module.buffers()]}
    moved = devices - {torch.device("cpu")}
    if len(devices) > 1:
        raise DataError(f"model: its tensors lie on several devices {sorted(map(str, devices))}")
    if moved:
        module.cpu()
    module.eval()
    try:
        yield
    finally:
        for part, training in modes.items():
            part.training = training
        if moved:
            module.to(moved.pop())


def _described(samples: torch.Tensor) -> str:
    return f"{str(samples.dtype).replace('torch.', '')} {list(samples.shape[1:])}"


def _first_line(error: BaseException) -> str:
    text = str(error).strip().split("\n", 1)[0]
    return f"{type(error).__name__}: {text}"[:300]
