"""Checks a run's multi-crop batches, measures how fast they come, and looks for the usual troubles.

npx cropstream serve --data cifar-10-batches-bin --spec docs/seeds/cifar10_config.yaml &
python examples/python/check_augmentation.py --target localhost:7400 --out figures
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

from lesson_config import load_config

from cropstream import MultiCropLoader
from cropstream.pictures import analyze_crop_statistics, visualize_augmentation_effects, visualize_multicrop_batch


def kind_of(crop: int, config: Any) -> str:
    return "Global" if crop < config.data.global_crops_number else "Local"


def test_multicrop_augmentation(loader: MultiCropLoader, config: Any, out: Path | None) -> None:
    """A sample, a batch, its split, pictures and statistics."""
    print("Testing the multi-crop pipeline")
    print(f"   Loaded config for dataset: {config.data.dataset}")
    print(f"   The run has {len(loader.dataset)} samples")

    batch = next(iter(loader))
    crops, labels = batch.as_list(), batch["labels"]

    print("\nA single sample")
    print(f"   Sample label: {int(labels[0])}, {loader.dataset.classes[int(labels[0])]}")
    print(f"   Number of crops: {len(crops)}")
    for number, crop in enumerate(crops):
        print(f"   {kind_of(number, config)} crop {number + 1}: {tuple(crop[0].shape)}")

    print("\nA batch")
    print(f"   Batch size: {loader.batch_size}")
    print(f"   Number of batches: {len(loader)}")
    print(f"   Batch crops: {len(crops)}, labels: {tuple(labels.shape)}")
    global_crops, local_crops = batch.split_crops()
    print(f"   Global crops: {len(global_crops)}, local crops: {len(local_crops)}")
    assert len(global_crops) == config.data.global_crops_number
    assert len(local_crops) == config.data.local_crops_number

    print("\nPictures")
    mean, std = loader.run.mean, loader.run.std
    path = out / "multicrop-batch.png" if out else None
    visualize_multicrop_batch(crops, config.data.global_crops_number, save_path=path, mean=mean, std=std)
    path = out / "augmentation-effects.png" if out else None
    visualize_augmentation_effects(loader, config, n_samples=4, save_path=path)

    print("\nStatistics")
    analyze_crop_statistics(loader, n_batches=5)


def benchmark_augmentation_speed(loader: MultiCropLoader, config: Any, n_batches: int = 10) -> float:
    """Samples a second that reach this process, after two batches to warm up."""
    print("\nSpeed")
    batches = iter(loader)
    for _ in range(2):
        next(batches)
    samples = 0
    began = time.perf_counter()
    for _ in range(n_batches):
        batch = next(batches)
        batch.split_crops()
        samples += batch.size
    seconds = time.perf_counter() - began
    crops = config.data.global_crops_number + config.data.local_crops_number
    print(f"   Total time for {n_batches} batches: {seconds:.2f} s")
    print(f"   Time per batch: {seconds / n_batches:.3f} s")
    print(f"   Samples per second: {samples / seconds:.1f}")
    print(f"   Crops per second: {samples / seconds * crops:.1f}")
    return samples / seconds


def debug_multicrop_issues(loader: MultiCropLoader, config: Any, speed: float) -> None:
    """Memory, speed and sizes: a line each, with what to do."""
    print("\nThe usual troubles")
    batch = next(iter(loader))
    megabytes = sum(view.nbytes for view in batch.as_list()) / 1e6
    print(f"   Memory: {batch.size} samples in {megabytes:.1f} MB; the loader holds a few such batches (`prefetch`)")
    if speed < 50:
        print(f"   Slow: {speed:.1f} samples/s. Give the service more --threads, or more machines: `cropstream bench`")
    else:
        print(f"   Good speed: {speed:.1f} samples/s")
    for number, crop in enumerate(batch.as_list()):
        is_global = number < config.data.global_crops_number
        expected = config.data.global_crop_size if is_global else config.data.local_crop_size
        verdict = "correct" if crop.shape[2] == expected else f"wrong, expected {expected}"
        print(f"   Crop {number} size {crop.shape[2]}: {verdict}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", default="localhost:7400")
    parser.add_argument("--config", default="cifar10_config")
    parser.add_argument("--out", type=Path, help="folder for the figures")
    options = parser.parse_args()
    if options.out:
        options.out.mkdir(parents=True, exist_ok=True)
    config = load_config(options.config)
    # A consumer of its own: what is drawn here is drawn from no training job's stream.
    with MultiCropLoader(options.target, consumer="check", endless=True, return_params=True) as loader:
        test_multicrop_augmentation(loader, config, options.out)
        speed = benchmark_augmentation_speed(loader, config)
        debug_multicrop_issues(loader, config, speed)
    print("\nAll tests passed")


if __name__ == "__main__":
    main()
