"""Writes TorchScript classifiers whose code means harm: hostile_models.py FOLDER CLASSES WRITTEN

Each does one thing, in forward, or in __setstate__ while it is loaded: <thing>_forward.pt and
<thing>_setstate.pt. WRITTEN is a file that none of them may make.
"""
import importlib.util
import sys
import textwrap

import torch

BODIES = {
    "read": 'x = x + torch.from_file("/etc/passwd", False, 16, dtype=torch.uint8).sum()',
    "write": 'torch.save(x, "WRITTEN")',
    "fork": """
        for i in range(3000):
            torch.jit.fork(work, x)
        """,
    "memory": "x = x + torch.zeros([25000000000]).sum()",
    "endless": """
        while bool(x.sum() == x.sum()):
            x = x * 1.0
        """,
}

TEMPLATE = '''
import torch
from torch import Tensor, nn
from typing import Tuple


def work(x: Tensor) -> Tensor:
    return x * 2.0


class Quiet(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x


class InForward(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
{body}
        return x


class InSetState(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("state", torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.state

    @torch.jit.export
    def __getstate__(self) -> Tuple[Tensor, bool]:
        return self.state, self.training

    @torch.jit.export
    def __setstate__(self, state: Tuple[Tensor, bool]) -> None:
        x = state[0]
{body}
        self.state = x
        self.training = state[1]


class Classifier(nn.Module):
    def __init__(self, inner: nn.Module, classes: int):
        super().__init__()
        self.inner = inner
        self.head = nn.Linear(28 * 28, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.flatten(self.inner(x), 1))
'''


def main() -> None:
    folder, classes, written = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    for name, body in BODIES.items():
        code = textwrap.indent(textwrap.dedent(body.replace("WRITTEN", written)).strip(), " " * 8)
        path = f"{folder}/{name}.py"
        with open(path, "w", encoding="utf-8") as file:
            file.write(TEMPLATE.replace("{body}", code))
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for place, inner in (("forward", module.InForward()), ("setstate", module.InSetState())):
            model = torch.jit.script(module.Classifier(inner, classes).eval())
            model.save(f"{folder}/{name}_{place}.pt")


main()
