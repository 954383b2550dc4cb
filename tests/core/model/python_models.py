"""Makes the checkpoints that the tests read, and opens those that the tests wrote.

    python_models.py make DIR              NAME.<script|trace_eval|trace_train>.pt, NAME.pth, and in
                                           NAME.expected.pt what Python computes with them
    python_models.py check FILE EXPECTED   fails unless a saved FILE gives what EXPECTED holds
    python_models.py serve                 commands as above from standard input, one a line
"""
import os

import torch
import torch.nn as nn
import torch.nn.functional as F
import torchvision

import python_commands


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.mlp = nn.Sequential(nn.Linear(width, 64), nn.GELU(), nn.Dropout(0.1), nn.Linear(64, width))

    def forward(self, x):
        n, t, d = x.shape
        q, k, v = self.qkv(self.norm1(x)).view(n, t, 3, 4, d // 4).permute(2, 0, 3, 1, 4).unbind(0)
        a = torch.softmax(q @ k.transpose(-2, -1) / (d // 4) ** 0.5, dim=-1)
        x = x + self.out((a @ v).transpose(1, 2).reshape(n, t, d))
        return x + self.mlp(self.norm2(x))


class SmallViT(nn.Module):
    def __init__(self):
        super().__init__()
        self.patch = nn.Conv2d(3, 32, 8, 8)
        self.token = nn.Parameter(torch.randn(1, 1, 32))
        self.position = nn.Parameter(torch.randn(1, 17, 32))
        self.blocks = nn.Sequential(Block(32), Block(32))
        self.norm, self.head = nn.LayerNorm(32), nn.Linear(32, 10)

    def forward(self, x):
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 5), nn.Conv2d(8, 16, 5)
        self.bn = nn.BatchNorm2d(16)
        self.drop2d, self.drop = nn.Dropout2d(0.5), nn.Dropout(0.5)
        self.fc1, self.fc = nn.Linear(16 * 5 * 5, 32), nn.Linear(32, 10)

    def forward(self, x):
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.drop2d(self.bn(self.conv2(x))), 2))
        x = self.drop(F.relu(self.fc1(x.flatten(1))))
        return F.log_softmax(self.fc(x), 1)


def small_vgg11_bn():
    model = torchvision.models.vgg11_bn(num_classes=10)
    model.avgpool = nn.AdaptiveAvgPool2d(1)  # the original's classifier has 120 million weights
    model.classifier[0], model.classifier[3] = nn.Linear(512, 256), nn.Linear(256, 256)
    model.classifier[6] = nn.Linear(256, 10)
    return model


def small_vision_transformer():
    return torchvision.models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=32, mlp_dim=64, num_classes=10)


def small_densenet():
    return torchvision.models.DenseNet(
        growth_rate=8, block_config=(2, 2, 2), num_init_features=16, num_classes=10)


class GroupNormed(nn.Module):
    """Scripted, its normalisation reads sizes for a check."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(3, 8, 3, 2), nn.Conv2d(8, 8, 3, 2)
        self.norm1, self.norm2 = nn.GroupNorm(2, 8), nn.GroupNorm(4, 8)
        self.fc = nn.Linear(8 * 7 * 7, 10)

    def forward(self, x):
        x = F.relu(self.norm1(self.conv1(x)))
        return self.fc(F.relu(self.norm2(self.conv2(x))).flatten(1))


class ViewedHead(nn.Module):
    """Asks its inputs for their size behind the head."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8 * 15 * 15, 10)

    def forward(self, x):
        y = F.relu(self.norm(self.conv(x))).view(x.size(0), -1)
        return self.fc(y).view(x.size(0), -1)


class ScaledHead(ViewedHead):
    def forward(self, x):
        y = self.fc(F.relu(self.norm(self.conv(x))).flatten(1))
        return y.view(x.shape[0], -1) * 2.0


class ChoosingHead(ViewedHead):
    """No one layer leads to its output."""

    def forward(self, x):
        y = F.relu(self.norm(self.conv(x))).flatten(1)
        if y.size(0) > 1000:
            return self.fc(y)
        else:
            return self.fc(y) + y[:, :10]


def flattened(model):
    """All parameters as views of one storage, as some optimisers leave them."""
    parameters = list(model.parameters())
    flat = torch.cat([p.detach().reshape(-1) for p in parameters])
    begin = 0
    for p in parameters:
        p.data = flat[begin:begin + p.numel()].view(p.shape)
        begin += p.numel()
    return model


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(16, 16), nn.Linear(16, 16)
        self.second.weight = self.first.weight
        self.fc = nn.Linear(16, 10)

    def forward(self, x):
        return self.fc(torch.relu(self.second(torch.relu(self.first(x)))))


class Printing(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc = nn.Linear(4, 3)

    def forward(self, x):
        print("hello")
        return self.fc(x)


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
                return os.system, ("touch " + self.path,)


MODELS = {
    "resnet18": (lambda: torchvision.models.resnet18(num_classes=10), "fc"),
    "mobilenet_v2": (lambda: torchvision.models.mobilenet_v2(num_classes=10), "classifier.1"),
    "vgg11_bn": (small_vgg11_bn, "classifier.6"),
    "vit": (SmallViT, "head"),
    "lenet": (LeNet, "fc"),
    "vision_transformer": (small_vision_transformer, "heads.head"),
    "densenet": (small_densenet, "classifier"),
    "group_norm": (GroupNormed, "fc"),
    "viewed_head": (ViewedHead, "fc"),
}


def run(model, head, x, training):
    """Features and logits at the head layer, and gradients of the summed cross entropy."""
    seen = {}
    layer = model.get_submodule(head)
    hook = layer.register_forward_hook(lambda m, i, o: seen.update(features=i[0], logits=o))
    model.train(training)
    model.zero_grad()
    torch.manual_seed(7)
    model(x)
    hook.remove()
    F.cross_entropy(seen["logits"], torch.arange(len(x)) % 10, reduction="sum").backward()
    mode = "train" if training else "eval"
    result = {mode + ":features": seen["features"].detach(), mode + ":logits": seen["logits"].detach()}
    for name, p in model.named_parameters():
        result[mode + ":grad:" + name] = p.grad.clone()
    return result


def save_tensors(path, tensors):
    """The tensors as a TorchScript module's buffers: C++ reads it with torch::jit::load."""
    class Holder(nn.Module):
        pass
    holder = Holder()
    for i, (name, tensor) in enumerate(tensors.items()):
        holder.register_buffer("t%d" % i, tensor.contiguous())
    holder.names = "|".join(tensors)
    torch.jit.script(holder).save(path)


def make(folder):
    for name, (build, head) in MODELS.items():
        torch.manual_seed(3)
        model = build()
        for module in model.modules():  # statistics and scales that differ from their defaults
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.1), module.running_var.uniform_(0.5, 1.5)
                nn.init.uniform_(module.weight, 0.5, 1.5)
        x = torch.randn(4, 3, 32, 32)
        torch.save(model.state_dict(), f"{folder}/{name}.pth")
        original = {k: v.clone() for k, v in model.state_dict().items()}
        script = torch.jit.script(model)
        script.save(f"{folder}/{name}.script.pt")
        for kind, training in (("trace_eval", False), ("trace_train", True)):
            model.train(training)
            traced = torch.jit.trace(model, x, check_trace=False)
            model.load_state_dict(original)  # tracing moved the running statistics of both
            traced.save(f"{folder}/{name}.{kind}.pt")
        expected = {"inputs": x}
        expected.update(run(model, head, x, False))
        expected.update(run(model, head, x, True))
        save_tensors(f"{folder}/{name}.expected.pt", expected)
    torch.jit.script(Printing()).save(f"{folder}/printing.pt")
    for name, model in (("scaled_head", ScaledHead()), ("choosing_head", ChoosingHead()),
                        ("flattened", flattened(ViewedHead())), ("tied", Tied())):
        torch.jit.script(model).save(f"{folder}/{name}.pt")
    torch.manual_seed(3)
    resnet50 = torchvision.models.resnet50(num_classes=10).eval()
    x = torch.randn(2, 3, 32, 32)
    torch.save({"state_dict": {"module." + k: v for k, v in resnet50.state_dict().items()}, "epoch": 3},
               f"{folder}/resnet50.pth")
    save_tensors(f"{folder}/resnet50.expected.pt", {"inputs": x, "eval:logits": resnet50(x).detach()})
    torch.save({"state_dict": Malicious(f"{folder}/executed")}, f"{folder}/malicious.pth")
    torch.save({"fc.weight": torch.randn(3, 4)}, f"{folder}/legacy.pth",
               _use_new_zipfile_serialization=False)
    small = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    torch.jit.script(small).save(f"{folder}/small.pt")
    torch.save({"fc.weight": torch.randn(3, 4)}, f"{folder}/small.pth")


def check(saved, expected):
    """Exits with the largest difference between the saved module's logits and the expected ones."""
    holder = torch.jit.load(expected)
    tensors = dict(zip(holder.names.split("|"), [b for _, b in holder.named_buffers()]))
    if saved.endswith(".pth"):
        state = torch.load(saved)
        for name, tensor in tensors.items():
            assert torch.equal(state[name], tensor), name
        assert set(state) == set(tensors)
        return
    with torch.no_grad():
        logits = torch.jit.load(saved).eval()(tensors["inputs"])
    difference = (logits - tensors["logits"]).abs().max().item()
    assert difference <= 1e-5, difference


if __name__ == "__main__":
    python_commands.run({"make": make, "check": check})
