"""What tests/gpu/run compares with: DANN as one would write it in PyTorch, and data for both sides.

  dann_step.py data --side 32 --samples 128 --out DIR      random images, as npz files
  dann_step.py plain --architecture resnet18 --side 32 --batch 32 --steps 500
                                                           prints milliseconds a step
"""
import argparse
import itertools
import os
import time

import numpy
import torch
from torch import nn

CLASSES = 10
WARM_UP_STEPS = 20


class Block(nn.Module):
    """A residual block: two 3x3 convolutions, or a bottleneck of three."""

    def __init__(self, inputs, width, stride, bottleneck):
        super().__init__()
        outputs = width * (4 if bottleneck else 1)
        if bottleneck:
            shapes = [(inputs, width, 1, 1), (width, width, 3, stride), (width, outputs, 1, 1)]
        else:
            shapes = [(inputs, width, 3, stride), (width, outputs, 3, 1)]
        layers = []
        for a, b, kernel, step in shapes:
            layers += [nn.Conv2d(a, b, kernel, step, kernel // 2, bias=False), nn.BatchNorm2d(b),
                       nn.ReLU(inplace=True)]
        self.body = nn.Sequential(*layers[:-1])
        self.shortcut = nn.Identity()
        if stride != 1 or inputs != outputs:
            self.shortcut = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False),
                                          nn.BatchNorm2d(outputs))

    def forward(self, x):
        return torch.relu(self.body(x) + self.shortcut(x))


def resnet(blocks, bottleneck):
    layers = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(inplace=True),
              nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, count in enumerate(blocks):
        width = 64 << stage
        for block in range(count):
            layers.append(Block(inputs, width, 2 if stage and not block else 1, bottleneck))
            inputs = width * (4 if bottleneck else 1)
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten()), inputs


def features(architecture, side):
    if architecture == "resnet18":
        return resnet([2, 2, 2, 2], False)
    if architecture == "resnet50":
        return resnet([3, 4, 6, 3], True)
    flat = 50 * (((side - 4) // 2 - 4) // 2) ** 2
    return nn.Sequential(nn.Conv2d(3, 20, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Conv2d(20, 50, 5),
                         nn.Dropout2d(0.5), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten(),
                         nn.Linear(flat, 500), nn.ReLU()), 500


class Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.view_as(x)

    @staticmethod
    def backward(ctx, gradient):
        return -gradient


def plain(arguments):
    body, width = features(arguments.architecture, arguments.side)
    head = nn.Linear(width, CLASSES)
    critic = nn.Sequential(nn.Linear(width, 1024), nn.ReLU(), nn.Linear(1024, 1024), nn.ReLU(),
                           nn.Linear(1024, 1))
    modules = nn.ModuleList([body, head, critic]).cuda()
    optimizer = torch.optim.SGD(modules.parameters(), 0.01, momentum=0.9, weight_decay=1e-3,
                                nesterov=True)
    shape = (4 * arguments.batch, 3, arguments.side, arguments.side)
    source = torch.utils.data.TensorDataset(torch.rand(shape), torch.arange(shape[0]) % CLASSES)
    target = torch.utils.data.TensorDataset(torch.rand(shape))
    batches = [itertools.chain.from_iterable(itertools.repeat(torch.utils.data.DataLoader(
        data, arguments.batch, shuffle=True, drop_last=True, pin_memory=True)))
        for data in (source, target)]
    domain = torch.cat([torch.ones(arguments.batch), torch.zeros(arguments.batch)]).cuda()
    for step in range(WARM_UP_STEPS + arguments.steps):
        if step == WARM_UP_STEPS:
            torch.cuda.synchronize()
            start = time.perf_counter()
        (x, labels), (y,) = next(batches[0]), next(batches[1])
        both = torch.cat([x, y]).cuda(non_blocking=True)
        found = body(both)
        loss = nn.functional.cross_entropy(head(found[:arguments.batch]), labels.cuda())
        loss = loss + nn.functional.binary_cross_entropy_with_logits(
            critic(Reverse.apply(found)).squeeze(1), domain)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    torch.cuda.synchronize()
    print("%.2f" % (1000 * (time.perf_counter() - start) / arguments.steps))


def data(arguments):
    os.makedirs(arguments.out, exist_ok=True)
    draw = numpy.random.default_rng(1)
    shape = (arguments.samples, 3, arguments.side, arguments.side)
    for name in ("source", "target"):
        numpy.savez(os.path.join(arguments.out, name + ".npz"),
                    inputs=draw.integers(0, 256, shape, dtype=numpy.uint8),
                    labels=numpy.arange(arguments.samples) % CLASSES)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["data", "plain"])
    parser.add_argument("--architecture", default="lenet")
    for name, default in (("side", 28), ("batch", 64), ("steps", 100), ("samples", 256)):
        parser.add_argument("--" + name, type=int, default=default)
    parser.add_argument("--out", default=".")
    arguments = parser.parse_args()
    {"data": data, "plain": plain}[arguments.what](arguments)


if __name__ == "__main__":
    main()
