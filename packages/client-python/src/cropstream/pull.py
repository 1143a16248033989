"""`cropstream-pull`, or `python -m cropstream.pull`: a trainer that draws batches and digests them.

To try, to measure, to compare streams. Its flags and its JSON are those of the service's own `cropstream pull`.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TextIO

from ._core.error import CropstreamError
from .batch import Batch
from .digest import StreamDigest
from .loader import MultiCropLoader


@dataclass
class Pulled:
    """What was drawn. `bytes` are the views'."""

    run: str
    digest: str
    steps: int
    images: int
    bytes: int
    substituted: int
    seconds: float
    images_per_second: float
    crops_per_second: float
    ms_per_batch: float


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; its exit status."""
    options = _parser().parse_args(arguments)
    try:
        pulled = pull(options)
    except CropstreamError as error:
        print(f"cropstream-pull: {error.code}: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    if options.json:
        print(json.dumps(asdict(pulled)))
    else:
        _report(pulled)
    return 0


def pull(options: argparse.Namespace) -> Pulled:
    """Draws what the flags say. Raises CropstreamError."""
    end = None if options.steps is None else options.from_step + options.steps
    with contextlib.ExitStack() as stack:
        loader = stack.enter_context(
            MultiCropLoader(
                options.target,
                run=options.run,
                rank=options.rank,
                world_size=options.world,
                consumer=options.consumer,
                prefetch=options.prefetch,
                takeover=options.takeover,
                allow_uneven=options.uneven,
                start_step=options.from_step,
                # Without --steps the end is known only once the run is: a little is then made ahead for nobody.
                end_step=end,
                endless=True,
                relay=options.relay,
                timeout=options.timeout,
                framework="numpy",
            )
        )
        digests = stack.enter_context(open(options.digests, "w")) if options.digests else None
        steps = options.steps or loader.run.steps_per_epoch * (options.epochs or 1)
        return _draw(loader, steps, options.step_ms / 1000, digests)


def _draw(loader: MultiCropLoader, steps: int, step_seconds: float, digests: TextIO | None) -> Pulled:
    digest = StreamDigest()
    drawn = images = size = substituted = 0
    began = time.perf_counter()
    for batch in loader:
        digest.update(batch)
        drawn += 1
        images += batch.size
        size += sum(view.nbytes for view in batch.as_list())
        substituted += len(batch.substitutions)
        _note(batch, digests)
        if drawn == steps:
            break
        time.sleep(step_seconds)
    seconds = time.perf_counter() - began
    return Pulled(
        run=loader.run.name,
        digest=digest.hex(),
        steps=drawn,
        images=images,
        bytes=size,
        substituted=substituted,
        seconds=seconds,
        images_per_second=images / seconds,
        crops_per_second=images * len(loader.run.views) / seconds,
        ms_per_batch=seconds * 1000 / max(1, drawn),
    )


def _note(batch: Batch, digests: TextIO | None) -> None:
    for found in batch.substitutions:
        print(f"substituted: {found.path}: {found.code}: {found.reason}", file=sys.stderr)
    if digests is not None:
        own = StreamDigest()
        own.update(batch)
        digests.write(f"{batch.global_step} {own.hex()}\n")


def _report(pulled: Pulled) -> None:
    print(f"run              {pulled.run}")
    mib = pulled.bytes / 2**20
    print(f"drawn            {pulled.steps} batches, {pulled.images} images, {mib:.1f} MiB in {pulled.seconds:.2f} s")
    print(
        f"throughput       {pulled.images_per_second:.1f} images/s, {pulled.crops_per_second:.1f} crops/s, "
        f"{pulled.ms_per_batch:.1f} ms a batch"
    )
    print(f"substituted      {pulled.substituted}")
    print(f"stream digest    {pulled.digest}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cropstream-pull",
        description="a trainer that draws batches and digests them: to try, to measure, to compare streams",
    )

    def integer(least: int) -> object:
        def parse(text: str) -> int:
            if not text.isdigit() or int(text) < least:
                raise argparse.ArgumentTypeError(f"{text} is not allowed; expected an integer of at least {least}")
            return int(text)

        return parse

    def flag(name: str, default: object, help: str, **more: object) -> None:
        parser.add_argument(name, default=default, help=help, **more)  # type: ignore[arg-type]

    flag("--target", "127.0.0.1:7400", "the coordinator, host:port")
    flag("--run", None, "the run to draw from (default: the only open one)")
    flag("--rank", None, "this rank (default: RANK, else 0)", type=integer(0))
    flag("--world", None, "the world size (default: WORLD_SIZE, else 1)", type=integer(1))
    flag("--from-step", 0, "the global step to begin at", type=integer(0))
    flag("--steps", None, "steps to draw (default: one epoch)", type=integer(1))
    flag("--epochs", None, "epochs to draw, instead of --steps", type=integer(1))
    flag("--prefetch", None, "steps to hold ahead", type=integer(1))
    flag("--consumer", None, "the job id that the ranks of one job share (default: CROPSTREAM_CONSUMER)")
    flag("--takeover", False, "end a live attachment of the same rank", action="store_true")
    flag("--uneven", False, "accept batches that differ by one sample between ranks", action="store_true")
    flag(
        "--relay",
        None,
        "draw through the coordinator (default: CROPSTREAM_RELAY, else auto)",
        choices=("auto", "always", "never"),
    )
    flag("--step-ms", 0, "milliseconds that a step 'trains': a slow trainer", type=integer(0))
    flag("--timeout", 60, "seconds: give up when no batch came for so long", type=integer(1))
    flag("--digests", None, "write each batch's step and own digest to this file, a line a batch")
    flag("--json", False, "print one JSON object", action="store_true")
    return parser


if __name__ == "__main__":
    sys.exit(main())
