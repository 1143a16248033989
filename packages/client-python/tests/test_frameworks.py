"""The loader under the conventions of Accelerate, Lightning and torchdata, with the libraries themselves."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fake_run import FakeRun
from fleet import Fleet

from cropstream import MultiCropLoader

torch = pytest.importorskip("torch")

EPOCH = 4


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    views = (("global_0", "uint8", (3, 8, 8)),)
    with Fleet(FakeRun(views=views)) as fleet:
        yield fleet


def open_loader(fleet: Fleet, **options: Any) -> MultiCropLoader:
    return MultiCropLoader(fleet.target, dtype="float32", exclude_fields=["path"], timeout=20, **options)


def new_model() -> Any:
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3 * 8 * 8, 1))


def loss_of(model: Any, batch: Any) -> Any:
    return model(batch["global_0"]).square().mean()


def test_accelerate_saves_it_with_the_model(fleet: Fleet, tmp_path: Path) -> None:
    """`register_for_checkpointing`, `save_state` in mid-epoch, `load_state`: the losses of an unbroken run."""
    accelerate = pytest.importorskip("accelerate")

    def train(until: int, resume: Path | None, save_at: int | None = None) -> list[float]:
        accelerator = accelerate.Accelerator(cpu=True)
        with open_loader(fleet, consumer=f"accelerate-{until}-{resume is None}") as loader:
            model = new_model()
            model, optimizer = accelerator.prepare(model, torch.optim.SGD(model.parameters(), lr=1e-3))
            accelerator.register_for_checkpointing(loader)
            if resume is not None:
                accelerator.load_state(str(resume))
            losses = []
            while loader.epoch * EPOCH < until:
                for batch in loader:
                    loss = loss_of(model, batch)
                    accelerator.backward(loss)
                    optimizer.step()
                    optimizer.zero_grad()
                    losses.append(loss.item())
                    if loader.global_step == save_at:
                        accelerator.save_state(str(tmp_path))
                        return losses
        return losses

    unbroken = train(2 * EPOCH, None)
    assert len(set(unbroken)) == 2 * EPOCH
    broken = train(2 * EPOCH, None, save_at=EPOCH + 2)
    assert len(broken) == EPOCH + 2
    assert broken + train(2 * EPOCH, tmp_path) == unbroken


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("stop_at", [2, EPOCH, EPOCH + 3])
def test_lightning_resumes_in_mid_epoch(fleet: Fleet, tmp_path: Path, stop_at: int) -> None:
    """A `LightningDataModule` with `state_dict`, and `Trainer.fit(ckpt_path=...)`."""
    lightning: Any = pytest.importorskip("pytorch_lightning")

    class Data(lightning.LightningDataModule):  # type: ignore[misc]
        def __init__(self, consumer: str) -> None:
            super().__init__()
            self.consumer = consumer
            self.state: Any = None
            self.loader: MultiCropLoader | None = None

        def train_dataloader(self) -> MultiCropLoader:
            self.loader = open_loader(fleet, state=self.state, consumer=self.consumer)
            return self.loader

        def state_dict(self) -> dict[str, Any]:
            assert self.loader is not None
            return {"loader": self.loader.state_dict()}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.state = state["loader"]

        def teardown(self, stage: str) -> None:
            if self.loader is not None:
                self.loader.close()

    class Model(lightning.LightningModule):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.model = new_model()
            self.seen: list[tuple[list[int], float]] = []

        def training_step(self, batch: Any, index: int) -> Any:
            loss = loss_of(self.model, batch)
            self.seen.append((batch["_indices"].tolist(), loss.item()))
            return loss

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=1e-3)

    class Killed(Exception):
        pass

    class SaveAndDie(lightning.Callback):  # type: ignore[misc]
        def on_train_batch_end(self, trainer: Any, *_: object) -> None:
            if trainer.global_step == stop_at:
                trainer.save_checkpoint(checkpoint)
                raise Killed

    def fit(name: str, callbacks: Sequence[Any] = (), resume: str | None = None) -> list[tuple[list[int], float]]:
        trainer = lightning.Trainer(
            max_epochs=2,
            accelerator="cpu",
            callbacks=list(callbacks),
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=tmp_path,
        )
        model = Model()
        with suppress(Killed):
            trainer.fit(model, datamodule=Data(name), ckpt_path=resume)
        return model.seen

    checkpoint = str(tmp_path / "checkpoint.ckpt")
    unbroken = fit("unbroken")
    expected = [fleet.run.batch(step)["_indices"].tolist() for step in range(2 * EPOCH)]
    assert [indices for indices, _ in unbroken] == expected
    broken = fit("broken", callbacks=[SaveAndDie()])
    assert len(broken) == stop_at
    assert broken + fit("resumed", resume=checkpoint) == unbroken


STATEFUL = """
    import json, sys
    from cropstream import MultiCropLoader
    from torch.utils.data import IterableDataset
    from torchdata.stateful_dataloader import StatefulDataLoader

    class Batches(IterableDataset):
        # Opened where it is iterated: connections belong to one process.
        def __init__(self, target):
            self.target, self.state, self.loader = target, None, None

        def __iter__(self):
            self.loader = MultiCropLoader(self.target, state=self.state, timeout=20, takeover=True)
            for batch in self.loader:
                yield batch["_indices"]

        def state_dict(self):
            return {"loader": self.loader and self.loader.state_dict()}

        def load_state_dict(self, state):
            self.state = state["loader"]

    if __name__ == "__main__":
        target, context = sys.argv[1:]
        options = {"num_workers": 0} if context == "none" else {"num_workers": 1, "multiprocessing_context": context}
        first = StatefulDataLoader(Batches(target), batch_size=None, **options)
        batches = iter(first)
        drawn = [next(batches).tolist() for _ in range(2)]
        state = json.loads(json.dumps(first.state_dict()))
        del batches
        second = StatefulDataLoader(Batches(target), batch_size=None, **options)
        second.load_state_dict(state)
        print(json.dumps(drawn + [batch.tolist() for batch in second]))
"""


@pytest.mark.parametrize("context", ["none", "fork", "spawn"])
def test_torchdata_resumes_it_inside_its_workers(fleet: Fleet, tmp_path: Path, context: str) -> None:
    """`StatefulDataLoader` asks the dataset, in whichever process it is, for its state: what was yielded counts."""
    pytest.importorskip("torchdata")
    script = tmp_path / "train.py"
    script.write_text(textwrap.dedent(STATEFUL))
    source = str(Path(__file__).resolve().parent.parent / "src")
    done = subprocess.run(
        [sys.executable, str(script), fleet.target, context],
        env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.returncode == 0, done.stderr
    expected = [list(map(int, fleet.run.batch(step)["_indices"])) for step in range(EPOCH)]
    assert np.array_equal(np.array(eval(done.stdout.splitlines()[-1])), expected)
