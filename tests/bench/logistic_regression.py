#!/usr/bin/env python3
"""Logistic regression on the source, the baseline of the Amazon reviews and of gas drift.

The L2 weight is the one with the best mean accuracy in a five-fold cross-validation on the source;
the target's labels only report. Needs python3-torch and python3-numpy.

    tests/bench/logistic_regression.py [--data ../shared/data]
"""
import argparse
import json
import pathlib
import struct

import numpy as np
import torch

L2_WEIGHTS = (1e-4, 1e-3, 1e-2, 1e-1)
FOLDS = 5
TYPES = {"U8": np.uint8, "F32": np.float32, "I32": np.int32, "I64": np.int64}


def read(path):
    """Reads a safetensors file: name -> array."""
    data = path.read_bytes()
    (length,) = struct.unpack("<Q", data[:8])
    body = data[8 + length:]
    return {
        name: np.frombuffer(body[slice(*about["data_offsets"])], TYPES[about["dtype"]])
        .reshape(about["shape"])
        for name, about in json.loads(data[8:8 + length]).items()
        if name != "__metadata__"
    }


def amazon(folder, domain, part):
    """Damped word counts, as adaptation_tasks.cc has them."""
    file = read(folder / f"amazon_reviews/{domain}_{part}_csr.safetensors")
    rows = np.repeat(np.arange(len(file["indptr"]) - 1), np.diff(file["indptr"]))
    dense = np.zeros((len(file["indptr"]) - 1, 5000), np.float32)
    dense[rows, file["indices"]] = file["values"]
    return torch.from_numpy(np.log1p(dense)), torch.tensor(file["labels"])


def gas(folder, batch):
    file = read(folder / f"gas_drift/batch{batch}.safetensors")
    return torch.tensor(file["inputs"]), torch.tensor(file["labels"])


def fit(inputs, labels, classes, l2_weight):
    """Minimises the mean cross-entropy + l2_weight / 2 ||w||^2."""
    weight = torch.zeros(inputs.shape[1], classes, requires_grad=True)
    bias = torch.zeros(classes, requires_grad=True)
    optimizer = torch.optim.LBFGS([weight, bias], max_iter=200, line_search_fn="strong_wolfe")

    def closure():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(inputs @ weight + bias, labels)
        loss = loss + l2_weight / 2 * weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return lambda x: (x @ weight + bias).argmax(1)


def accuracy(predict, inputs, labels):
    return (predict(inputs) == labels).float().mean().item()


def choose(inputs, labels, classes):
    fold = torch.randperm(len(labels), generator=torch.Generator().manual_seed(1)) % FOLDS

    def validated(l2_weight):
        return np.mean([
            accuracy(fit(inputs[fold != k], labels[fold != k], classes, l2_weight),
                     inputs[fold == k], labels[fold == k]) for k in range(FOLDS)])

    return max(L2_WEIGHTS, key=validated)


def report(name, source, targets):
    inputs, labels = source
    classes = int(labels.max()) + 1
    l2_weight = choose(inputs, labels, classes)
    predict = fit(inputs, labels, classes, l2_weight)
    found = " ".join(f"{of} {100 * accuracy(predict, *target):.1f} %" for of, target in targets)
    print(f"{name}, L2 weight {l2_weight:g}: {found}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    beside = pathlib.Path(__file__).resolve().parents[3] / "shared/data"
    parser.add_argument("--data", type=pathlib.Path, default=beside)
    folder = parser.parse_args().data
    if not folder.exists():
        print(f"skipped: no data sets under {folder}")
        return
    for source, target in (("books", "kitchen"), ("kitchen", "books")):
        report(f"{source} -> {target}", amazon(folder, source, "train"),
               [("accuracy", amazon(folder, target, "test"))])
    inputs, labels = gas(folder, 1)
    mean, deviation = inputs.mean(0), inputs.std(0).clamp_min(1e-6)
    batches = {batch: gas(folder, batch) for batch in range(2, 6)}
    report("gas 1, standardised by batch 1", ((inputs - mean) / deviation, labels),
           [(f"batch {b}", ((x - mean) / deviation, y)) for b, (x, y) in batches.items()])
    report("gas 1, each batch standardised by itself", ((inputs - mean) / deviation, labels),
           [(f"batch {b}", ((x - x.mean(0)) / x.std(0).clamp_min(1e-6), y))
            for b, (x, y) in batches.items()])


if __name__ == "__main__":
    main()
