"""What a training loop touches."""

from __future__ import annotations

import itertools
import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_run import FakeRun
from fleet import Fleet

from cropstream import Batch, CropstreamError, MultiCropLoader, StreamDigest, normalize, split_crops
from cropstream.errors import (
    Cancelled,
    FingerprintMismatch,
    SpecInvalid,
    SpecUnreadable,
    StateMismatch,
    StepOutOfRange,
    UnevenTail,
)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet() as fleet:
        yield fleet


def open_loader(fleet: Fleet, **options: Any) -> MultiCropLoader:
    return MultiCropLoader(fleet.target, **{"framework": "numpy", "timeout": 20.0, **options})


def steps_of(batches: Any, count: int | None = None) -> list[int]:
    return [batch.global_step for batch in itertools.islice(batches, count)]


# Epochs and resume.


def test_epochs_follow_one_another(fleet: Fleet) -> None:
    with open_loader(fleet) as loader:
        assert len(loader) == 4
        assert steps_of(loader) == [0, 1, 2, 3]
        assert loader.epoch == 1
        assert steps_of(loader, 2) == [4, 5]
        assert steps_of(loader) == [6, 7], "left early, it goes on there"
        loader.set_epoch(5)
        assert steps_of(loader) == [20, 21, 22, 23]
        loader.sampler.set_epoch(1)
        assert steps_of(loader) == [4, 5, 6, 7]


def test_set_epoch_stays_within_the_epoch(fleet: Fleet) -> None:
    with open_loader(fleet, start_step=6) as loader:
        loader.set_epoch(1)
        assert steps_of(loader) == [6, 7]


@pytest.mark.parametrize("epoch", [-1, 1.5, "1", True, 2**53])
def test_set_epoch_takes_epochs_only(fleet: Fleet, epoch: Any) -> None:
    with open_loader(fleet) as loader, pytest.raises(SpecInvalid, match="epoch"):
        loader.set_epoch(epoch)


def test_endless_and_epoch_size(fleet: Fleet) -> None:
    with open_loader(fleet, endless=True, end_step=11) as loader:
        assert steps_of(loader) == list(range(11))
        assert steps_of(loader) == []
    with open_loader(fleet, epoch_size=3 * 16 + 5) as loader:
        assert len(loader) == 3
        assert steps_of(loader) == [0, 1, 2]
        batches = list(loader)
        assert [(batch.epoch, batch.step) for batch in batches] == [(0, 3), (1, 0), (1, 1)]
    with pytest.raises(SpecInvalid, match="epoch_size: 15 is not allowed"):
        open_loader(fleet, epoch_size=15)


def test_the_prefetch_runs_across_the_end_of_an_epoch(fleet: Fleet) -> None:
    with open_loader(fleet, prefetch=3) as loader:
        assert steps_of(loader) == [0, 1, 2, 3]
        fleet.wait_for(lambda: len(fleet.delivered) == 7 * 6)


def test_a_state_counts_what_was_yielded(fleet: Fleet) -> None:
    with open_loader(fleet, prefetch=4, consumer="job") as loader:
        for batch in loader:
            state = loader.state_dict()
            assert state["global_step"] == batch.global_step + 1
            if batch.step == 1:
                break
        fleet.wait_for(lambda: len(fleet.delivered) >= 6 * 6)
        assert loader.state_dict() == state
        info = fleet.run.info
        assert json.loads(json.dumps(state)) == {
            "version": 1,
            "run": info.name,
            "spec_json": info.spec_json,
            "run_digest": info.digest,
            "manifest_digest": info.manifest_digest,
            "fingerprint": info.fingerprint,
            "global_step": 2,
            "consumer": "job",
        }
    with open_loader(fleet, state=state) as loader:
        loader.set_epoch(loader.epoch)
        assert steps_of(loader) == [2, 3]
    with open_loader(fleet) as loader:
        next(iter(loader))
        loader.load_state_dict({**state, "global_step": 9})
        assert steps_of(loader) == [9, 10, 11]
        loader.load_state_dict(state)
        assert steps_of(loader) == [2, 3]


def test_a_state_opens_its_run_again(fleet: Fleet) -> None:
    with open_loader(fleet) as loader:
        state = loader.state_dict()
    fleet.knows_run = False
    with open_loader(fleet, state={**state, "global_step": 3}) as loader:
        assert fleet.opened == [state["spec_json"]]
        assert steps_of(loader) == [3]


def test_a_state_of_another_run_is_refused_by_field(fleet: Fleet) -> None:
    with open_loader(fleet) as loader:
        state = loader.state_dict()
        wrong: list[tuple[str, Any, type[CropstreamError]]] = [
            ("manifest_digest", "0", StateMismatch),
            ("run_digest", "0", StateMismatch),
            ("fingerprint", "0", FingerprintMismatch),
            ("version", 2, SpecInvalid),
            ("global_step", -1, SpecInvalid),
            ("global_step", "3", SpecInvalid),
        ]
        for field, value, error in wrong:
            with pytest.raises(error):
                loader.load_state_dict({**state, field: value})
        with pytest.raises(SpecInvalid, match=r"state\.spec_json"):
            loader.load_state_dict({name: value for name, value in state.items() if name != "spec_json"})
        assert loader.global_step == 0


# Batches.


def test_a_batch_is_a_dictionary_in_the_specs_order(fleet: Fleet) -> None:
    with open_loader(fleet) as loader:
        batch = next(iter(loader))
    assert isinstance(batch, Batch)
    assert list(batch) == ["global_0", "global_1", "local_0", "_indices", "labels", "path", "area"]
    assert batch["local_0"].dtype == np.float16
    assert batch.size == 16
    crops = split_crops(batch)
    assert [view.shape for view in crops.globals] == [(16, 3, 8, 8)] * 2
    assert [view.shape for view in crops.locals] == [(16, 3, 4, 4)]
    # As Lightning and others rebuild what they moved to a device.
    assert [view.shape for view in Batch(dict(batch)).as_list()] == [view.shape for view in batch.as_list()]


def test_largest_views_are_global_where_no_name_says_so() -> None:
    small, large = np.zeros((2, 3, 4, 4)), np.zeros((2, 3, 8, 8))
    crops = Batch({"b": small, "a": large, "c": large, "labels": np.zeros(2)}).split_crops()
    assert crops.globals == [large, large]
    assert len(crops.locals) == 1


def test_as_torch_tensors(fleet: Fleet) -> None:
    torch = pytest.importorskip("torch")
    with open_loader(fleet, framework=None) as loader:
        batch = next(iter(loader))
    assert {name: value.dtype for name, value in batch.items() if name != "path"} == {
        "global_0": torch.uint8,
        "global_1": torch.float32,
        "local_0": torch.float16,
        "_indices": torch.int64,
        "labels": torch.int64,
        "area": torch.float64,
    }
    digest = StreamDigest()
    digest.update(batch)
    assert digest.hex() == fleet.run.digest([0])
    with open_loader(fleet, framework="torch", device="meta") as loader:
        assert next(iter(loader))["labels"].is_meta


@pytest.mark.filterwarnings("ignore:overflow")
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_as_a_list_it_is_what_dino_yields(fleet: Fleet, framework: str) -> None:
    if framework == "torch":
        pytest.importorskip("torch")
    raw = fleet.run.batch(0)
    with open_loader(fleet, framework=framework, as_list=True) as loader:
        images, labels = next(iter(loader))
        crops = loader.split_crops(images)
    globals_, locals_ = crops
    assert len(globals_) + len(locals_) == len(images)
    assert len(globals_) == sum(view.name.startswith("global") for view in loader.run.views)
    assert all(crop is image for crop, image in zip(globals_, images, strict=False)), "globals come first"
    assert [str(image.dtype).removeprefix("torch.") for image in images] == ["float32", "float32", "float16"]
    assert np.array_equal(np.asarray(images[0]), normalize(raw["global_0"]))
    assert np.array_equal(np.asarray(images[1]), raw["global_1"], equal_nan=True), "the run normalised it itself"
    assert np.array_equal(np.asarray(labels), raw["labels"])
    with open_loader(fleet, framework=framework, as_list=True, dtype="float16") as loader:
        images, _ = next(iter(loader))
    assert {str(image.dtype).removeprefix("torch.") for image in images} == {"float16"}


def test_dtype_and_channels_last() -> None:
    torch = pytest.importorskip("torch")
    run = FakeRun(views=(("global_0", "uint8", (3, 8, 8)),))
    with Fleet(run) as fleet:
        raw = torch.from_numpy(run.batch(0)["global_0"])
        with open_loader(fleet, framework="torch", dtype=torch.bfloat16, channels_last=True) as loader:
            image = next(iter(loader))["global_0"]
        assert torch.equal(image, normalize(raw, dtype=torch.bfloat16))
        assert image.is_contiguous(memory_format=torch.channels_last)
        with open_loader(fleet, framework="torch", dtype="uint8", as_list=True) as loader:
            assert torch.equal(next(iter(loader))[0][0], raw)


def test_nhwc_runs_become_channels_last_without_a_copy() -> None:
    torch = pytest.importorskip("torch")
    run = FakeRun(views=(("global_0", "uint8", (8, 8, 3)),))
    run.wire.spec_json = json.dumps({"output": {"layout": "nhwc"}})
    with Fleet(run) as fleet:
        raw = torch.from_numpy(run.batch(0)["global_0"])
        with open_loader(fleet, framework="torch") as loader:
            assert next(iter(loader))["global_0"].shape == (16, 8, 8, 3)
        with open_loader(fleet, framework="torch", as_list=True) as loader:
            (image,), _ = next(iter(loader))
        assert torch.equal(image, normalize(raw, layout="nhwc", channels_last=True))
        assert image.is_contiguous(memory_format=torch.channels_last)


def test_as_dinov2() -> None:
    torch = pytest.importorskip("torch")
    large, small = (3, 8, 8), (3, 4, 4)
    run = FakeRun(views=(("global_0", "uint8", large), ("global_1", "uint8", large), ("local_0", "uint8", small)))
    with Fleet(run) as fleet, open_loader(fleet, framework="torch") as loader:
        batch = next(iter(loader.as_dinov2(mask_ratio=(0.5, 0.5), mask_probability=0.5, patch_size=4)))
    raw = run.batch(0)
    globals_ = np.concatenate([raw["global_0"], raw["global_1"]])
    assert torch.equal(batch["collated_global_crops"], torch.from_numpy(normalize(globals_)))
    assert batch["collated_masks"].shape == (32, 4)


def test_parameters_by_name(fleet: Fleet) -> None:
    with open_loader(fleet, return_params=True) as loader:
        batch = next(iter(loader))
    params = batch["_params"]
    assert list(params) == ["global_0", "global_1", "local_0"]
    rows = np.arange(16, dtype=np.float32) * 100
    view = params["local_0"]
    assert np.array_equal(view["box"], rows[:, None] + np.arange(4))
    assert np.array_equal(view["source_size"], rows[:, None] + np.arange(4, 6))
    assert np.array_equal(view["flip"], rows + 6)
    assert np.array_equal(view["jitter_order"], rows[:, None] + np.arange(7, 11))
    assert np.array_equal(view["solarize_threshold"], rows + 17)
    digest = StreamDigest()
    digest.update(batch)
    assert digest.hex() == fleet.run.digest([0]), "parameters are not part of the stream"


def test_excluded_fields(fleet: Fleet) -> None:
    with open_loader(fleet, exclude_fields=["path"]) as loader:
        assert "path" not in next(iter(loader))
    with pytest.raises(SpecInvalid, match=r"exclude_fields: size is not allowed; expected some of path, area"):
        open_loader(fleet, exclude_fields=["size"])


# Ranks.


@pytest.mark.parametrize("world_size", [1, 2, 4])
def test_ranks_share_a_step(fleet: Fleet, world_size: int) -> None:
    loaders = [open_loader(fleet, rank=rank, world_size=world_size) for rank in range(world_size)]
    for step, batches in enumerate(zip(*loaders, strict=True)):
        indices = [index for batch in batches for index in batch["_indices"]]
        assert indices == list(fleet.run.batch(step)["_indices"])
    assert {loader.batch_size for loader in loaders} == {16 // world_size}
    for loader in loaders:
        loader.close()


def test_uneven_tails_are_asked_for() -> None:
    run = FakeRun(samples=17, global_batch_size=16, drop_last=False)
    with Fleet(run) as fleet:
        with pytest.raises(UnevenTail):
            open_loader(fleet, rank=1, world_size=2)
        with open_loader(fleet, rank=1, world_size=2, allow_uneven=True) as loader:
            assert [batch.size for batch in loader] == [8, 0]
        with open_loader(fleet, rank=1, world_size=2, allow_uneven=True, return_params=True, as_list=False) as loader:
            assert [batch["_params"]["local_0"]["box"].shape for batch in loader] == [(8, 4), (0, 4)]


def test_who_attaches(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("CROPSTREAM_CONSUMER", "job")
    with open_loader(fleet, replica=3, takeover=True, end_step=2) as loader:
        assert (loader.rank, loader.world_size) == (1, 2)
    attach = fleet.attaches[0]
    assert (attach.rank, attach.world_size, attach.consumer) == (1, 2, "job.replica-3")
    assert (attach.takeover, attach.end_step, attach.run_digest) == (True, 2, fleet.run.info.digest)


# The rest of a DataLoader's face, and arguments.


def test_what_loops_touch(fleet: Fleet) -> None:
    with open_loader(fleet) as loader:
        assert len(loader.dataset) == 64
        assert loader.dataset.classes == ["cats", "dogs"]
        assert loader.dataset.class_to_idx == {"cats": 0, "dogs": 1}
        assert len(loader.sampler) == 64
        assert loader.drop_last is True
        with pytest.raises(TypeError, match="Open it in the process that draws from it"):
            pickle.dumps(loader)
    loader.shutdown()
    with pytest.raises(Cancelled):
        next(iter(loader))


def test_checkpoints_take_it_as_stateful(fleet: Fleet) -> None:
    stateful = pytest.importorskip("torch.distributed.checkpoint.stateful")
    with open_loader(fleet) as loader:
        assert isinstance(loader, stateful.Stateful)


def test_a_loader_that_nobody_holds_detaches(fleet: Fleet) -> None:
    loader = open_loader(fleet)
    next(iter(loader))
    del loader
    fleet.wait_for(lambda: not any(session.open for session in fleet.sessions))


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"rank": -1}, "rank"),
        ({"rank": 1.0}, "rank"),
        ({"world_size": 0}, "world_size"),
        ({"prefetch": 0}, "prefetch"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "60"}, "timeout"),
        ({"consumer": ""}, "consumer"),
        ({"run": "a", "spec": {}}, "run"),
        ({"dtype": "int8"}, "dtype"),
        ({"dtype": "uint8"}, "dtype"),
        ({"exclude_fields": "path"}, "exclude_fields"),
        ({"framework": "jax"}, "framework"),
        ({"device": "cuda"}, "device"),
        ({"as_list": True, "return_params": True}, "return_params"),
        ({"channels_last": True}, "channels_last"),
        ({"spec": 3}, "spec"),
        ({"spec": {"a": object()}}, "spec"),
    ],
)
def test_an_argument_that_is_wrong_is_named(fleet: Fleet, options: dict[str, Any], field: str) -> None:
    with pytest.raises(SpecInvalid) as caught:
        open_loader(fleet, **options)
    assert caught.value.details["field"] == field
    assert not any(session.open for session in fleet.sessions)


def test_steps_out_of_range(fleet: Fleet) -> None:
    with pytest.raises(StepOutOfRange):
        open_loader(fleet, start_step=4, end_step=4)


def test_specs_in_every_form(fleet: Fleet, tmp_path: Path) -> None:
    spec = {"name": "fake", "dataset": {"url": "/data"}, "seed": 4}
    as_json = tmp_path / "spec.json"
    as_json.write_text(json.dumps(spec))
    as_yaml = tmp_path / "spec.yaml"
    as_yaml.write_text("name: fake\ndataset: { url: /data }\nseed: 4\n")
    for form in (spec, json.dumps(spec), as_json, str(as_yaml)):
        if form == str(as_yaml):
            pytest.importorskip("yaml")
        open_loader(fleet, spec=form).close()
        assert json.loads(fleet.opened[-1]) == spec


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("spec.json", "{", "Expecting"),
        ("spec.json", "[1]", "no mapping"),
        ("spec.yaml", "a: [", "expected"),
        ("spec.yaml", "extends: base.yaml", "cropstream serve --spec"),
        (None, "", "No such file"),
    ],
)
def test_specs_that_cannot_be_read(fleet: Fleet, tmp_path: Path, name: str | None, content: str, reason: str) -> None:
    path = tmp_path / (name or "missing.json")
    if name is not None:
        path.write_text(content)
    if path.suffix == ".yaml":
        pytest.importorskip("yaml")
    with pytest.raises(SpecUnreadable, match=reason):
        open_loader(fleet, spec=path)
