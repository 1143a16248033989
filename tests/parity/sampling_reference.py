"""A second implementation of sampling, from docs/determinism.md alone: checks the published vectors.

Only the standard library is used, and nothing of the TypeScript: Python's floats are IEEE doubles, so the bits must be
the same. Usage: python sampling_reference.py <docs/vectors>
"""
import hashlib
import json
import math
import struct
import sys
from pathlib import Path

MASK = 0xFFFFFFFF


def philox(key, counter):
    k0, k1 = key
    c0, c1, c2, c3 = counter
    for _ in range(10):
        a, b = 0xD2511F53 * c0, 0xCD9E8D57 * c2
        c0, c1, c2, c3 = (b >> 32) ^ c1 ^ k0, b & MASK, (a >> 32) ^ c3 ^ k1, a & MASK
        k0, k1 = (k0 + 0x9E3779B9) & MASK, (k1 + 0xBB67AE85) & MASK
    return [c0, c1, c2, c3]


def head(text, words):
    return list(struct.unpack(f"<{words}I", hashlib.sha256(text.encode()).digest()[: 4 * words]))


def random_key(tag, seed, epoch):
    return head(f"cropstream/1 {tag} {seed} {epoch}", 2)


def view_key(view):
    if "seed" not in view:
        return head(f"view name {view['name']}", 1)[0]
    copy = f" {view['copy']}" if "copy" in view else ""
    return head(f"view seed {view['seed']}{copy}", 1)[0]


LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10


def exp(x):
    k = math.floor(x / (LN2_HIGH + LN2_LOW) + 0.5)
    r = x - k * LN2_HIGH - k * LN2_LOW
    total = 1.0
    for n in range(14, 0, -1):
        total = 1 + (r * total) / n
    return total * 2.0**k


def log(x):
    m, k = math.frexp(x)  # m in [0.5, 1)
    if m < math.sqrt(0.5):
        m, k = m * 2, k - 1
    s = (m - 1) / (m + 1)
    z = s * s
    total = 0.0
    for n in range(23, 2, -2):
        total = z * (1 / n + total)
    return k * LN2_HIGH + (2 * s + (2 * s * total + k * LN2_LOW))


def float32(x):
    return struct.unpack("<f", struct.pack("<f", x))[0]


class Draws:
    """One view of one sample in one epoch."""

    def __init__(self, seed, epoch, sample_id, view):
        self.key = random_key("augment", seed, epoch)
        self.rest = [sample_id & MASK, sample_id >> 32, view_key(view)]

    def words(self, slot):
        return philox(self.key, [slot, *self.rest])

    def uniform(self, slot):
        w0, w1, _, _ = self.words(slot)
        return ((w0 >> 5) * 2**26 + (w1 >> 6)) / 2**53

    def range(self, slot, lo, hi):
        return lo + (hi - lo) * self.uniform(slot)

    def integer(self, slot, lo, hi):
        return lo + math.floor(self.uniform(slot) * (hi - lo + 1))


def side(size):
    height, width = size
    return width if width == height else [width, height]


def random_resized_crop(t, draws, slot, image):
    W, H = image
    r0, r1 = t["ratio"]
    box = None
    for attempt in range(10):
        at = slot + 4 * attempt
        area = H * W * draws.range(at, *t["scale"])
        ratio = exp(draws.range(at + 1, log(r0), log(r1)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= W and 0 < h <= H:
            top = draws.integer(at + 2, 0, H - h)
            left = draws.integer(at + 3, 0, W - w)
            box = [left, top, w, h]
            break
    if box is None:
        w, h = W, H
        if W / H < r0:
            h = max(1, round(W / r0))
        elif W / H > r1:
            w = max(1, round(H * r1))
        box = [(W - w) // 2, (H - h) // 2, w, h]
    return {"box": box, "size": side(t["size"]), "interpolation": t["interpolation"]}


def color_jitter(t, draws, slot):
    if not draws.uniform(slot) < t["p"]:
        return {"color_jitter": None}
    names = ["brightness", "contrast", "saturation", "hue"]
    rank, left, order = draws.integer(slot + 1, 0, 23), [0, 1, 2, 3], []
    for block in (6, 2, 1, 1):
        order.append(left.pop(rank // block))
        rank %= block
    jitter = {"order": [names[i] for i in order if t[names[i]] is not None]}
    for i, name in enumerate(names):
        jitter[name] = None if t[name] is None else float32(draws.range(slot + 2 + i, *t[name]))
    return {"color_jitter": jitter}


def gaussian_blur(t, draws, slot):
    if not draws.uniform(slot) < t["p"]:
        return {"blur": None}
    blur = {"kind": t["kind"], "sigma": float32(draws.range(slot + 1, *t["sigma"]))}
    if "kernel_size" in t:
        blur["kernel_size"] = t["kernel_size"]
    return {"blur": blur}


def center(length, wanted):
    return -((wanted - length) // 2) if wanted > length else round((length - wanted) / 2)


def sample(view, seed, epoch, sample_id, image):
    draws, params = Draws(seed, epoch, sample_id, view), {}
    for position, t in enumerate(view["transforms"]):
        slot, name = position << 8, t["name"]
        if name == "random_resized_crop":
            params |= random_resized_crop(t, draws, slot, image)
        elif name == "resize":
            short, (W, H) = t["size"], image
            image = (short, max(1, short * H // W)) if W <= H else (max(1, short * W // H), short)
            params |= {"resize": list(image), "interpolation": t["interpolation"]}
        elif name == "center_crop":
            height, width = t["size"]
            params["center_crop"] = [center(image[0], width), center(image[1], height), width, height]
        elif name == "horizontal_flip":
            params["flip"] = draws.uniform(slot) < t["p"]
        elif name == "grayscale":
            params["grayscale"] = draws.uniform(slot) < t["p"]
        elif name == "solarize":
            params["solarize"] = t["threshold"] if draws.uniform(slot) < t["p"] else None
        elif name == "color_jitter":
            params |= color_jitter(t, draws, slot)
        elif name == "gaussian_blur":
            params |= gaussian_blur(t, draws, slot)
        else:
            raise ValueError(name)
    # What is not in the chain is said to be not applied, last.
    for key in ("flip", "color_jitter", "grayscale", "blur", "solarize"):
        params.setdefault(key, False if key in ("flip", "grayscale") else None)
    return params


def main(folder):
    read = lambda name: json.loads((folder / name).read_text())  # noqa: E731
    checks = 0

    def equal(ours, published, what):
        nonlocal checks
        checks += 1
        if ours != published:
            sys.exit(f"{what}: {ours!r} here, {published!r} published")

    parse = lambda words: [int(word, 16) for word in words]  # noqa: E731
    for vector in read("philox.json")["vectors"]:
        equal(philox(parse(vector["key"]), parse(vector["counter"])), parse(vector["words"]), "philox")
    elementary = read("elementary.json")
    for name, function in (("exp", exp), ("log", log)):
        for vector in elementary[name]:
            equal(struct.pack(">d", function(vector["x"])).hex(), vector["bits"], f"{name} {vector['x']}")
    streams = read("streams.json")
    for vector in streams["random_keys"]:
        equal(random_key(vector["tag"], vector["seed"], vector["epoch"]), parse(vector["key"]), "random key")
    for vector in streams["view_keys"]:
        equal(view_key(vector["view"]), int(vector["key"], 16), "view key")
    for vector in streams["draws"]:
        draws = Draws(vector["seed"], vector["epoch"], vector["sample_id"], vector["view"])
        equal(draws.words(vector["slot"]), parse(vector["words"]), "words")
        equal(draws.uniform(vector["slot"]), vector["uniform"], "uniform")
        equal(draws.integer(vector["slot"], 0, 23), vector["integer_0_to_23"], "integer")
    recipes = read("recipes.json")["recipes"]
    for vector in read("parameters.json")["samples"]:
        image = (vector["width"], vector["height"])
        for view in recipes[vector["recipe"]]["views"]:
            ours = sample(view, vector["seed"], vector["epoch"], vector["sample_id"], image)
            published = vector["views"][view["name"]]
            what = f"{vector['recipe']} {view['name']} of sample {vector['sample_id']}"
            equal(json.dumps(ours), json.dumps(published), what)
    print(f"{checks} vectors agree")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
