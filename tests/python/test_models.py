"""What goes to the server as a model, and what comes back of it."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest

import acclimate
import small_models

torch = pytest.importorskip("torch")
import torch_nets  # noqa: E402

QUICK = {"guard": "off", "selection": "last"}


def adapt(client: Any, model: Any, **options: Any) -> Any:
    options.setdefault("target", small_models.points(300, 1.0, seed=1)[0])
    options.setdefault("method", "tent")
    options.setdefault("hyperparameters", QUICK)
    return client.adapt(model, progress=False, **options)


def trained_net(kind: Any = None) -> Any:
    torch.manual_seed(1)
    model = (kind or torch_nets.VectorNet)()
    if kind is torch_nets.DictionaryNet:
        return model
    return small_models.trained(model, *small_models.points(300))


def test_an_own_module_comes_back_as_its_class(client: Any) -> None:
    model = trained_net()
    model.body[3].eval()  # a mode of its own within one in training
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    held_out = small_models.points(300, 1.0, seed=2)
    adapted, report = adapt(client, model, eval=held_out)
    assert type(adapted) is torch_nets.VectorNet and adapted is not model
    assert adapted.training and not adapted.body[3].training and model.training
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, before[name]), name
    assert not torch.equal(adapted.body[1].weight, model.body[1].weight)
    assert torch.equal(adapted.head.weight, model.head.weight)  # which tent leaves alone
    # The server measured what the module computes here.
    adapted.eval()
    predicted = adapted(torch.from_numpy(held_out[0])).argmax(1).numpy()
    assert report.accuracy == pytest.approx((predicted == held_out[1]).mean(), abs=1e-6)
    assert any("torch.export" in note for note in report.notes)


def test_the_same_model_is_sent_once(client: Any) -> None:
    model = trained_net()
    first = adapt(client, model)[1].job.proto.spec
    inputs, _ = small_models.points(300, 1.0, seed=9)
    second = adapt(client, model, target=inputs)[1].job.proto.spec
    assert first.model.checkpoint == second.model.checkpoint
    assert first.target.blob != second.target.blob


def test_a_dictionary_of_outputs_gives_its_logits(client: Any) -> None:
    model = trained_net(torch_nets.DictionaryNet)
    adapted, report = adapt(client, model)
    assert type(adapted) is torch_nets.DictionaryNet
    assert not torch.equal(adapted.body[1].weight, model.body[1].weight)
    assert any("logits alone" in note for note in report.notes)


def test_what_cannot_be_exported_is_traced_and_compared(client: Any) -> None:
    model = trained_net(torch_nets.DecidingNet)
    adapted, report = adapt(client, model)
    assert type(adapted) is torch_nets.DecidingNet
    assert not torch.equal(adapted.body[1].weight, model.body[1].weight)
    assert any("traced" in note and "torch.export refused" in note for note in report.notes)


def test_a_trace_that_differs_for_another_batch_is_refused(client: Any) -> None:
    model = torch_nets.FixedBatchNet().eval()
    with pytest.raises(
        acclimate.DataError, match=r"neither exported nor traced.*torch\.jit\.trace"
    ):
        adapt(client, model)


def test_a_model_that_does_not_take_the_samples_is_refused(client: Any) -> None:
    with pytest.raises(acclimate.DataError, match=r"samples of target, float32 \[5\]"):
        adapt(client, trained_net(), target=np.zeros((20, 5), np.float32))


def test_a_compiled_module_is_unwrapped(client: Any) -> None:
    adapted, report = adapt(client, torch.compile(trained_net()))
    assert type(adapted) is torch_nets.VectorNet
    assert any("OptimizedModule" in note for note in report.notes)


def test_a_path_gives_a_path(client: Any, tmp_path: Any) -> None:
    path = tmp_path / "model.pt"
    torch.jit.script(trained_net()).save(str(path))
    out = tmp_path / "out"
    adapted, report = adapt(client, path, out=out)
    assert adapted == out / "model.pt"
    assert {"report.json", "report.html", "lineage.json", "model.pt"} <= set(os.listdir(out))
    assert torch.jit.load(str(adapted))(torch.zeros(4, small_models.FEATURES)).shape == (4, 3)
    assert acclimate.Report.load(out).verdict == report.verdict


def test_a_path_without_out_says_where_it_is(
    client: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.jit.script(trained_net()).save("model.pt")
    adapted, report = adapt(client, "model.pt")
    assert adapted.exists() and str(adapted.parent) in report.notes[-1]


def test_torchscript_and_exported_programs_come_back_as_such(client: Any) -> None:
    model = trained_net().eval()
    adapted, _ = adapt(client, torch.jit.script(model))
    assert isinstance(adapted, torch.jit.ScriptModule)
    zeros = torch.zeros(2, small_models.FEATURES)
    program = torch.export.export(model, (zeros,), dynamic_shapes=({0: torch.export.Dim("batch")},))
    adapted, _ = adapt(client, program)
    assert adapted.module()(torch.zeros(5, small_models.FEATURES)).shape == (5, 3)


def test_a_state_dict_of_an_architecture_comes_back_as_one(client: Any) -> None:
    inputs, labels = small_models.points(200)
    # The server makes the first one.
    fresh, _ = client.adapt(
        None,
        architecture="mlp",
        target=(inputs, labels),
        method="finetune",
        hyperparameters={"epochs": 2},
        progress=False,
        out="fresh",
    )
    from acclimate.models.tensors import read_tensors

    state = read_tensors(fresh)
    adapted, _ = adapt(client, state, architecture="mlp")
    assert list(adapted) == list(state)
    changed = [key for key in state if not torch.equal(state[key], adapted[key])]
    assert 0 < len(changed) < len(state)


@pytest.fixture(autouse=True)
def _in_a_folder_of_its_own(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_what_is_no_model_is_refused(client: Any) -> None:
    state = trained_net().state_dict()
    with pytest.raises(acclimate.DataError, match="needs architecture"):
        adapt(client, state)
    with pytest.raises(acclimate.DataError, match=r"checkpoint\['state_dict'\]"):
        adapt(client, {"state_dict": state, "epoch": 3}, architecture="mlp")
    with pytest.raises(acclimate.DataError, match="is no model"):
        adapt(client, 7)
    with pytest.raises(acclimate.DataError, match="cannot read no_such.pt"):
        adapt(client, "no_such.pt")


def test_a_job_that_fails_carries_job_and_reason(client: Any, tmp_path: Any) -> None:
    broken = tmp_path / "broken.npz"
    broken.write_bytes(b"PK\x03\x04 and nothing else")
    torch.jit.script(trained_net()).save(str(tmp_path / "model.pt"))
    with pytest.raises(acclimate.JobFailed, match="broken.npz") as caught:
        adapt(client, tmp_path / "model.pt", target=broken)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert caught.value.job.state == acclimate.JobState.FAILED


def test_a_csv_file_is_read_by_the_server(client: Any, tmp_path: Any) -> None:
    inputs, labels = small_models.points(200)
    rows = [",".join([*map(str, x), str(y)]) for x, y in zip(inputs, labels)]
    header = ",".join([*(f"f{i}" for i in range(small_models.FEATURES)), "kind"])
    path = tmp_path / "table.csv"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    fresh, report = client.adapt(
        None,
        architecture="mlp",
        target=path,
        label_column="kind",
        method="finetune",
        hyperparameters={"epochs": 1},
        progress=False,
    )
    assert fresh.name == "model.safetensors"
    assert report.data["normalization"]  # a fresh network on a table has the mode auto


def test_a_method_without_a_model_gives_the_one_that_came(client: Any, tmp_path: Any) -> None:
    model = trained_net()
    held_out = small_models.points(300, 1.0, seed=2)
    options = {"target": held_out, "method": "evaluate", "hyperparameters": {}}
    measured, report = adapt(client, model, **options)
    assert torch.equal(measured.head.weight, model.head.weight)
    model.eval()
    predicted = model(torch.from_numpy(held_out[0])).argmax(1).numpy()
    assert report.accuracy == pytest.approx((predicted == held_out[1]).mean(), abs=1e-6)
    assert any("returns no model" in note for note in report.notes)
    path = tmp_path / "model.pt"
    torch.jit.script(model).save(str(path))
    assert adapt(client, path, **options)[0] == path
    assert adapt(client, torch.jit.script(model), **options)[0] is not None
