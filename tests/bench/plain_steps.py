#!/usr/bin/env python3
"""The time of training steps, written as a user of PyTorch would write them. Speaks the protocol
of step_time.cc: each line of standard input names a row and a number of steps, each answer is one
JSON line. The networks are those of core/model/architectures.cc and resnet.cc; learning rate,
momentum, weight decay and batches are those of the methods' defaults."""

import json
import math
import sys
import time

import torch
from torch import nn
from torch.nn import functional as F


class LeNet(nn.Module):
    def __init__(self, channels, size, classes):
        super().__init__()
        pooled = ((size - 4) // 2 - 4) // 2
        self.conv1 = nn.Conv2d(channels, 20, 5)
        self.conv2 = nn.Conv2d(20, 50, 5)
        self.fc1 = nn.Linear(50 * pooled * pooled, 500)
        self.bottleneck = nn.Sequential(nn.Linear(500, 256), nn.BatchNorm1d(256))
        self.fc = nn.Linear(256, classes)
        self.features = 256

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.dropout2d(self.conv2(x), 0.5, self.training)
        x = torch.flatten(F.relu(F.max_pool2d(x, 2)), 1)
        x = F.dropout(F.relu(self.fc1(x)), 0.5, self.training)
        features = F.relu(self.bottleneck(x))
        return features, self.fc(features)


class BasicBlock(nn.Module):
    def __init__(self, width, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = None
        if stride != 1 or width != planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(width, planes, 1, stride, bias=False), nn.BatchNorm2d(planes))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet18(nn.Module):
    def __init__(self, channels, size, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        blocks, width = [], 64
        for stage in range(4):
            for block in range(2):
                planes = 64 << stage
                blocks.append(BasicBlock(width, planes, 2 if stage > 0 and block == 0 else 1))
                width = planes
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(width, classes)
        self.features = width

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        features = torch.flatten(F.adaptive_avg_pool2d(self.blocks(x), 1), 1)
        return features, self.fc(features)


NETWORKS = {"lenet": LeNet, "resnet18": ResNet18}


class ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, coefficient):
        ctx.coefficient = coefficient
        return features.view_as(features)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * -ctx.coefficient, None


class Dann:
    def __init__(self, network):
        self.network = network
        width = 1024
        self.discriminator = nn.Sequential(
            nn.Linear(network.features, width), nn.BatchNorm1d(width), nn.ReLU(),
            nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 1))

    def parameters(self):
        return [*self.network.parameters(), *self.discriminator.parameters()]

    def loss(self, source, labels, target, progress):
        features, logits = self.network(torch.cat([source, target]))
        coefficient = 2 / (1 + math.exp(-10 * progress)) - 1
        domains = self.discriminator(ReverseGradient.apply(features, coefficient)).squeeze(1)
        truth = torch.cat([torch.ones(len(source)), torch.zeros(len(target))])
        return (F.cross_entropy(logits[:len(source)], labels) +
                F.binary_cross_entropy_with_logits(domains, truth))


class Dan:
    def __init__(self, network):
        self.network = network

    def parameters(self):
        return list(self.network.parameters())

    @staticmethod
    def mk_mmd(source, target):
        n = len(source)
        every = torch.cat([source, target])
        distances = ((every.unsqueeze(0) - every.unsqueeze(1)) ** 2).sum(2)
        scale = distances.detach().mean()
        kernel = sum(torch.exp(-distances / (2 * m * scale)) for m in (0.125, 0.25, 0.5, 1, 2))
        return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()

    def loss(self, source, labels, target, progress):
        source_features, logits = self.network(source)
        target_features, _ = self.network(target)
        return F.cross_entropy(logits, labels) + self.mk_mmd(source_features, target_features)


METHODS = {"dann": Dann, "dan": Dan}


class Run:
    def __init__(self, method, architecture, channels, size, batch):
        self.batch = batch
        shape = (4 * batch, channels, size, size)
        self.source = torch.utils.data.TensorDataset(
            torch.randn(shape), torch.randint(10, (4 * batch,)))
        self.target = torch.utils.data.TensorDataset(torch.randn(shape))
        network = NETWORKS[architecture](channels, size, 10)
        self.method = METHODS[method](network)
        self.optimizer = torch.optim.SGD(
            self.method.parameters(), 0.001, momentum=0.9, weight_decay=0.001, nesterov=True)
        self.batches = iter(())
        self.done = 0

    # Whole tensors by index: a loader that collates single samples would only be slower.
    def next_batch(self):
        for batch in self.batches:
            return batch
        source_order = torch.randperm(len(self.source)).split(self.batch)
        target_order = torch.randperm(len(self.target)).split(self.batch)
        self.batches = iter(
            [(*self.source[i], *self.target[j]) for i, j in zip(source_order, target_order)])
        return next(self.batches)

    def step(self):
        source, labels, target = self.next_batch()
        loss = self.method.loss(source, labels, target, self.done / 1_000_000)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        loss.item()
        self.done += 1


def main():
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    torch.manual_seed(1)
    runs = {}
    for line in sys.stdin:
        *row, steps = line.split()
        method, architecture, *numbers = row
        if tuple(row) not in runs:
            runs[tuple(row)] = Run(method, architecture, *map(int, numbers))
        steps = int(steps)
        begin, processor_begin = time.perf_counter(), time.process_time()
        for _ in range(steps):
            runs[tuple(row)].step()
        print(json.dumps({
            "wall_seconds": (time.perf_counter() - begin) / steps,
            "processor_seconds": (time.process_time() - processor_begin) / steps}), flush=True)


main()
