"""Makes the programs of torch.export that the tests read, and opens those that the tests wrote.

    exported_models.py make DIR             NAME.pt2, the TorchScript NAME.pt of the same network, and in
                                            NAME.expected.safetensors what Python computes
    exported_models.py small DIR            the few that are kept in tests/data/exported
    exported_models.py check FILE EXPECTED  fails unless a saved FILE gives what EXPECTED holds, a
                                            safetensors file with inputs, logits and, for some, weights
    exported_models.py serve                commands as above from standard input, one a line

Needs PyTorch 2.13 and numpy.
"""
import json
import struct
import warnings

warnings.filterwarnings("ignore")

import numpy
import torch
import torch.nn as nn
import torch.nn.functional as F

import python_commands

CLASSES = 3


class CNN(nn.Module):
    """Convolutions, batch norm, dropout."""

    def __init__(self, dropout):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4)
        self.conv2, self.bn2 = nn.Conv2d(4, 6, 3), nn.BatchNorm2d(6)
        self.drop, self.fc = nn.Dropout(dropout), nn.Linear(6 * 9, CLASSES)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 2)
        x = F.relu(self.bn2(self.conv2(x)))
        return self.fc(self.drop(x.flatten(1)))


class Attention(nn.Module):
    def __init__(self, width, heads, dropout):
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, t, d = x.shape
        qkv = self.qkv(x).view(n, t, 3, self.heads, d // self.heads).permute(2, 0, 3, 1, 4)
        a = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2],
                                           dropout_p=self.dropout if self.training else 0.0)
        return self.out(a.transpose(1, 2).reshape(n, t, d))


class Transformer(nn.Module):
    """Patches of an image, a class token, one block of attention, layer norm; ends with softmax."""

    def __init__(self, dropout, attention_dropout):
        super().__init__()
        width = 8
        self.patch = nn.Conv2d(1, width, 4, 4)
        self.token = nn.Parameter(torch.randn(1, 1, width))
        self.position = nn.Parameter(torch.randn(1, 10, width))
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, 2, attention_dropout)
        self.mlp = nn.Sequential(nn.Linear(width, 16), nn.GELU(), nn.Dropout(dropout),
                                 nn.Linear(16, width))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, CLASSES)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        x = x + self.attention(self.norm1(x))
        x = x + self.mlp(self.norm2(x))
        return torch.softmax(self.head(self.norm(x)[:, 0]), -1)


class Attender(nn.Module):
    """Attention alone."""

    def __init__(self, dropout):
        super().__init__()
        self.patch, self.token = nn.Conv2d(1, 4, 4, 4), nn.Parameter(torch.randn(1, 1, 4))
        self.attention, self.head = Attention(4, 2, dropout), nn.Linear(4, CLASSES)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1)
        return torch.softmax(self.head(self.attention(x)[:, 0]), -1)


class Encoder(nn.Module):
    """PyTorch's own encoder layer."""

    def __init__(self, dropout):
        super().__init__()
        layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=dropout, batch_first=True)
        self.rows = nn.Linear(12, 8)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8, CLASSES)

    def forward(self, x):
        return self.head(self.encoder(self.rows(x.squeeze(1))).mean(1))


class TokenEncoder(nn.Module):
    """Token ids and which of them are padding, as encoders of the BERT kind take them."""

    LAYERS = 4

    def __init__(self, width, heads, words, length):
        super().__init__()
        self.heads = heads
        self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
        self.norm = nn.LayerNorm(width)
        self.layers = nn.ModuleList()
        for _ in range(self.LAYERS):
            self.layers.append(nn.ModuleDict({
                "query": nn.Linear(width, width), "key": nn.Linear(width, width),
                "value": nn.Linear(width, width), "out": nn.Linear(width, width),
                "norm1": nn.LayerNorm(width), "wide": nn.Linear(width, 2 * width),
                "narrow": nn.Linear(2 * width, width), "norm2": nn.LayerNorm(width)}))
        self.drop, self.pooler = nn.Dropout(0.1), nn.Linear(width, width)
        self.classifier = nn.Linear(width, CLASSES)

    def forward(self, input_ids, attention_mask):
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = self.drop(self.norm(self.words(input_ids) + self.places(places)))
        hidden = (1.0 - attention_mask.to(x.dtype))[:, None, None, :] * -1e4
        for layer in self.layers:
            q, k, v = (layer[name](x).unflatten(-1, (self.heads, -1)).transpose(1, 2)
                       for name in ("query", "key", "value"))
            a = F.scaled_dot_product_attention(q, k, v, attn_mask=hidden)
            x = layer["norm1"](x + self.drop(layer["out"](a.transpose(1, 2).flatten(2))))
            x = layer["norm2"](x + self.drop(layer["narrow"](F.gelu(layer["wide"](x)))))
        return self.classifier(self.drop(torch.tanh(self.pooler(x[:, 0]))))


class Residual(nn.Module):
    def __init__(self, width, out, stride):
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(width, out, 3, stride, 1, bias=False), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out)
        self.shortcut = nn.Identity()
        if stride != 1 or width != out:
            self.shortcut = nn.Sequential(nn.Conv2d(width, out, 1, stride, bias=False),
                                          nn.BatchNorm2d(out))
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x):
        y = self.bn2(self.conv2(self.relu(self.bn1(self.conv1(x)))))
        return self.relu(y + self.shortcut(x))


class ResNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 4, 3, 1, 1, bias=False), nn.BatchNorm2d(4), nn.ReLU())
        self.layer1 = nn.Sequential(Residual(4, 4, 1), Residual(4, 8, 2))
        self.layer2 = nn.Sequential(Residual(8, 8, 1), Residual(8, 12, 2))
        self.fc = nn.Linear(12, CLASSES)

    def forward(self, x):
        x = self.layer2(self.layer1(self.stem(x)))
        return self.fc(F.adaptive_avg_pool2d(x, 1).view(x.size(0), -1))


class Odd(nn.Module):
    """Tied weights, a buffer that is not persistent, group norm, tensors that are not float."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(144, 144, bias=False), nn.Linear(144, 144, bias=False)
        self.second.weight = self.first.weight
        self.norm, self.fc = nn.GroupNorm(4, 144), nn.Linear(144, CLASSES)
        self.unused = nn.Linear(2, 2)
        self.register_buffer("mean", torch.tensor(0.25), persistent=False)
        self.register_buffer("order", torch.randperm(144))
        self.register_buffer("scale", torch.rand(144).half())
        self.register_buffer("calls", torch.zeros((), dtype=torch.int32))

    def forward(self, x):
        self.calls.add_(1)
        x = (x.flatten(1) - self.mean)[:, self.order] * self.scale.float()
        x = torch.tanh(self.second(torch.tanh(self.first(x))))
        return self.fc(self.norm(x))


class Flagged(nn.Module):
    """A mask that has no effect, and a flag with a default."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(144, CLASSES)

    def forward(self, x, mask=None, scale: bool = True):
        return self.fc(x.flatten(1) * 0.5 if scale else x.flatten(1))


class Masked(Flagged):
    def forward(self, x, mask):
        return self.fc(x.flatten(1) * mask)


class Several(Flagged):
    def forward(self, x):
        features = x.flatten(1)
        return {"logits": self.fc(features), "features": features}


class Flat(Flagged):
    """The size of its one batch is written into it."""

    def forward(self, x):
        return self.fc(x.reshape(x.shape[0], -1))


class Branching(Flagged):
    def forward(self, x):
        x = x.flatten(1)
        x = torch.cond(x.sum() > 0, lambda x: x.sin(), lambda x: x.cos(), (x,))
        return self.fc(x)


# name: the network, its head, exported in training mode, decomposed
MODELS = {
    "cnn": (lambda: CNN(0.5), "fc", False, False),
    "cnn_training": (lambda: CNN(0.5), "fc", True, False),
    "cnn_core": (lambda: CNN(0.0), "fc", False, True),
    "cnn_training_core": (lambda: CNN(0.5), "fc", True, True),
    "attention": (lambda: Attender(0.5), "head", True, False),
    "transformer": (lambda: Transformer(0.1, 0.0), "head", False, False),
    "transformer_training": (lambda: Transformer(0.1, 0.2), "head", True, False),
    "transformer_core": (lambda: Transformer(0.0, 0.0), "head", False, True),
    "encoder": (lambda: Encoder(0.0), "head", False, False),
    "encoder_training": (lambda: Encoder(0.1), "head", True, False),
    "encoder_core": (lambda: Encoder(0.0), "head", False, True),
    "resnet": (ResNet, "fc", False, False),
    "resnet_core": (ResNet, "fc", False, True),
    "resnet_training_core": (ResNet, "fc", True, True),
    "odd": (Odd, "fc", False, False),
    "odd_core": (Odd, "fc", False, True),
}
SMALL = ["cnn", "cnn_training", "cnn_core", "attention"]


def export(model, arguments, training, decomposed=False, name_batch=True, bare=False):
    shapes = None
    if name_batch:
        shapes = tuple({0: torch.export.Dim("batch")} if i == 0 else None for i in range(len(arguments)))
    program = torch.export.export(model.train(training), arguments, dynamic_shapes=shapes)
    if decomposed:
        program = program.run_decompositions()
    for node in program.graph.nodes:  # no paths of the machine that made it
        for key in ("stack_trace", "from_node", "source_fn_stack"):
            node.meta.pop(key, None)
        for key in ("nn_module_stack", "torch_fn") if bare else ():
            node.meta.pop(key, None)
    return program


def save_safetensors(path, tensors):
    names = {torch.float32: "F32", torch.float16: "F16", torch.int64: "I64", torch.int32: "I32"}
    header, data = {}, b""
    for name, tensor in tensors.items():
        raw = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": names[tensor.dtype], "shape": list(tensor.shape),
                        "data_offsets": [len(data), len(data) + len(raw)]}
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def load_safetensors(path):
    types = {"F32": numpy.float32, "F16": numpy.float16, "I64": numpy.int64, "I32": numpy.int32}
    content = open(path, "rb").read()
    (length,) = struct.unpack("<Q", content[:8])
    tensors = {}
    for name, entry in json.loads(content[8:8 + length]).items():
        if name == "__metadata__":
            continue
        begin, end = entry["data_offsets"]
        raw = numpy.frombuffer(content[8 + length + begin:8 + length + end], types[entry["dtype"]])
        tensors[name] = torch.from_numpy(raw.reshape(entry["shape"]).copy())
    return tensors


def run(model, head, x, training):
    """Features and logits at the head, gradients of the summed cross entropy, and statistics."""
    seen = {}
    hook = model.get_submodule(head).register_forward_hook(
        lambda m, i, o: seen.update(features=i[0], logits=o))
    model.train(training)
    model.zero_grad()
    model(x)
    hook.remove()
    F.cross_entropy(seen["logits"], torch.arange(len(x)) % CLASSES, reduction="sum").backward()
    mode = "train" if training else "eval"
    result = {mode + ":features": seen["features"], mode + ":logits": seen["logits"]}
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            result[mode + ":grad:" + name] = parameter.grad.clone()
    for name, buffer in model.named_buffers():
        result[mode + ":buffer:" + name] = buffer.clone()
    return result


def made(name):
    """The network of that name and its inputs, always the same."""
    build, head, training, decomposed = MODELS[name]
    torch.manual_seed(3)
    model = build()
    for module in model.modules():  # statistics and scales that differ from their defaults
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.1), module.running_var.uniform_(0.5, 1.5)
            nn.init.uniform_(module.weight, 0.5, 1.5)
    return model, torch.randn(5, 1, 12, 12)


def make_model(folder, name, bare=False):
    build, head, training, decomposed = MODELS[name]
    model, x = made(name)
    original = {k: v.clone() for k, v in model.state_dict().items()}
    # Exported at another batch size than the one that is compared.
    program = export(model, (x[:2],), training, decomposed, bare=bare)
    torch.export.save(program, f"{folder}/{name}.pt2")
    model.load_state_dict(original)
    if name.startswith(("encoder", "odd")):  # scripted, they look at their own sizes
        traced = torch.jit.trace(model.train(training), x, check_trace=False)
        model.load_state_dict(original)  # tracing ran the model
        traced.save(f"{folder}/{name}.pt")
    elif not bare:
        torch.jit.script(model).save(f"{folder}/{name}.pt")
    expected = {"inputs": x}
    expected.update(run(model, head, x, False))
    model.load_state_dict(original)
    expected.update(run(model, head, x, True))
    save_safetensors(f"{folder}/{name}.expected.safetensors", expected)


def make(folder):
    for name in MODELS:
        make_model(folder, name)
    x = torch.randn(2, 1, 12, 12)
    torch.export.save(export(Flagged().eval(), (x, torch.ones(2)), False), f"{folder}/flagged.pt2")
    torch.export.save(export(Masked().eval(), (x, torch.ones(144)), False), f"{folder}/masked.pt2")
    torch.export.save(export(Several().eval(), (x,), False), f"{folder}/several.pt2")
    for count in (1, 2, 4):
        program = export(Flat().eval(), (torch.randn(count, 1, 12, 12),), False, name_batch=False)
        torch.export.save(program, f"{folder}/fixed{count}.pt2")
    program = export(CNN(0.0).eval(), (torch.randn(4, 1, 12, 12),), False, name_batch=False)
    torch.export.save(program, f"{folder}/unnamed.pt2")
    torch.export.save(export(Branching().eval(), (x,), False), f"{folder}/branching.pt2")
    halves(folder)
    tokens(folder)


def halves(folder):
    """half.pt2, and what the same weights make in float."""
    torch.manual_seed(3)
    model, x = CNN(0.0).eval().half(), torch.randn(5, 1, 12, 12)
    torch.export.save(export(model, (x[:2].half(),), False), f"{folder}/half.pt2")
    save_safetensors(f"{folder}/half.expected.safetensors",
                     {"inputs": x, "logits": model.float()(x)})


def tokens(folder):
    """tokens.pt2, the traced tokens.pt, and what they make of token ids and masks."""
    torch.manual_seed(3)
    model = TokenEncoder(width=16, heads=2, words=50, length=12).eval()
    ids, mask = torch.randint(0, 50, (5, 12)), torch.ones(5, 12, dtype=torch.int64)
    mask[:, 9:] = 0
    batch = torch.export.Dim("batch")
    program = torch.export.export(model, (ids[:2], mask[:2]), dynamic_shapes=({0: batch}, {0: batch}))
    torch.export.save(program, f"{folder}/tokens.pt2")
    torch.jit.trace(model, (ids, mask), check_trace=False).save(f"{folder}/tokens.pt")
    save_safetensors(f"{folder}/tokens.expected.safetensors",
                     {"input_ids": ids, "attention_mask": mask, "logits": model(ids, mask)})


def small(folder):
    for name in SMALL:
        make_model(folder, name, bare=True)


def check(saved, expected):
    tensors = load_safetensors(expected)
    program = torch.export.load(saved)
    # Before the forward pass, which may change buffers.
    state = {name: tensor.clone() for name, tensor in (program.state_dict | program.constants).items()
             if isinstance(tensor, torch.Tensor)}
    with torch.no_grad():
        logits = program.module()(tensors["inputs"])
    difference = (logits - tensors["logits"]).abs().max().item()
    assert difference <= 1e-5, difference
    for name, tensor in tensors.items():
        if name.startswith("state:"):
            assert torch.equal(state[name[6:]], tensor), name


if __name__ == "__main__":
    python_commands.run({"make": make, "small": small, "check": check})
