#!/usr/bin/env python3
"""The time of training steps, written as a user of PyTorch would write them. Speaks the protocol
of step_time.cc: each line of standard input names a row and a number of steps, each answer is one
JSON line. The networks are those of core/model/architectures.cc and resnet.cc; learning rate,
momentum, weight decay and batches are those of the methods' defaults. Arguments: the number of
threads, and "compile" for networks under torch.compile; or "export", a folder, an architecture,
channels, size and batch, to write the network into model.pt and model.pt2."""

import json
import math
import resource
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


class Bottleneck(nn.Module):
    def __init__(self, width, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(width, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.downsample = None
        if stride != 1 or width != 4 * planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(width, 4 * planes, 1, stride, bias=False), nn.BatchNorm2d(4 * planes))

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return F.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, block, blocks_by_stage, channels, classes):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        blocks, width = [], 64
        for stage, count in enumerate(blocks_by_stage):
            for i in range(count):
                blocks.append(block(width, 64 << stage, 2 if stage > 0 and i == 0 else 1))
                width = (64 << stage) * (4 if block is Bottleneck else 1)
        self.blocks = nn.Sequential(*blocks)
        self.fc = nn.Linear(width, classes)
        self.features = width

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        features = torch.flatten(F.adaptive_avg_pool2d(self.blocks(x), 1), 1)
        return features, self.fc(features)


NETWORKS = {
    "lenet": LeNet,
    "resnet18": lambda channels, size, classes: ResNet(BasicBlock, [2, 2, 2, 2], channels, classes),
    "resnet50": lambda channels, size, classes: ResNet(Bottleneck, [3, 4, 6, 3], channels, classes),
}


class ReverseGradient(torch.autograd.Function):
    @staticmethod
    def forward(ctx, features, coefficient):
        ctx.coefficient = coefficient
        return features.view_as(features)

    @staticmethod
    def backward(ctx, gradient):
        return gradient * -ctx.coefficient, None


def discriminator(features):
    width = 1024
    return nn.Sequential(
        nn.Linear(features, width), nn.BatchNorm1d(width), nn.ReLU(),
        nn.Linear(width, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, 1))


def reversal(progress):
    return 2 / (1 + math.exp(-10 * progress)) - 1


def entropy(logits):
    return -(logits.softmax(1) * logits.log_softmax(1)).sum(1)


def optimizer_of(parameters):
    return torch.optim.SGD(parameters, 0.001, momentum=0.9, weight_decay=0.001, nesterov=True)


class Dann:
    def __init__(self, network, target):
        self.network = network
        self.discriminator = discriminator(network.features)
        self.optimizer = optimizer_of(
            [*network.parameters(), *self.discriminator.parameters()])

    def loss(self, source, labels, target, progress):
        features, logits = self.network(torch.cat([source, target]))
        reversed_features = ReverseGradient.apply(features, reversal(progress))
        domains = self.discriminator(reversed_features).squeeze(1)
        truth = torch.cat([torch.ones(len(source)), torch.zeros(len(target))])
        return (F.cross_entropy(logits[:len(source)], labels) +
                F.binary_cross_entropy_with_logits(domains, truth))


class Cdan:
    def __init__(self, network, target):
        self.network = network
        self.discriminator = discriminator(network.features * 10)
        self.optimizer = optimizer_of(
            [*network.parameters(), *self.discriminator.parameters()])

    @staticmethod
    def weights(logits):
        weights = 1 + torch.exp(-entropy(logits.detach()))
        return weights / weights.mean()

    def loss(self, source, labels, target, progress):
        n = len(source)
        features, logits = self.network(torch.cat([source, target]))
        predictions = logits.detach().softmax(1)
        reversed_features = ReverseGradient.apply(features, reversal(progress))
        joint = (predictions.unsqueeze(2) * reversed_features.unsqueeze(1)).flatten(1)
        domains = self.discriminator(joint).squeeze(1)
        truth = torch.cat([torch.ones(n), torch.zeros(len(target))])
        weights = torch.cat([self.weights(logits[:n]), self.weights(logits[n:])])
        return (F.cross_entropy(logits[:n], labels) +
                F.binary_cross_entropy_with_logits(domains, truth, weights))


class Dan:
    def __init__(self, network, target):
        self.network = network
        self.optimizer = optimizer_of(network.parameters())

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


class Tent:
    source_free = True

    def __init__(self, network, target):
        self.network = network.eval().requires_grad_(False)
        parameters = []
        for module in network.modules():
            if isinstance(module, (nn.BatchNorm1d, nn.BatchNorm2d)):
                module.requires_grad_(True)
                module.running_mean = module.running_var = None  # those of the batch
                parameters += [module.weight, module.bias]
        self.optimizer = torch.optim.Adam(parameters, 0.001)

    def loss(self, source, labels, target, progress):
        return entropy(self.network(target)[1]).mean()


class Shot:
    source_free = True

    def __init__(self, network, target):
        self.network = network
        network.fc.requires_grad_(False)
        self.optimizer = optimizer_of(p for p in network.parameters() if p.requires_grad)
        self.target = target
        self.steps = 0

    @torch.no_grad()
    def refresh_pseudo_labels(self):
        self.network.eval()
        features, logits = self.network(self.target)
        self.network.train()
        features = F.normalize(F.pad(features, (0, 1), value=1.0))
        weights = logits.softmax(1)
        for _ in range(2):
            centroids = weights.t() @ features / (weights.sum(0).unsqueeze(1) + 1e-8)
            present = weights.argmax(1).unique()
            nearest = (features @ F.normalize(centroids[present]).t()).argmax(1)
            weights = F.one_hot(present[nearest], logits.shape[1]).float()
        self.labels = weights.argmax(1)

    def loss(self, source, labels, target, progress):
        epoch = len(self.target) // len(target)
        if self.steps % epoch == 0:
            self.refresh_pseudo_labels()
        # Not those of these samples: it takes the same time.
        begin = self.steps % epoch * len(target)
        self.steps += 1
        logits = self.network(target)[1]
        mean = logits.softmax(1).mean(0)
        return (entropy(logits).mean() + (mean * mean.log()).sum() +
                0.1 * F.cross_entropy(logits, self.labels[begin:begin + len(target)]))


METHODS = {"dann": Dann, "cdan": Cdan, "dan": Dan, "tent": Tent, "shot": Shot}


def images(channels, size, batch):
    return torch.randn(4 * batch, channels, size, size)


class Run:
    def __init__(self, method, architecture, channels, size, batch, compiled):
        self.batch = batch
        inputs = images(channels, size, batch)
        self.source = torch.utils.data.TensorDataset(
            images(channels, size, batch), torch.randint(10, (4 * batch,)))
        self.target = torch.utils.data.TensorDataset(inputs)
        network = NETWORKS[architecture](channels, size, 10)
        self.method = METHODS[method](network, inputs)
        self.optimizer = self.method.optimizer
        if compiled:
            network.compile()
        self.batches = iter(())
        self.done = 0

    # Whole tensors by index: a loader that collates single samples would only be slower.
    def next_batch(self):
        for batch in self.batches:
            return batch
        source_order = torch.randperm(len(self.source)).split(self.batch)
        target_order = torch.randperm(len(self.target)).split(self.batch)
        source_free = getattr(self.method, "source_free", False)
        self.batches = iter(
            [(*((None, None) if source_free else self.source[i]), *self.target[j])
             for i, j in zip(source_order, target_order)])
        return next(self.batches)

    def step(self):
        source, labels, target = self.next_batch()
        loss = self.method.loss(source, labels, target, self.done / 1_000_000)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        loss.item()
        self.done += 1


# What a whole job is held against: the steps that it makes, from a fresh optimiser on.
class BareLoop:
    STEPS = {"dann": 200, "tent": 10}

    def __init__(self, method, *row):
        self.method = method.split("-")[0]
        self.row = row

    def step(self):
        run = Run(self.method, *self.row)
        for _ in range(self.STEPS[self.method]):
            run.step()


# Batches alone: those of a tensor by index, or of a DataLoader.
class Loader:
    def __init__(self, method, architecture, channels, size, batch, compiled):
        self.inputs = images(channels, size, batch)
        self.batch = batch
        self.dataset = torch.utils.data.TensorDataset(self.inputs)
        self.of_dataset = method == "dataloader"
        self.batches = iter(())

    def step(self):
        for _ in self.batches:
            return
        if self.of_dataset:
            self.batches = iter(
                torch.utils.data.DataLoader(self.dataset, self.batch, shuffle=True))
        else:
            order = torch.randperm(len(self.inputs)).split(self.batch)
            self.batches = (self.inputs[index] for index in order)
        next(self.batches)


class Logits(nn.Module):
    def __init__(self, network):
        super().__init__()
        self.network = network

    def forward(self, x):
        return self.network(x)[1]


def export(folder, architecture, channels, size, batch):
    """The network as TorchScript (model.pt) and as torch.export writes it (model.pt2)."""
    network = Logits(NETWORKS[architecture](channels, size, 10))
    inputs = torch.randn(batch, channels, size, size)
    torch.jit.script(network).save(f"{folder}/model.pt")
    program = torch.export.export(
        network, (inputs,), dynamic_shapes=({0: torch.export.Dim("batch", min=2)},))
    torch.export.save(program, f"{folder}/model.pt2")


def kind_of(method):
    if method in ("index", "dataloader"):
        return Loader
    return BareLoop if method.endswith("-job") else Run


def main():
    if sys.argv[1:2] == ["export"]:
        return export(*sys.argv[2:4], *map(int, sys.argv[4:]))
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    compiled = sys.argv[2:] == ["compile"]
    torch.manual_seed(1)
    runs = {}
    for line in sys.stdin:
        *row, steps = line.split()
        method, architecture, *numbers = row
        if tuple(row) not in runs:
            runs[tuple(row)] = kind_of(method)(method, architecture, *map(int, numbers), compiled)
        steps = int(steps)
        begin, processor_begin = time.perf_counter(), time.process_time()
        for _ in range(steps):
            runs[tuple(row)].step()
        print(json.dumps({
            "wall_seconds": (time.perf_counter() - begin) / steps,
            "processor_seconds": (time.process_time() - processor_begin) / steps,
            "peak_mebibytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}),
            flush=True)


main()
