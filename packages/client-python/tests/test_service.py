"""Against the real service: the same streams as the TypeScript client's, whatever dies."""

from __future__ import annotations

import functools
import itertools
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Service, free_port, pull

from cropstream import MultiCropLoader, StreamDigest, normalize
from cropstream.errors import RankTaken, RunConflict, StreamStalled, Superseded, Unreachable
from cropstream.normalization import bfloat16_bits


def spec_of(images: Path, name: str, layout: str = "nchw", dtype: str = "uint8", **fields: Any) -> dict[str, Any]:
    chain: list[Any] = ["horizontal_flip", {"color_jitter": {"p": 0.8}}, {"gaussian_blur": {"p": 0.5}}]
    if dtype != "uint8":
        chain.append({"normalize": {"dtype": dtype}})
    views = {
        "global": {"count": 2, "size": 48, "scale": [0.4, 1], "transforms": chain},
        "local": {"count": 3, "size": 24, "scale": [0.1, 0.4], "transforms": chain},
    }
    run = {"name": name, "dataset": {"source": "image-folder", "url": str(images)}, "seed": 7, "global_batch_size": 12}
    return {**run, "chunk_size": 5, "output": {"layout": layout}, "views": views, **fields}


def digest_of(batches: Any) -> str:
    digest = StreamDigest()
    for batch in batches:
        digest.update(batch)
    return digest.hex()


def drain(loader: MultiCropLoader) -> None:
    """Draws for ever."""
    while True:
        list(loader)


@functools.cache
def pulled_digest(service: Service, name: str) -> str:
    digest: str = pull(service, "--run", name)["digest"]
    return digest


@pytest.mark.parametrize("layout", ["nchw", "nhwc"])
@pytest.mark.parametrize("dtype", ["uint8", "float32", "float16", "bfloat16"])
@pytest.mark.parametrize("framework", ["numpy", "torch"])
def test_the_stream_is_the_typescript_clients(
    service: Service, images: Path, framework: str, dtype: str, layout: str
) -> None:
    if framework == "torch":
        pytest.importorskip("torch")
    name = f"{dtype}-{layout}"
    spec = spec_of(images, name, layout, dtype)
    with MultiCropLoader(service.target, spec=spec, framework=framework, consumer=framework) as loader:
        digest = digest_of(loader)
    assert digest == pulled_digest(service, name)


@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_normalising_here_gives_the_bits_of_normalising_there(service: Service, images: Path, dtype: str) -> None:
    def draw(name: str, on_the_wire: str, **options: Any) -> Any:
        spec = spec_of(images, name, dtype=on_the_wire)
        with MultiCropLoader(service.target, spec=spec, framework="numpy", consumer="normalising", **options) as loader:
            return next(iter(loader))

    there = draw(f"{dtype}-nchw", dtype)
    here = draw("uint8-nchw", "uint8", dtype=dtype)
    assert len(there.views) == 5
    for name, view in there.views.items():
        assert np.array_equal(here[name], view)


def test_parameters_are_those_of_the_views(service: Service, images: Path) -> None:
    spec = spec_of(images, "uint8-nchw")
    with MultiCropLoader(service.target, spec=spec, framework="numpy", consumer="params", return_params=True) as loader:
        batch = next(iter(loader))
    params = batch["_params"]["local_2"]
    box, source = params["box"], params["source_size"]
    assert (box[:, :2] >= 0).all()
    assert (box[:, :2] + box[:, 2:] <= source).all()
    assert set(params["flip"]) <= {0.0, 1.0}
    applied = ~np.isnan(params["brightness"])
    assert 0 < applied.sum() <= batch.size
    assert (np.sort(params["jitter_order"][applied], axis=1) == np.arange(4)).all()


def test_resumes_where_it_was_in_a_world_of_any_size(service: Service, images: Path) -> None:
    spec = spec_of(images, "uint8-nchw")
    with MultiCropLoader(service.target, spec=spec, framework="numpy", consumer="whole", endless=True) as loader:
        whole = [batch["_indices"] for batch in itertools.islice(loader, 9)]
    for first in (1, 2, 3):
        with MultiCropLoader(service.target, spec=spec, framework="numpy", consumer="first") as loader:
            for _ in itertools.islice(loader, first):
                pass
            state = loader.state_dict()
        assert state["global_step"] == first
        ranks = [
            MultiCropLoader(
                service.target,
                state=state,
                framework="numpy",
                consumer="second",
                rank=rank,
                world_size=3,
                endless=True,
                end_step=9,
            )
            for rank in range(3)
        ]
        joined = [np.concatenate([batch["_indices"] for batch in step]) for step in zip(*ranks, strict=True)]
        assert np.array_equal(joined, whole[first:])
        for loader in ranks:
            loader.close()


def test_replicas_of_a_rank_draw_the_same(service: Service) -> None:
    loaders = [
        MultiCropLoader(service.target, run=service.run, framework="numpy", rank=0, world_size=2, replica=replica)
        for replica in range(2)
    ]
    assert digest_of(loaders[0]) == digest_of(loaders[1])
    for loader in loaders:
        loader.close()


def test_a_second_process_of_one_rank_is_refused_or_takes_over(service: Service) -> None:
    options: dict[str, Any] = {"run": service.run, "framework": "numpy", "consumer": "twins", "prefetch": 1}
    with MultiCropLoader(service.target, **options) as first:
        with pytest.raises(RankTaken, match=f"pid {os.getpid()}"):
            MultiCropLoader(service.target, **options)
        with MultiCropLoader(service.target, takeover=True, **options), pytest.raises(Superseded):
            drain(first)


def test_a_name_that_is_open_with_another_spec_is_refused(service: Service, images: Path) -> None:
    MultiCropLoader(service.target, spec=spec_of(images, "taken"), framework="numpy").close()
    with pytest.raises(RunConflict, match="seed"):
        MultiCropLoader(service.target, spec=spec_of(images, "taken", seed=8), framework="numpy")


def test_goes_on_where_the_service_was_killed(images: Path) -> None:
    """Killed with SIGKILL and started again at the same address, where the run is not even open any more."""
    service = Service("--data", str(images), "--recipe", "lesson-cifar10", port=free_port())
    spec = spec_of(images, "killed", global_batch_size=4, chunk_size=3)
    try:
        with MultiCropLoader(service.target, spec=spec, framework="numpy", endless=True, end_step=20) as loader:
            digest = StreamDigest()
            for batch in loader:
                digest.update(batch)
                if batch.global_step == 3:
                    service.kill()
                    service.start()
        expected = pull(service, "--run", "killed", "--steps", "20")
        assert digest.hex() == expected["digest"]
    finally:
        service.stop()


def test_a_service_that_stays_away_is_a_typed_error(images: Path) -> None:
    service = Service("--data", str(images), "--recipe", "lesson-cifar10", "--global-batch-size", "4")
    with MultiCropLoader(service.target, framework="numpy", timeout=1.5) as loader:
        next(iter(loader))
        service.kill()
        began = time.monotonic()
        with pytest.raises((Unreachable, StreamStalled)):
            drain(loader)
        assert time.monotonic() - began < 20


def test_a_slow_loop_keeps_memory_flat(service: Service, images: Path) -> None:
    """However long the trainer takes: no more is held, made or sent than its window."""
    spec = spec_of(images, "uint8-nchw")
    with MultiCropLoader(
        service.target, spec=spec, framework="numpy", consumer="slow", endless=True, prefetch=3
    ) as loader:
        batches = iter(loader)
        stream = loader._stream
        window = stream.credit_bytes + 3 * 12 * 16
        held = []
        for _ in range(8):
            next(batches)
            deadline = time.monotonic() + 20
            while not all(stream._fetcher.complete(loader.global_step + ahead) for ahead in range(3)):
                assert time.monotonic() < deadline
                time.sleep(0.01)
            held.append(stream.held_bytes)
        assert held == [window] * 8
        assert threading.active_count() < 60


def test_bfloat16_of_numpy_are_its_bits(service: Service, images: Path) -> None:
    spec = spec_of(images, "bfloat16-nchw", dtype="bfloat16")
    raw_spec = spec_of(images, "uint8-nchw")
    with MultiCropLoader(service.target, spec=raw_spec, framework="numpy", consumer="bits") as loader:
        raw = next(iter(loader))
        mean, std = loader.run.mean, loader.run.std
    with MultiCropLoader(service.target, spec=spec, framework="numpy", consumer="bits") as loader:
        bits = next(iter(loader))
    expected = bfloat16_bits(normalize(raw["global_0"], mean, std))
    assert np.array_equal(bits["global_0"], expected)
