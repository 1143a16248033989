"""The Python client, or a bare grpcio stream of the same frames: draws, and says what it took, as one JSON object.

    python benchmarks/client/draw.py --how loader --target HOST:PORT --warmup 4 --steps 40 ...

`raw` reads each frame's message and drops it: what gRPC costs alone. `checked` sums the bytes and copies them to fresh
memory once: what no client can do without.
"""

from __future__ import annotations

import argparse
import itertools
import json
import threading
import time
import zlib
from collections.abc import Callable, Iterator

import grpc
import numpy as np

from cropstream import MultiCropLoader
from cropstream._core.fetcher import MAX_FETCHES
from cropstream._core.frame import parse_frame
from cropstream._core.transport import OPTIONS
from cropstream.v1 import run_pb2, worker_pb2


def draw_by_loader(options: argparse.Namespace) -> Iterator[int]:
    """Yields the bytes of each step."""
    end = options.warmup + options.steps
    with MultiCropLoader(options.target, endless=True, end_step=end) as loader:
        for batch in loader:
            yield sum(value.nbytes for value in batch.values())


def draw_by_grpcio(options: argparse.Namespace, take: Callable[[Iterator[bytes], int], int]) -> Iterator[int]:
    """As many streams at once as the loader has, and no order."""
    channel = grpc.insecure_channel(options.target, OPTIONS)
    fetch: grpc.UnaryStreamMultiCallable[worker_pb2.FetchChunkRequest, bytes] = channel.unary_stream(
        "/cropstream.v1.Worker/FetchChunk",
        request_serializer=worker_pb2.FetchChunkRequest.SerializeToString,
        response_deserializer=None,
    )
    per_step = options.batch // options.chunk
    numbers = iter(range((options.warmup + options.steps) * per_step))
    lock = threading.Lock()
    arrived = threading.Semaphore(0)
    sizes: list[int] = []

    def loop() -> None:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            first = number * options.chunk
            chunk = run_pb2.ChunkId(run_digest="0" * 64, epoch=0, first=first, last=first + options.chunk)
            request = worker_pb2.FetchChunkRequest(chunk=chunk, worker_id=options.worker, attempt=1)
            sizes.append(take(fetch(request), options.chunk_bytes))
            arrived.release()

    for _ in range(MAX_FETCHES):
        threading.Thread(target=loop, daemon=True).start()
    for _ in range(options.warmup + options.steps):
        for _ in range(per_step):
            arrived.acquire()
        yield per_step * sizes[0]
    channel.close()


def drop(messages: Iterator[bytes], size: int) -> int:
    for _ in messages:
        pass
    return size


def check(messages: Iterator[bytes], size: int) -> int:
    memory = np.empty(size, np.uint8)
    crc, at = 0, 0
    for message in messages:
        data = parse_frame(message).data
        crc = zlib.crc32(data, crc)
        memory[at : at + len(data)] = np.frombuffer(data, np.uint8)
        at += len(data)
    return at


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--how", choices=["loader", "raw", "checked"], required=True)
    parser.add_argument("--target", required=True)
    parser.add_argument("--worker", required=True)
    for name in ("warmup", "steps", "batch", "chunk", "chunk-bytes"):
        parser.add_argument(f"--{name}", type=int, required=True)
    options = parser.parse_args()
    if options.how == "loader":
        steps = draw_by_loader(options)
    else:
        steps = draw_by_grpcio(options, drop if options.how == "raw" else check)
    for _ in itertools.islice(steps, options.warmup):
        pass
    began, cpu = time.perf_counter(), time.process_time()
    size = sum(steps)
    seconds, cpu_seconds = time.perf_counter() - began, time.process_time() - cpu
    print(json.dumps({"bytes": size, "seconds": seconds, "cpuSeconds": cpu_seconds}))


if __name__ == "__main__":
    main()
