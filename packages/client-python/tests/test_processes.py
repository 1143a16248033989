"""Forked, spawned and launched processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
from fake_run import FakeRun
from fleet import Fleet

from cropstream import MultiCropLoader

SOURCE = Path(__file__).resolve().parent.parent / "src"


def run_python(script: str, *arguments: str, seconds: float = 60, **environment: str) -> str:
    """What a script prints in a fresh interpreter that ends by itself with status 0."""
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *arguments],
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
        capture_output=True,
        text=True,
        timeout=seconds,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_a_loader_is_of_its_process_alone() -> None:
    """In a fork every use is a typed error, none hangs, and the parent's stream does not notice."""
    script = """
        import os, sys
        from cropstream import CropstreamError, MultiCropLoader
        loader = MultiCropLoader(sys.argv[1], framework="numpy", timeout=20)
        batches = iter(loader)
        next(batches)
        def attempt(use):
            try:
                use()
                return "fine"
            except CropstreamError as error:
                return error.code
        if os.fork() == 0:
            print(attempt(lambda: next(iter(loader))))
            print(attempt(lambda: loader.set_epoch(3)))
            print(attempt(lambda: MultiCropLoader(sys.argv[1], framework="numpy")))
            print(loader.state_dict()["global_step"], attempt(loader.close), flush=True)
            sys.exit(0)
        _, status = os.wait()
        print([batch.global_step for batch in batches], status)
    """
    with Fleet() as fleet:
        said = run_python(script, fleet.target).splitlines()
        assert said == ["LOADER_FORKED"] * 3 + ["1 fine", "[1, 2, 3] 0"]
        assert len(fleet.attaches) == 1


def test_forked_children_of_a_process_that_draws_end_as_they_should() -> None:
    """With gRPC's own fork handlers one in fifty aborts."""
    script = """
        import os, sys
        from cropstream import MultiCropLoader
        with MultiCropLoader(sys.argv[1], framework="numpy", timeout=20, endless=True) as loader:
            for batch in loader:
                if batch.global_step == 30:
                    break
                if os.fork() == 0:
                    sys.exit(0)
                _, status = os.wait()
                assert status == 0, status
    """
    with Fleet() as fleet:
        run_python(script, fleet.target)


def test_a_fork_may_open_its_own_where_the_parent_had_none() -> None:
    script = """
        import multiprocessing, sys
        from cropstream import MultiCropLoader
        def draw(target):
            with MultiCropLoader(target, framework="numpy", timeout=20) as loader:
                print([batch.global_step for batch in loader], flush=True)
        process = multiprocessing.get_context("fork").Process(target=draw, args=(sys.argv[1],))
        process.start()
        process.join()
        sys.exit(process.exitcode)
    """
    with Fleet() as fleet:
        assert run_python(script, fleet.target) == "[0, 1, 2, 3]\n"


def draw_one(target: str, steps: multiprocessing.SimpleQueue[list[int]]) -> None:
    with MultiCropLoader(target, framework="numpy", timeout=20, consumer="spawned") as loader:
        steps.put([batch.global_step for batch in loader])


def test_a_spawned_process_opens_its_own_beside_the_parents() -> None:
    context = multiprocessing.get_context("spawn")
    steps = context.SimpleQueue()
    with Fleet() as fleet, MultiCropLoader(fleet.target, framework="numpy", timeout=20) as loader:
        batches = iter(loader)
        next(batches)
        process = context.Process(target=draw_one, args=(fleet.target, steps))
        process.start()
        assert steps.get() == [0, 1, 2, 3]
        process.join()
        assert [batch.global_step for batch in batches] == [1, 2, 3]


def test_the_interpreter_ends_though_the_loader_was_not_closed() -> None:
    script = """
        import sys
        from cropstream import MultiCropLoader
        loader = MultiCropLoader(sys.argv[1], framework="numpy", timeout=20)
        print(next(iter(loader)).global_step)
    """
    with Fleet() as fleet:
        assert run_python(script, fleet.target) == "0\n"
        fleet.wait_for(lambda: not any(session.open for session in fleet.sessions))


def test_a_keyboard_interrupt_ends_a_wait() -> None:
    script = """
        import sys
        from cropstream import MultiCropLoader
        with MultiCropLoader(sys.argv[1], framework="numpy", timeout=50) as loader:
            try:
                print("waiting", flush=True)
                next(iter(loader))
            except KeyboardInterrupt:
                print("interrupted")
    """
    with Fleet() as fleet:
        fleet.announces = lambda chunk: False
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), fleet.target],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "waiting\n"
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == "interrupted\n"
        assert process.wait(20) == 0


def test_time_in_which_the_process_was_stopped_is_no_silence() -> None:
    """Stopped for longer than any limit of its own, it goes on where it was."""
    script = """
        import sys, time
        from cropstream import MultiCropLoader
        with MultiCropLoader(sys.argv[1], framework="numpy", timeout=1.5) as loader:
            print("ready", flush=True)
            print([batch.global_step for batch in loader])
    """
    with Fleet() as fleet:
        fleet.announces = lambda chunk: chunk.first < 16
        process = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(script), fleet.target],
            env={**os.environ, "PYTHONPATH": str(SOURCE)},
            stdout=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGSTOP)
        time.sleep(2.5)
        fleet.announces = lambda chunk: True
        fleet.kill_streams()
        process.send_signal(signal.SIGCONT)
        assert process.stdout.read() == "[0, 1, 2, 3]\n"
        assert process.wait(20) == 0


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="reads the process's memory in /proc")
def test_a_slow_loop_keeps_the_process_small() -> None:
    """Of all that a service could send while the loop dawdles, this process takes its window and no more."""
    script = """
        import json, sys, time
        from cropstream import MultiCropLoader
        def resident():
            with open("/proc/self/statm") as statm:
                return int(statm.read().split()[1]) * 4096
        taken = []
        with MultiCropLoader(sys.argv[1], framework="numpy", timeout=50, endless=True, end_step=160) as loader:
            for batch in loader:
                time.sleep(0.004)
                taken.append(resident())
            print(json.dumps({"batch": batch["global_0"].nbytes, "taken": taken}))
    """
    with Fleet(FakeRun(views=(("global_0", "uint8", (3, 160, 160)),))) as fleet:
        said = json.loads(run_python(script, fleet.target, seconds=200))
        batch, taken = said["batch"], said["taken"]
        assert batch * len(taken) > 150_000_000
        assert max(taken[80:]) < max(taken[:80]) + 4 * batch


def test_ranks_under_torchrun(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    if not torch.distributed.is_available():
        pytest.skip("this PyTorch has no torch.distributed")
    script = """
        import sys
        import torch
        import torch.distributed as distributed
        from cropstream import MultiCropLoader
        distributed.init_process_group("gloo")
        with MultiCropLoader(sys.argv[1], timeout=20) as loader:
            for batch in loader:
                both = [torch.empty_like(batch["_indices"]) for _ in range(2)]
                distributed.all_gather(both, batch["_indices"])
                if distributed.get_rank() == 0:
                    print(torch.cat(both).tolist(), flush=True)
        distributed.destroy_process_group()
    """
    with Fleet() as fleet:
        path = tmp_path / "train.py"
        path.write_text(textwrap.dedent(script))
        launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
        result = subprocess.run(
            [*launcher, str(path), fleet.target],
            env={**os.environ, "PYTHONPATH": str(SOURCE), "OMP_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=100,
        )
        assert result.returncode == 0, result.stderr
        said = [line for line in result.stdout.splitlines() if line.startswith("[")]
        assert said == [str(fleet.run.batch(step)["_indices"].tolist()) for step in range(4)]
        assert {(attach.rank, attach.world_size) for attach in fleet.attaches} == {(0, 2), (1, 2)}
