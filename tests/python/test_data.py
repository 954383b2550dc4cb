"""Every kind of data, as it arrives at the server: the blob is read back and compared."""

from __future__ import annotations

import json
import random
import sys
import types
from typing import Any

import numpy as np
import pytest

import acclimate
import small_models
from acclimate import safetensors_format
from acclimate.data import DataContext, Role, prepare
from acclimate.data.context import DataOptions
from acclimate.data.random_transforms import notice_random_transforms
from acclimate.notes import Notes

torch = pytest.importorskip("torch")
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset  # noqa: E402

SOURCE, TARGET = Role("source", "needed"), Role("target", "dropped")


class Prepared:
    """What would be sent, read back."""

    def __init__(self, data: Any, role: Role, tmp_path: Any, context: DataContext) -> None:
        prepared = prepare(data, role, context)
        assert prepared.payload is not None
        path = tmp_path / "sent.safetensors"
        path.write_bytes(b"".join(bytes(chunk) for chunk in prepared.payload.chunks(0, 1000)))
        assert path.stat().st_size == prepared.payload.size
        tensors = {name: np.array(t.values) for name, t in safetensors_format.read(path).items()}
        self.inputs = tensors["inputs"]
        self.labels = tensors.get("labels")
        self.sha256 = prepared.payload.sha256
        assert prepared.example is not None
        np.testing.assert_array_equal(prepared.example, self.inputs[:3])


@pytest.fixture
def context() -> Any:
    context = DataContext(DataOptions(), Notes())
    yield context
    context.close()


@pytest.fixture
def sent(tmp_path: Any, context: DataContext) -> Any:
    return lambda data, role=SOURCE: Prepared(data, role, tmp_path, context)


class Pairs(Dataset[Any]):
    def __init__(self, inputs: Any, labels: Any, noise: float = 0) -> None:
        self.inputs, self.labels, self.noise = torch.as_tensor(inputs), labels, noise

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, index: int) -> Any:
        return self.inputs[index] + self.noise * torch.rand(()), int(self.labels[index])


class Stream(IterableDataset[Any]):
    def __init__(self, inputs: Any, labels: Any) -> None:
        self.pairs = list(zip(inputs, labels))

    def __iter__(self) -> Any:
        return iter(self.pairs)


INPUTS, LABELS = small_models.points(150)


@pytest.mark.parametrize(
    "data",
    [
        (INPUTS, LABELS),
        (INPUTS[:, ::-1][:, ::-1], LABELS.tolist()),  # not contiguous
        (np.asfortranarray(INPUTS), LABELS.astype(np.int16)),
        (INPUTS.astype(">f4"), LABELS.astype(np.float64)),
        (torch.from_numpy(INPUTS).requires_grad_(), torch.from_numpy(LABELS)[:, None]),
        {"inputs": INPUTS, "labels": LABELS.astype(np.uint8)},
        TensorDataset(torch.from_numpy(INPUTS), torch.from_numpy(LABELS)),
        Pairs(INPUTS, LABELS),
        Stream(INPUTS, LABELS),
        DataLoader(Pairs(INPUTS, LABELS), batch_size=7),
        DataLoader(Pairs(INPUTS, LABELS), batch_size=7, shuffle=True, drop_last=True),
        DataLoader(Pairs(INPUTS, LABELS), batch_size=7, num_workers=2),
        DataLoader(Stream(INPUTS, LABELS), batch_size=7),
        DataLoader(TensorDataset(torch.from_numpy(INPUTS), torch.from_numpy(LABELS)), batch_size=9),
    ],
    ids=lambda data: type(data).__name__,
)
def test_all_kinds_are_the_same_data(data: Any, sent: Any) -> None:
    arrived = sent(data)
    np.testing.assert_array_equal(arrived.inputs, INPUTS)
    np.testing.assert_array_equal(arrived.labels, LABELS)
    assert arrived.sha256 == sent((INPUTS, LABELS)).sha256
    assert sent(data, TARGET).labels is None


def test_a_loader_with_a_sampler_of_its_own_is_passed_as_it_is(
    sent: Any, context: DataContext
) -> None:
    loader = DataLoader(Pairs(INPUTS, LABELS), batch_size=4, sampler=[5, 3, 8])
    np.testing.assert_array_equal(sent(loader).inputs, INPUTS[[5, 3, 8]])
    assert any("own sampler" in note for note in context.notes.all())


def test_arrays_are_not_copied(context: DataContext) -> None:
    inputs = np.zeros((4, 8), np.float32)
    prepared = prepare(inputs, TARGET, context)
    inputs[:] = 7  # before it is hashed
    assert prepared.payload is not None
    assert b"".join(prepared.payload.chunks(0, 1 << 20)).endswith(inputs.tobytes())


def test_random_transforms_are_noticed(sent: Any) -> None:
    with pytest.warns(acclimate.AcclimateWarning, match="random transforms"):
        sent(DataLoader(Pairs(INPUTS, LABELS, noise=1.0), batch_size=4), TARGET)


def test_noticing_them_draws_nothing(context: DataContext) -> None:
    before = torch.get_rng_state(), random.getstate()
    with pytest.warns(acclimate.AcclimateWarning):
        notice_random_transforms(Pairs(INPUTS, LABELS, noise=1.0), TARGET, context)
    assert torch.equal(torch.get_rng_state(), before[0]) and random.getstate() == before[1]


def test_class_names_become_indices(sent: Any, context: DataContext) -> None:
    names = np.array(["wolf", "cat", "dog"])[LABELS]
    arrived = sent((INPUTS, names))
    assert context.coding()["class_names"] == ["cat", "dog", "wolf"]
    assert arrived.labels.tolist() == [["cat", "dog", "wolf"].index(n) for n in names]
    with pytest.raises(acclimate.DataError, match=r"\['bird'\] are none of the classes"):
        sent((INPUTS[:1], ["bird"]))


@pytest.mark.parametrize(
    ("labels", "sentence"),
    [
        (np.eye(3)[LABELS], r"labels\.argmax\(1\)"),
        (LABELS + 0.5, r"labels\[0\] is .*whole numbers"),
        (LABELS - 2, "counted from 0"),
        (LABELS[:-1], "150 samples, but 149 labels"),
        ([None] * 150, r"labels\[0\] is None"),
        (None, "it has no labels"),
        (np.full(150, -1), "it has no labels"),
    ],
)
def test_labels_at_fault_are_named(labels: Any, sentence: str, sent: Any) -> None:
    with pytest.raises(acclimate.DataError, match=f"^source: .*{sentence}"):
        sent((INPUTS, labels))


@pytest.mark.parametrize(
    ("inputs", "sentence"),
    [
        (np.array([[1, 2], [3]], dtype=object), r"numpy\.stack"),
        ([[1.0, 2.0], [3.0]], "differ in their shape"),
        (np.zeros((4, 2), np.uint16), r"astype\('float32'\) / 65535"),
        (np.zeros((4, 2), np.complex64), "complex64"),
        (np.array(["a", "b"]), "<U1"),
        (np.float32(3), "not one number"),
        (np.zeros((0, 4), np.float32), "holds no samples"),
        (object(), "is no data that can be sent"),
        ((INPUTS, LABELS, LABELS), "a tuple of 3"),
        ({"x": INPUTS}, "no key 'inputs'"),
    ],
)
def test_inputs_at_fault_are_named(inputs: Any, sentence: str, sent: Any) -> None:
    with pytest.raises(acclimate.DataError, match=f"target: .*{sentence}|{sentence}"):
        sent(inputs, TARGET)


def test_samples_of_different_shapes_are_refused(sent: Any) -> None:
    samples = [(np.zeros(3, np.float32), 0), (np.zeros(4, np.float32), 1)]
    with pytest.raises(acclimate.DataError, match="sample 1 is .*one shape"):
        sent(Stream([s for s, _ in samples], [0, 1]))


def test_bfloat16_arrives_as_float(sent: Any) -> None:
    arrived = sent(torch.ones(4, 2, dtype=torch.bfloat16), TARGET)
    assert arrived.inputs.dtype == np.float32


class TestPictures:
    @pytest.fixture
    def pil(self) -> Any:
        return pytest.importorskip("PIL.Image")

    @pytest.fixture
    def folder(self, pil: Any, tmp_path: Any) -> Any:
        folder = tmp_path / "pictures"
        for name, grey in (("cat", 40), ("dog", 200)):
            (folder / name).mkdir(parents=True)
            for index in range(3):
                picture = pil.new("RGB", (20 + index, 16), (grey, grey, index))
                picture.save(folder / name / f"{index}.png")
        return folder

    @pytest.fixture
    def context(self) -> Any:
        context = DataContext(DataOptions(image_size=12), Notes())
        yield context
        context.close()

    def test_a_folder_gives_labels_and_names(
        self, sent: Any, context: DataContext, folder: Any
    ) -> None:
        arrived = sent(str(folder))
        assert arrived.inputs.shape == (6, 3, 12, 12) and arrived.inputs.dtype == np.uint8
        assert arrived.labels.tolist() == [0, 0, 0, 1, 1, 1]
        assert context.coding()["class_names"] == ["cat", "dog"]
        assert arrived.inputs[:, 0, 0, 0].tolist() == [40] * 3 + [200] * 3
        assert sent(folder).sha256 == arrived.sha256

    def test_a_flat_folder_is_unlabelled(self, sent: Any, folder: Any) -> None:
        assert sent(folder / "cat", TARGET).inputs.shape == (3, 3, 12, 12)
        with pytest.raises(acclimate.DataError, match="no labels"):
            sent(folder / "cat")

    def test_damaged_pictures_are_counted_and_named(self, sent: Any, folder: Any, pil: Any) -> None:
        for index in range(3, 40):
            pil.new("RGB", (16, 16)).save(folder / "cat" / f"{index}.png")
        (folder / "dog" / "1.png").write_bytes(b"no picture")
        with pytest.warns(acclimate.AcclimateWarning, match=r"1 of 43 pictures.*dog/1\.png"):
            assert len(sent(folder).inputs) == 42
        for index in range(3, 9):
            (folder / "cat" / f"{index}.png").write_bytes(b"no picture")
        with pytest.raises(acclimate.DataError, match=r"7 of 43.*and 4 more.*too many"):
            sent(folder)

    def test_a_folder_needs_a_size_and_pictures(self, tmp_path: Any, folder: Any) -> None:
        context = DataContext(DataOptions(), Notes())
        with pytest.raises(acclimate.DataError, match="give image_size"):
            prepare(folder, SOURCE, context)
        (tmp_path / "none").mkdir()
        context = DataContext(DataOptions(image_size=8), Notes())
        with pytest.raises(acclimate.DataError, match="no JPEG"):
            prepare(tmp_path / "none", SOURCE, context)

    def test_torchvision_image_folder(self, sent: Any, context: DataContext, folder: Any) -> None:
        datasets = torchvision_datasets()
        arrived = sent(datasets.ImageFolder(str(folder)))
        assert arrived.inputs.shape == (6, 3, 12, 12)
        assert context.coding()["class_names"] == ["cat", "dog"]


def torchvision_datasets() -> Any:
    import torchvision_of_any_build

    return torchvision_of_any_build.load().datasets


class TestFrames:
    @pytest.fixture
    def frame(self) -> Any:
        pandas = pytest.importorskip("pandas")
        return pandas.DataFrame(
            {
                "age": [30, 40, 50, 60],
                "town": ["Ulm", "Bonn", "Ulm", "Kiel"],
                "label": ["no", "yes", "no", "yes"],
                "member": [True, False, True, True],
            }
        )

    def test_columns_and_categories_are_coded_alike(
        self, sent: Any, context: DataContext, frame: Any
    ) -> None:
        arrived = sent(frame)
        assert arrived.inputs.dtype == np.float32
        assert arrived.inputs.tolist() == [[30, 2, 1], [40, 0, 0], [50, 2, 1], [60, 1, 1]]
        assert arrived.labels.tolist() == [0, 1, 0, 1]
        # Other rows, other order of the columns, no labels: the same codes.
        other = frame[["member", "town", "age"]].iloc[[3, 0]]
        assert sent(other, TARGET).inputs.tolist() == [[60, 1, 1], [30, 2, 1]]
        coding = context.coding()
        assert coding["columns"] == ["age", "town", "member"]
        assert coding["categories"] == {"town": ["Bonn", "Kiel", "Ulm"]}
        assert json.dumps(coding)

    def test_what_does_not_fit_is_named(self, sent: Any, frame: Any) -> None:
        import pandas

        sent(frame)
        with pytest.raises(acclimate.DataError, match=r"\['Rome'\].*none of its categories"):
            sent(frame.assign(town="Rome"))
        with pytest.raises(acclimate.DataError, match=r"missing \['age'\], not known \['years'\]"):
            sent(frame.rename(columns={"age": "years"}))
        with pytest.raises(acclimate.DataError, match=r"missing values in the columns {'age': 1}"):
            sent(frame.assign(age=[1, None, 2, 3]))
        with pytest.raises(acclimate.DataError, match="no column 'label'"):
            sent(frame.drop(columns="label"))
        with pytest.raises(acclimate.DataError, match="holds times"):
            sent(frame.assign(age=pandas.Timestamp("2026-01-01")))


def test_rows_of_hugging_face(sent: Any, context: DataContext) -> None:
    """A stand-in of datasets.Dataset: what is asked of it, and no more."""
    module = types.ModuleType("datasets")

    class ClassLabel:
        names = ("cat", "dog", "wolf")

    class HuggingFaceRows:
        def __init__(self) -> None:
            self.features = {"pixel_values": None, "label": ClassLabel()}

        def __iter__(self) -> Any:
            return iter(
                {"pixel_values": x, "label": int(y)} for x, y in zip(INPUTS.tolist(), LABELS)
            )

    HuggingFaceRows.__name__, HuggingFaceRows.__module__ = "Dataset", "datasets.arrow_dataset"
    module.Dataset = HuggingFaceRows  # type: ignore[attr-defined]
    assert "datasets" not in sys.modules
    arrived = sent(HuggingFaceRows())
    np.testing.assert_allclose(arrived.inputs, INPUTS)
    assert arrived.labels.tolist() == LABELS.tolist()
    assert context.coding()["class_names"] == ["cat", "dog", "wolf"]


def test_files_go_as_they_are(tmp_path: Any, context: DataContext) -> None:
    path = tmp_path / "data.npz"
    small_models.save_npz(path, INPUTS, LABELS)
    prepared = prepare(path, SOURCE, context)
    assert prepared.payload is not None and prepared.example is not None
    assert b"".join(map(bytes, prepared.payload.chunks(0, 4096))) == path.read_bytes()
    np.testing.assert_array_equal(prepared.example, INPUTS[:3])
    blob = f"tenants/default/blobs/{'a' * 64}"
    assert prepare(blob, SOURCE, context).blob == blob
