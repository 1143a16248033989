"""DINO on a CPU in about a minute: student and teacher, multi-crop loss, and checkpoints that a kill -9 does not hurt.

    python examples/dino/train.py localhost:7400 --out dino-example
    torchrun --nproc-per-node 2 examples/dino/train.py localhost:7400 --out dino-example

Started again with the same `--out` it goes on from the last checkpoint, with the very next batch; its losses are those
of a run that nobody stopped, bit for bit. README.md beside this file starts the service.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
from pathlib import Path
from typing import Any

import torch
from loss import DINOLoss
from model import Network
from torch import Tensor, distributed, nn
from torch.nn.parallel import DistributedDataParallel

from cropstream import MultiCropLoader, split_crops

PROTOTYPES = 256


class Training:
    """All that a checkpoint holds but the loader's place: networks, optimizer, the loss's centre."""

    def __init__(self, seed: int) -> None:
        torch.manual_seed(seed)  # the same weights on every rank; nothing is drawn after this
        self.student = Network(PROTOTYPES)
        self.teacher = copy.deepcopy(self.student).requires_grad_(False)
        self.loss = DINOLoss(PROTOTYPES)
        self.optimizer = torch.optim.AdamW(self.student.parameters(), weight_decay=0.04)
        # Averages the gradients of all ranks; the same module underneath.
        self.parallel = DistributedDataParallel(self.student) if distributed.is_initialized() else self.student

    def step(self, batch: dict[str, Any], schedule: Schedule) -> Tensor:
        """One step of student and teacher. Returns the loss before it."""
        crops = split_crops(batch)
        student = self.parallel([*crops.globals, *crops.locals])
        with torch.no_grad():
            teacher = self.teacher(crops.globals)
        self.loss.update_center(teacher)
        loss = self.loss(student, teacher, len(crops.globals) + len(crops.locals), len(crops.globals))

        for group in self.optimizer.param_groups:
            group["lr"] = schedule.learning_rate
        self.optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(self.student.parameters(), 3.0)
        self.optimizer.step()

        with torch.no_grad():
            for ours, theirs in zip(self.teacher.parameters(), self.student.parameters(), strict=True):
                ours.lerp_(theirs, 1 - schedule.momentum)
        return loss.detach()

    def state_dict(self) -> dict[str, Any]:
        parts = {"student": self.student, "teacher": self.teacher, "loss": self.loss, "optimizer": self.optimizer}
        return {name: part.state_dict() for name, part in parts.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.student.load_state_dict(state["student"])
        self.teacher.load_state_dict(state["teacher"])
        self.loss.load_state_dict(state["loss"])
        self.optimizer.load_state_dict(state["optimizer"])


class Schedule:
    """What changes over the training, as functions of the global step alone."""

    def __init__(self, step: int, steps: int, warmup: int) -> None:
        def cosine(start: float, end: float) -> float:
            return end + (start - end) * (1 + math.cos(math.pi * step / steps)) / 2

        self.learning_rate = cosine(1e-3, 1e-5) * min(1.0, (step + 1) / warmup)
        self.momentum = cosine(0.99, 1.0)


def train(options: argparse.Namespace) -> None:
    options.out.mkdir(parents=True, exist_ok=True)
    checkpoint, log = options.out / "checkpoint.pt", options.out / "losses.jsonl"
    training = Training(options.seed)
    saved = torch.load(checkpoint, weights_only=True) if checkpoint.exists() else None
    if saved is not None:
        training.load_state_dict(saved["training"])
    is_first = not distributed.is_initialized() or distributed.get_rank() == 0

    # With a state the loader finds its run, or opens it again from the spec in it, and goes on where it was.
    with MultiCropLoader(options.target, state=saved and saved["loader"], dtype="float32") as loader:
        steps = options.epochs * len(loader)
        if is_first:
            cut_log(log, loader.global_step)
            print(f"{len(loader.dataset)} images, {steps} steps, from step {loader.global_step}", flush=True)
        for epoch in range(loader.epoch, options.epochs):
            loader.set_epoch(epoch)
            for batch in loader:
                step = batch.global_step
                loss = mean_over_ranks(training.step(batch, Schedule(step, steps, warmup=len(loader))))
                if not math.isfinite(loss):
                    raise SystemExit(f"the loss is {loss} at step {step}")
                if not is_first:
                    continue
                with log.open("a") as file:
                    file.write(json.dumps({"step": step, "loss": loss}) + "\n")
                if (step + 1) % options.save_every == 0 or step + 1 == steps:
                    # One file: a model of one step beside a loader of another would be a silent fault.
                    save({"training": training.state_dict(), "loader": loader.state_dict()}, checkpoint)
                    print(f"epoch {epoch} step {step} loss {loss:.4f}", flush=True)


def mean_over_ranks(value: Tensor) -> float:
    if distributed.is_initialized():
        distributed.all_reduce(value)
        value /= distributed.get_world_size()
    return value.item()


def save(content: dict[str, Any], path: Path) -> None:
    """Whole or not at all: a kill in the middle leaves the checkpoint before."""
    part = path.with_suffix(".part")
    with part.open("wb") as file:
        torch.save(content, file)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def cut_log(log: Path, step: int) -> None:
    """Leaves the lines before a step: those after it are about to be made again."""
    if log.exists():
        lines = log.read_text().splitlines(keepends=True)
        log.write_text("".join(lines[:step]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", help="the service, host:port")
    parser.add_argument("--out", type=Path, required=True, help="folder of the checkpoint and the losses")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--save-every", type=int, default=10, help="steps between checkpoints")
    parser.add_argument("--seed", type=int, default=0, help="of the weights; the data's is in the run's spec")
    options = parser.parse_args()

    # The same bits every time: sums over several threads may be taken in any order.
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    if "RANK" in os.environ:
        distributed.init_process_group("gloo")
    try:
        train(options)
    finally:
        if distributed.is_initialized():
            distributed.destroy_process_group()


if __name__ == "__main__":
    main()
