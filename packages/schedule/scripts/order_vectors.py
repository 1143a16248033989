"""Writes docs/vectors/order.json: the published vectors of the epoch's order.

    python3 packages/schedule/scripts/order_vectors.py | npx biome format --stdin-file-path=order.json

A second implementation, written from docs/decisions/0040-epoch-order.md and 0240-draws.md in plain integers, so that the
vectors check the TypeScript instead of repeating it.
"""

import hashlib
import json
import sys

U32 = 0xFFFFFFFF
ROUNDS = 8


def philox4x32(key, counter):
    k0, k1 = key
    c0, c1, c2, c3 = counter
    for _ in range(10):
        p0, p1 = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (p1 >> 32) ^ c1 ^ k0, p1 & U32, (p0 >> 32) ^ c3 ^ k1, p0 & U32
        k0, k1 = (k0 + 0x9E3779B9) & U32, (k1 + 0xBB67AE85) & U32
    return [c0, c1, c2, c3]


def random_key(tag, seed, epoch):
    digest = hashlib.sha256(f"cropstream/1 {tag} {seed} {epoch}".encode()).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in (0, 4)]


def permutation(key, length, tweak=0):
    half = 4
    while 4**half < length:
        half += 1
    mask = (1 << half) - 1
    words = []
    for block in range(ROUNDS // 2):
        high = (tweak >> 32) | (length >> 32 << 16)
        words += philox4x32(key, [block, tweak & U32, high, length & U32])

    def mix(right, first, second):
        x = right ^ first
        x = (x ^ x >> 16) * 0x7FEB352D & U32
        x = ((x ^ x >> 15) + second) & U32
        x = x * 0x846CA68B & U32
        return (x ^ x >> 16) & mask

    def at(element):
        while True:
            left, right = element >> half, element & mask
            for r in range(ROUNDS):
                left, right = right, left ^ mix(right, words[2 * r], words[2 * r + 1])
            element = left << half | right
            if element < length:
                return element

    return at


def order(seed, epoch, length, positions=None):
    at = permutation(random_key("order", seed, epoch), length)
    positions = list(range(length)) if positions is None else positions
    return {
        "seed": seed,
        "epoch": epoch,
        "length": length,
        "positions": positions,
        "samples": [at(p) for p in positions],
    }


def windowed(seed, epoch, length, block_size, blocks, run_size, part=0):
    """All of an epoch, laid out: blocks in their order, each one's samples in theirs, then the runs of each window."""
    suffix = f":{part}" if part else ""
    full = length // block_size
    blocks_key = random_key("blocks" + suffix, seed, epoch)
    before = permutation(blocks_key, full + 1, 1)(0)

    def samples_of(block):
        size = min(block_size, length - block * block_size)
        return [block * block_size + permutation(blocks_key, size, 2 + block)(i) for i in range(size)]

    laid = []
    for place in range(full + 1):
        if place == before and length % block_size:
            laid += samples_of(full)
        if place < full:
            laid += samples_of(permutation(blocks_key, full)(place))
    assert len(laid) == length
    size = block_size * blocks
    window_key = random_key("window" + suffix, seed, epoch)
    samples = []
    for number, first in enumerate(range(0, length, size)):
        window = laid[first : first + size]
        runs = [window[i : i + run_size] for i in range(0, len(window), run_size)]
        whole = len(window) // run_size
        for i in range(len(runs)):
            samples += runs[permutation(window_key, whole, number)(i)] if i < whole else runs[i]
    return samples


def window(seed, epoch, length, block_size, blocks, run_size):
    return {
        "seed": seed,
        "epoch": epoch,
        "length": length,
        "block_size": block_size,
        "blocks": blocks,
        "run_size": run_size,
        "samples": windowed(seed, epoch, length, block_size, blocks, run_size),
    }


def draws(seed, epoch, parts, window=None):
    """All draws of an epoch, by walking through it: each dataset takes its turn when its share has grown by one."""
    total = sum(part["draws"] for part in parts)
    starts = [sum(part["samples"] for part in parts[:i]) for i in range(len(parts))]
    passes = {}

    def sample(i, number):
        n = parts[i]["samples"]
        turn, local = divmod(number, n)
        if (i, turn) not in passes:
            suffix = f":{i}" if i else ""
            if window:
                passes[i, turn] = windowed(seed, turn, n, *window, part=i)
            else:
                at = permutation(random_key("order" + suffix, seed, turn), n)
                passes[i, turn] = [at(p) for p in range(n)]
        return turn, passes[i, turn][local]

    out = []
    for position in range(total):
        at, left = position, total
        for i, part in enumerate(parts):
            turn = at * part["draws"] // left
            if (at + 1) * part["draws"] // left > turn:
                before = epoch * part["draws"]
                which, local = sample(i, before + turn)
                out.append(starts[i] + local + 2**40 * (which - before // part["samples"]))
                break
            at -= turn
            left -= part["draws"]
    result = {"seed": seed, "epoch": epoch, "parts": parts, "draws": out}
    return {**result, **dict(zip(("block_size", "blocks", "run_size"), window))} if window else result


def part(samples, draws):
    return {"samples": samples, "draws": draws}


def substitute(seed, epoch, sample_id, length, count):
    at = permutation(random_key("substitute", seed, epoch), length - 1, sample_id)
    probes = [p if p < sample_id else p + 1 for p in map(at, range(count))]
    return {"seed": seed, "epoch": epoch, "sample_id": sample_id, "length": length, "probes": probes}


def key(tag, seed, epoch):
    low, high = random_key(tag, seed, epoch)
    return {"tag": tag, "seed": seed, "epoch": epoch, "key": [f"{low:08x}", f"{high:08x}"]}


big = 2**40
vectors = {
    "about": "Test vectors of stream format 1: random keys, epoch orders, windows, draws, substitutes. See docs/decisions/0040-epoch-order.md and 0240-draws.md.",
    "keys": [
        key("order", 0, 0),
        key("order", 42, 0),
        key("order", 42, 1),
        key("augment", 42, 1),
        key("substitute", 42, 1),
        key("order", 2**53 - 1, 2**53 - 1),
    ],
    "orders": [
        *(order(0, 0, n) for n in (1, 2, 3, 5, 16, 64)),
        order(42, 0, 100),
        order(42, 1, 100),
        order(43, 0, 100),
        *(order(42, 0, n, [0, 1, 2, n // 2, n - 1]) for n in (256, 257, 50_000, 1_281_167, 2**32, 2**32 + 1)),
        *(order(2**53 - 1, 7, n, [0, 1, 2**32, n // 3, n - 1]) for n in (big - 1, big)),
    ],
    "windows": [
        window(42, 0, 24, 4, 2, 2),
        window(42, 1, 24, 4, 2, 2),
        window(42, 0, 30, 4, 3, 4),
        window(7, 3, 5, 8, 2, 2),
        window(42, 0, 103, 10, 3, 1),
    ],
    "draws": [
        draws(42, 0, [part(10, 10)]),
        draws(42, 3, [part(10, 4)]),
        draws(42, 1, [part(5, 13)]),
        draws(42, 0, [part(12, 12), part(4, 8)]),
        draws(42, 2, [part(12, 6), part(4, 8), part(9, 0), part(3, 5)]),
        draws(42, 1, [part(12, 12), part(8, 4)], window=(4, 2, 2)),
    ],
    "substitutes": [
        substitute(42, 0, 0, 2, 1),
        substitute(42, 0, 3, 7, 6),
        substitute(42, 1, 3, 7, 6),
        substitute(42, 0, 1_000_000, 1_281_167, 8),
        substitute(42, 0, 2**32 + 5, big, 8),
    ],
}
json.dump(vectors, sys.stdout)
