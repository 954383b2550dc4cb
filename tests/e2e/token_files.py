"""Makes a text classifier and its data: a folder with encoder.pt2, source.npz and target.npz.

    token_files.py make DIR            an encoder of four layers, trained on the source
    token_files.py accuracy FILE DATA  of a .pt2 on a .npz with labels

Text is token ids [N, L] with an attention mask beside them. Of each sample some tokens tell the
class; the target domain has fewer of those, and its other tokens are none of the source's.
"""
import pathlib
import sys
import warnings

warnings.filterwarnings("ignore")

import numpy
import torch
import torch.nn.functional as F

sys.path.append(str(pathlib.Path(__file__).parents[1] / "core/model"))
from exported_models import CLASSES, TokenEncoder

LENGTH, WIDTH, HEADS, VOCABULARY = 16, 32, 4, 64
FIRST_TOKEN, TOKENS_OF_A_CLASS = 4, 6
SOURCE_FILLERS, TARGET_FILLERS = (24, 44), (44, 64)


def text(count, share, fillers, seed):
    random = numpy.random.default_rng(seed)
    labels = random.integers(0, CLASSES, count)
    telling = FIRST_TOKEN + labels[:, None] * TOKENS_OF_A_CLASS + random.integers(
        0, TOKENS_OF_A_CLASS, (count, LENGTH))
    ids = numpy.where(random.random((count, LENGTH)) < share, telling,
                      random.integers(*fillers, (count, LENGTH)))
    ids[:, 0] = 1  # stands for the whole
    mask = numpy.arange(LENGTH)[None] < random.integers(LENGTH // 2, LENGTH + 1, (count, 1))
    ids[~mask] = 0
    return {"input_ids": ids.astype(numpy.int64), "attention_mask": mask.astype(numpy.int64),
            "labels": labels.astype(numpy.int64)}


def make(folder):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    source = text(600, 0.4, SOURCE_FILLERS, 1)
    numpy.savez(f"{folder}/source.npz", **source)
    numpy.savez(f"{folder}/target.npz", **text(400, 0.2, TARGET_FILLERS, 2))
    model = TokenEncoder(WIDTH, HEADS, VOCABULARY, LENGTH)
    optimizer = torch.optim.Adam(model.parameters(), 2e-3)
    ids, mask, labels = (torch.from_numpy(source[name])
                         for name in ("input_ids", "attention_mask", "labels"))
    for step in range(150):
        rows = torch.randint(0, len(ids), (64,))
        optimizer.zero_grad()
        F.cross_entropy(model(ids[rows], mask[rows]), labels[rows]).backward()
        optimizer.step()
    batch = torch.export.Dim("batch")
    program = torch.export.export(model.eval(), (ids[:2], mask[:2]),
                                  dynamic_shapes=({0: batch}, {0: batch}))
    torch.export.save(program, f"{folder}/encoder.pt2")


def accuracy(file, data):
    arrays = numpy.load(data)
    ids, mask, labels = (torch.from_numpy(arrays[name])
                         for name in ("input_ids", "attention_mask", "labels"))
    logits = torch.export.load(file).module()(ids, mask)
    print((logits.argmax(1) == labels).double().mean().item())


if __name__ == "__main__":
    {"make": make, "accuracy": accuracy}[sys.argv[1]](*sys.argv[2:])
