"""A training loop whose step is a sleep, as one whose step is a GPU's: which share of its time it waits for data.

    python benchmarks/client/wait.py --target HOST:PORT --steps 24 [--prefetch N] [--step-seconds S]

Every fourth step is a long one, as where a loop logs or evaluates; `--step-seconds` is their mean.
"""

from __future__ import annotations

import argparse
import json
import time

from cropstream import MultiCropLoader

WARMUP = 8
LENGTHS = (0.25, 0.25, 0.25, 3.25)
"""Of one step after the other, in means."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--target", required=True)
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--prefetch", type=int)
    parser.add_argument("--step-seconds", type=float, required=True)
    options = parser.parse_args()
    steps = WARMUP + options.steps
    began = waited = 0.0
    with MultiCropLoader(options.target, prefetch=options.prefetch, endless=True, end_step=steps) as loader:
        batches = iter(loader)
        for step in range(steps):
            if step == WARMUP:
                began, waited = time.perf_counter(), 0.0
            asked = time.perf_counter()
            next(batches)
            waited += time.perf_counter() - asked
            time.sleep(options.step_seconds * LENGTHS[step % len(LENGTHS)])
        seconds = time.perf_counter() - began
    print(json.dumps({"waitShare": waited / seconds}))


if __name__ == "__main__":
    main()
