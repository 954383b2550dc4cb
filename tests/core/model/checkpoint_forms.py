"""Makes checkpoints as other people's scripts leave them, and opens those that the tests wrote.

    checkpoint_forms.py make DIR              what make() names below, and the tensors of the model
                                              in NAME.expected.pt
    checkpoint_forms.py check FILE KEYS PREFIX EXPECTED
                                              fails unless the state dict in FILE, under KEYS
                                              ("-" or "a/b") and with PREFIX ("-": none) in front of
                                              its names, has the tensors and types of EXPECTED
    checkpoint_forms.py types FILE TYPES      fails unless the parameters of the TorchScript in FILE
                                              have these types ("float16,float32")
    checkpoint_forms.py serve                 commands as above from standard input, one a line
"""
import warnings
import zipfile

import torch
import torch.nn as nn
import torch.nn.functional as F

import python_commands

warnings.filterwarnings("ignore")


class Mlp(nn.Module):
    """The built-in architecture `mlp` for samples [8] of three classes."""

    def __init__(self):
        super().__init__()
        self.fc1, self.bn1 = nn.Linear(8, 512), nn.BatchNorm1d(512)
        self.fc2, self.bn2 = nn.Linear(512, 512), nn.BatchNorm1d(512)
        self.bottleneck = nn.Sequential(nn.Linear(512, 256), nn.BatchNorm1d(256))
        self.fc = nn.Linear(256, 3)

    def forward(self, x):
        x = torch.relu(self.bn1(self.fc1(x.flatten(1))))
        x = torch.relu(self.bn2(self.fc2(x)))
        return self.fc(torch.relu(self.bottleneck(x)))


class Net(nn.Module):
    """Images [3, 16, 16] of four classes."""

    def __init__(self, outputs=4):
        super().__init__()
        self.conv, self.bn = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
        self.fc = nn.Linear(8, outputs)

    def features(self, x):
        return F.relu(self.bn(self.conv(x))).mean((2, 3))

    def forward(self, x):
        return self.fc(self.features(x))


class DoubleHead(Net):
    def __init__(self):
        super().__init__()
        self.fc.double()

    def forward(self, x):
        return self.fc(self.features(x).double())


class ArgMax(Net):
    def forward(self, x):
        return self.fc(self.features(x)).argmax(1)


class Segmenting(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 5, 1)

    def forward(self, x):
        return self.head(F.relu(self.conv(x)))


class FixedView(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(3, 2, 3), nn.Linear(2 * 14 * 14, 4)

    def forward(self, x):
        return self.fc(self.conv(x).view(3, -1))


class Outputs(Net):
    """A dictionary of the logits and what else the training needs."""

    def forward(self, x):
        f = self.features(x)
        return {"logits": self.fc(f), "features": f}


class LayerNormed(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.norm, self.fc = nn.Linear(8, 16), nn.LayerNorm(16), nn.Linear(16, 3)

    def forward(self, x):
        return self.fc(F.relu(self.norm(self.fc1(x)))), x


class OnGpu(Net):
    """Names the device, as a trace that was made on a GPU does."""

    def forward(self, x):
        return self.fc(self.features(x) * torch.ones(8, device=torch.device("cuda:0")))


class MovesToGpu(Net):
    def forward(self, x):
        return self.fc(self.features(x).cuda())


def save_tensors(path, tensors):
    class Holder(nn.Module):
        pass
    holder = Holder()
    for i, (name, tensor) in enumerate(tensors.items()):
        holder.register_buffer("t%d" % i, tensor.contiguous())
    holder.names = "|".join(tensors)
    torch.jit.script(holder).save(path)


def load_tensors(path):
    holder = torch.jit.load(path)
    return dict(zip(holder.names.split("|"), [b for _, b in holder.named_buffers()]))


def prefixed(prefix, state):
    return {prefix + name: tensor for name, tensor in state.items()}


def make(folder):
    torch.manual_seed(3)
    mlp = Mlp().eval()
    state = mlp.state_dict()
    x = torch.randn(5, 8)
    save_tensors(f"{folder}/mlp.expected.pt", {"inputs": x, "logits": mlp(x).detach()})

    def save(name, value, **options):
        torch.save(value, f"{folder}/{name}.pth", **options)

    save("plain", state)
    save("module", prefixed("module.", state))
    save("compiled", prefixed("_orig_mod.", state))
    save("nested_prefixes", prefixed("module._orig_mod.model.", state))
    save("lightning", {"state_dict": {**prefixed("model.", state), "criterion.weight": torch.ones(3)},
                       "epoch": 3, "hyper_parameters": {"lr": 0.1}})
    optimizer = torch.optim.Adam(mlp.parameters())
    F.cross_entropy(mlp(x), torch.tensor([0, 1, 2, 0, 1])).backward()
    optimizer.step()
    state = mlp.state_dict()
    save_tensors(f"{folder}/net.expected.pt", {"inputs": x, "logits": mlp(x).detach()})
    save("net", {"net": state, "epoch": torch.tensor(3), "optimizer": optimizer.state_dict()})
    save("deep", {"trainer": {"weights": {"net": state}}})
    save("two", {"G": {k: v for k, v in state.items() if not k.startswith("fc.")},
                 "C": {k: v for k, v in state.items() if k.startswith("fc.")}})
    save("none", {"epoch": 3, "config": {"lr": 0.1}})
    save("legacy", state, _use_new_zipfile_serialization=False)
    save("legacy_nested", {"state_dict": prefixed("module.", state)},
         _use_new_zipfile_serialization=False)
    save("legacy_module", mlp, _use_new_zipfile_serialization=False)
    save("whole_module", mlp)
    save("half", {k: v.half() if v.is_floating_point() else v for k, v in state.items()})
    save("bfloat16", {k: v.bfloat16() if v.is_floating_point() else v for k, v in state.items()})
    save("mixed", {k: v.double() if k.startswith("fc.") else v for k, v in state.items()})
    save("shared", shared(state))
    save("foreign", {"features.0.weight": torch.ones(3, 3), "classifier.weight": torch.ones(2, 3)})

    image = torch.randn(4, 3, 16, 16)
    torch.manual_seed(5)
    half = Net().eval()
    torch.jit.script(Net().eval()).save(f"{folder}/net.pt")
    save_tensors(f"{folder}/half_script.expected.pt", {"inputs": image, "logits": rounded(half)(image)})
    torch.jit.script(half.half()).save(f"{folder}/half_script.pt")
    double = DoubleHead().eval()
    torch.jit.script(double).save(f"{folder}/double_head.pt")
    torch.jit.trace(double, image).save(f"{folder}/double_head_traced.pt")
    save_tensors(f"{folder}/double_head.expected.pt",
                 {"inputs": image, "logits": double(image).detach().float()})
    torch.jit.freeze(torch.jit.script(Net().eval())).save(f"{folder}/frozen.pt")
    torch.jit.script(ArgMax().eval()).save(f"{folder}/argmax.pt")
    torch.jit.script(Net(1).eval()).save(f"{folder}/one_logit.pt")
    torch.jit.script(Segmenting().eval()).save(f"{folder}/segmenting.pt")
    torch.jit.trace(FixedView().eval(), image[:3]).save(f"{folder}/fixed_batch.pt")
    torch.jit.trace(Outputs().eval(), image, strict=False).save(f"{folder}/outputs.pt")
    torch.jit.script(LayerNormed().eval()).save(f"{folder}/layer_norm.pt")
    torch.jit.script(OnGpu().eval()).save(f"{folder}/on_gpu.pt")
    torch.jit.script(MovesToGpu().eval()).save(f"{folder}/moves_to_gpu.pt")
    with zipfile.ZipFile(f"{folder}/torch_1_1.pt", "w") as archive:
        archive.writestr("old/version", "1\n")
        archive.writestr("old/model.json", "{}")


def rounded(model):
    """The network whose weights have been half precision, in float."""
    copy = Net(model.fc.out_features).eval()
    copy.load_state_dict({k: v.half().float() if v.is_floating_point() else v
                          for k, v in model.state_dict().items()})
    return copy.requires_grad_(False)


def shared(state):
    """All tensors as views of one storage for each type."""
    views, flat = {}, torch.cat([v.reshape(-1).float() for v in state.values()])
    begin = 0
    for name, tensor in state.items():
        views[name] = flat[begin:begin + tensor.numel()].view(tensor.shape)
        begin += tensor.numel()
    return views


def check(saved, keys, prefix, expected):
    state = torch.load(saved, weights_only=True)
    for key in [] if keys == "-" else keys.split("/"):
        assert list(state) == [key], list(state)
        state = state[key]
    prefix = "" if prefix == "-" else prefix
    wanted = {prefix + name: tensor for name, tensor in load_tensors(expected).items()}
    assert set(state) == set(wanted), set(state) ^ set(wanted)
    for name, tensor in wanted.items():
        assert state[name].dtype == tensor.dtype, (name, state[name].dtype, tensor.dtype)
        assert torch.equal(state[name], tensor), name


def types(saved, wanted):
    found = {str(p.dtype).split(".")[1] for p in torch.jit.load(saved).parameters()}
    assert found == set(wanted.split(",")), found


if __name__ == "__main__":
    python_commands.run({"make": make, "check": check, "types": types})
