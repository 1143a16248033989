"""Exactly once and in order, whatever a fleet does."""

from __future__ import annotations

import random
import threading
import time
from functools import partial

import pytest
from fake_run import FakeRun
from fleet import Fleet

from cropstream import MultiCropLoader, StreamDigest
from cropstream._core.schedule import Positions
from cropstream.errors import (
    Cancelled,
    ChunkFailed,
    FingerprintMismatch,
    RankTaken,
    StateMismatch,
    StreamStalled,
    Superseded,
    Unreachable,
    WindowTooSmall,
)
from cropstream.v1.coordinator_pb2 import Nack

LOSSES = ["cut", "damaged", "short", "not-found", "unreachable", "silent", "other", "busy"]


def open_loader(fleet: Fleet, **options: object) -> MultiCropLoader:
    return MultiCropLoader(fleet.target, **{"framework": "numpy", "timeout": 20.0, **options})  # type: ignore[arg-type]


def has_delivered(fleet: Fleet, chunks: int) -> bool:
    return len(fleet.delivered) == chunks == len(fleet.fetches)


def drawn(loader: MultiCropLoader) -> str:
    digest = StreamDigest()
    for batch in loader:
        digest.update(batch)
    return digest.hex()


def test_yields_each_batch_once_and_in_order() -> None:
    with Fleet() as fleet, open_loader(fleet) as loader:
        batches = list(loader)
        assert [batch.global_step for batch in batches] == [0, 1, 2, 3]
        digest = StreamDigest()
        for batch in batches:
            digest.update(batch)
        assert digest.hex() == fleet.run.digest(range(4))
        assert batches[0]["path"] == fleet.run.batch(0)["path"]
        assert [(found.row, found.path) for found in batches[0].substitutions] == [(0, "bad.jpg")]
        # To the end of each call: a worker takes an early end for a cut.
        fleet.wait_for(lambda: len(fleet.delivered) >= 4 * 6)
        assert len(fleet.fetches) == len(set(fleet.fetches))


@pytest.mark.parametrize("loss", LOSSES)
def test_survives_a_fetch_that_fails(loss: str) -> None:
    """Each chunk's first fetch, but for a silence, which takes a second."""

    def fate(chunk: Positions, fetch: int) -> str:
        lost = fetch == 0 and (loss != "silent" or chunk.first == 3)
        return loss if lost else "ok"

    with Fleet(fate=fate) as fleet, open_loader(fleet) as loader:
        assert drawn(loader) == fleet.run.digest(range(4))
        reasons = {nack.reason for nack in fleet.nacks}
        offsets = {offset for _, offset in fleet.fetches}
        if loss == "not-found":
            assert reasons == {Nack.REASON_NOT_FOUND}
        elif loss in ("damaged", "other"):
            assert reasons == {Nack.REASON_DAMAGED}
        elif loss in ("unreachable", "silent"):
            assert reasons == {Nack.REASON_UNREACHABLE}
        else:
            assert not reasons
        assert (len(offsets) > 1) == (loss in ("cut", "short")), "only a cut call goes on where it was"


@pytest.mark.parametrize("seed", range(12))
def test_survives_random_schedules(seed: int) -> None:
    chance = random.Random(seed)
    run = FakeRun(
        samples=chance.randint(20, 60),
        global_batch_size=chance.randint(4, 20),
        chunk_size=chance.randint(1, 7),
        drop_last=chance.random() < 0.5,
    )
    world_size = chance.choice([1, 1, 2, 3])
    rank = chance.randrange(world_size)
    faults = [loss for loss in LOSSES if loss != "silent"]

    def fate(chunk: Positions, fetch: int) -> str:
        time.sleep(chance.random() * 0.005)
        return chance.choice(faults) if fetch < 3 and chance.random() < 0.15 else "ok"

    steps = 2 * run.info.steps_per_epoch + 1
    with Fleet(run, fate) as fleet:
        fleet.repeats = chance.random() < 0.5
        options = {"rank": rank, "world_size": world_size, "allow_uneven": True, "end_step": steps, "endless": True}
        with open_loader(fleet, prefetch=chance.randint(1, 5), **options) as loader:
            digest = StreamDigest()
            for batch in loader:
                digest.update(batch)
                if chance.random() < 0.2:
                    fleet.kill_streams()
        assert digest.hex() == run.digest(range(steps), rank, world_size)


def test_attaches_again_with_full_state() -> None:
    with Fleet() as fleet, open_loader(fleet, prefetch=2) as loader:
        batches = iter(loader)
        next(batches)
        fleet.wait_for(lambda: len(fleet.delivered) >= 3 * 6)
        fleet.kill_streams()
        fleet.wait_for(lambda: len(fleet.attaches) == 2)
        first, second = fleet.attaches
        assert first.process == second.process
        assert (first.progress.next_step, second.progress.next_step) == (0, 1)
        assert len(second.progress.held) == 2 * 6, "what is held is not made again"
        assert second.progress.credit_chunks == 2 * 6
        assert second.progress.credit_bytes == 2 * 16 * fleet.run.info.sample_bytes
        assert [batch.global_step for batch in batches] == [1, 2, 3]
        assert len(fleet.fetches) == len(set(fleet.fetches))


def test_opens_the_run_again_where_the_coordinator_forgot_it() -> None:
    with Fleet() as fleet, open_loader(fleet, prefetch=1) as loader:
        batches = iter(loader)
        next(batches)
        fleet.knows_run = False
        fleet.kill_streams()
        assert [batch.global_step for batch in batches] == [1, 2, 3]
        assert fleet.opened == [fleet.run.info.spec_json]


@pytest.mark.parametrize(("field", "error"), [("digest", StateMismatch), ("fingerprint", FingerprintMismatch)])
def test_a_run_opened_again_must_be_the_same(field: str, error: type[Exception]) -> None:
    with Fleet() as fleet, open_loader(fleet, prefetch=1) as loader:
        batches = iter(loader)
        next(batches)
        fleet.announces = lambda chunk: False
        setattr(fleet.run.wire, field, "0" * 64)
        fleet.kill_streams()
        with pytest.raises(error):
            list(batches)


def test_holds_no_more_than_its_credits_while_the_trainer_is_slow() -> None:
    with Fleet(FakeRun(samples=320)) as fleet, open_loader(fleet, prefetch=3) as loader:
        batches = iter(loader)
        fields = 16 * (8 + 8 + 8)
        for step in range(6):
            next(batches)
            fleet.wait_for(partial(has_delivered, fleet, (step + 1 + 3) * 6))
            assert loader._stream.held_bytes == loader._stream.credit_bytes + 3 * fields
        # Nothing was asked for beyond the window.
        assert max(chunk.last for chunk, _ in fleet.fetches) == 9 * 16


def test_a_stall_says_who_has_what_and_passes() -> None:
    with Fleet() as fleet:
        fleet.announces = lambda chunk: chunk.first != 19
        with open_loader(fleet, timeout=0.5) as loader:
            batches = iter(loader)
            next(batches)
            with pytest.raises(StreamStalled, match=r"chunk 19-22 of epoch 0.*was not announced") as caught:
                next(batches)
            assert isinstance(caught.value, TimeoutError)
            assert caught.value.details["step"] == 1
            fleet.announces = lambda chunk: True
            fleet.kill_streams()
            # A generator that raised is over; the loader is not.
            assert [batch.global_step for batch in loader] == [1, 2, 3]


def test_a_paused_run_is_waited_for_until_it_goes_on() -> None:
    with Fleet() as fleet:
        fleet.announces = lambda chunk: chunk.first != 19
        with open_loader(fleet, timeout=2.0) as loader:
            batches = iter(loader)
            next(batches)
            paused = Positions(0, 19, 22)
            said = 0

            def say_paused() -> bool:
                nonlocal said
                said += 1
                fleet.say_paused(paused)
                time.sleep(0.05)
                return said > 100

            teller = threading.Thread(target=fleet.wait_for, args=(say_paused, 60.0))
            teller.start()
            with pytest.raises(StreamStalled, match="is not made while the run is paused"):
                next(batches)
            # Told some 5 s long: more than twice the limit.
            assert said > 100
            teller.join()


def test_a_stall_names_the_worker_that_is_silent() -> None:
    said = r"is being fetched from worker w1 at .*, 0 of"
    with Fleet(fate=lambda chunk, fetch: "silent") as fleet, open_loader(fleet, timeout=0.5) as loader:
        batches = iter(loader)
        with pytest.raises(StreamStalled, match=said):
            next(batches)


def test_a_coordinator_that_is_gone_is_unreachable() -> None:
    with Fleet() as fleet, open_loader(fleet, prefetch=1, timeout=1.0) as loader:
        next(iter(loader))
        fleet.wait_for(lambda: len(fleet.delivered) == 12)
        fleet.close()
        with pytest.raises(Unreachable) as caught:
            list(loader)
        assert isinstance(caught.value, ConnectionError)
        # What was held when it died was still yielded.
        assert loader.global_step == 2


def test_superseded_ends_at_once() -> None:
    with Fleet() as fleet, open_loader(fleet) as loader:
        batches = iter(loader)
        next(batches)
        fleet.wait_for(lambda: len(fleet.delivered) >= 24)
        fleet.kill_streams(Superseded(rank=0, consumer="job", host="other", pid=7))
        fleet.wait_for(lambda: loader._stream._fatal is not None)
        with pytest.raises(Superseded, match="other pid 7"):
            next(batches)
        assert len(fleet.attaches) == 1


def test_a_failed_chunk_is_raised_after_the_batches_before_it() -> None:
    with Fleet() as fleet:
        fleet.announces = lambda chunk: chunk.first < 32
        with open_loader(fleet) as loader:
            fleet.wait_for(lambda: len(fleet.delivered) >= 12)
            fleet.kill_streams(ChunkFailed(chunk="x", attempts=3, reason="bad.jpg"))
            with pytest.raises(ChunkFailed, match=r"bad\.jpg"):
                list(loader)
            assert loader.global_step == 2


def test_a_refused_attach_is_raised_at_open() -> None:
    with Fleet() as fleet:
        fleet.refusal = RankTaken(rank=0, consumer="default", host="here", pid=1)
        with pytest.raises(RankTaken, match="attached by here pid 1"):
            open_loader(fleet)


def test_a_window_that_holds_no_step_is_refused() -> None:
    with Fleet() as fleet, pytest.raises(WindowTooSmall):
        open_loader(fleet, prefetch_bytes=1000)


def test_close_wakes_whoever_waits_and_leaves_in_order() -> None:
    with Fleet() as fleet:
        fleet.announces = lambda chunk: False
        loader = open_loader(fleet)
        caught: list[BaseException] = []

        def wait() -> None:
            try:
                next(iter(loader))
            except Cancelled as error:
                caught.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        fleet.wait_for(lambda: bool(loader._stream._waits))
        loader.close()
        thread.join(5)
        assert len(caught) == 1
        fleet.wait_for(lambda: not any(session.open for session in fleet.sessions))
        with pytest.raises(Cancelled):
            next(iter(loader))
        loader.close()
        names = [thread.name for thread in threading.enumerate()]
        assert not [name for name in names if name.startswith(("cropstream-fetch", "cropstream-timers"))]
