"""Makes a text classifier and its data: a folder with encoder.pt2, source.npz and target.npz.

    token_files.py make DIR            an encoder of four layers, trained on the source
    token_files.py accuracy FILE DATA  of a .pt2 on a .npz with labels

Text is token ids [N, L] with an attention mask beside them. Of each sample some tokens tell the
class; the target domain has fewer of those, and its other tokens are none of the source's.
"""
import sys
import warnings

warnings.filterwarnings("ignore")

import numpy
import torch
import torch.nn as nn
import torch.nn.functional as F

CLASSES, LENGTH, WIDTH, LAYERS, VOCABULARY = 3, 16, 32, 4, 64
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


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.places = nn.Embedding(VOCABULARY, WIDTH), nn.Embedding(LENGTH, WIDTH)
        self.norm, self.drop = nn.LayerNorm(WIDTH), nn.Dropout(0.1)
        self.layers = nn.ModuleList()
        for _ in range(LAYERS):
            self.layers.append(nn.ModuleDict({
                "query": nn.Linear(WIDTH, WIDTH), "key": nn.Linear(WIDTH, WIDTH),
                "value": nn.Linear(WIDTH, WIDTH), "out": nn.Linear(WIDTH, WIDTH),
                "norm1": nn.LayerNorm(WIDTH), "wide": nn.Linear(WIDTH, 2 * WIDTH),
                "narrow": nn.Linear(2 * WIDTH, WIDTH), "norm2": nn.LayerNorm(WIDTH)}))
        self.pooler, self.classifier = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, input_ids, attention_mask):
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.drop(self.norm(self.words(input_ids) + self.places(places)))
        hidden = (1.0 - attention_mask.to(x.dtype))[:, None, None, :] * -1e4
        for layer in self.layers:
            q, k, v = (layer[name](x).unflatten(-1, (4, -1)).transpose(1, 2)
                       for name in ("query", "key", "value"))
            a = F.scaled_dot_product_attention(q, k, v, attn_mask=hidden)
            x = layer["norm1"](x + self.drop(layer["out"](a.transpose(1, 2).flatten(2))))
            x = layer["norm2"](x + self.drop(layer["narrow"](F.gelu(layer["wide"](x)))))
        return self.classifier(self.drop(torch.tanh(self.pooler(x[:, 0]))))


def make(folder):
    torch.manual_seed(1)
    torch.set_num_threads(1)
    source = text(600, 0.4, SOURCE_FILLERS, 1)
    numpy.savez(f"{folder}/source.npz", **source)
    numpy.savez(f"{folder}/target.npz", **text(400, 0.2, TARGET_FILLERS, 2))
    model = Encoder()
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
