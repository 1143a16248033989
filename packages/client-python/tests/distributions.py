"""Whether what workers draw is distributed as what torchvision draws: two-sample tests of every view's parameters.

    python tests/distributions.py --draws 100000 [--recipes dino,swav] [--json FILE]

Ours come from the workers' own sampler (tests/parity/draw-parameters.mjs), theirs from torchvision's own classes:
`RandomResizedCrop.get_params`, `ColorJitter.get_params`, `GaussianBlur.get_params`, and the decisions of
`RandomHorizontalFlip`, `RandomGrayscale`, `RandomSolarize` and `RandomApply`. Boxes are drawn for an image of usual
proportions and, a fifth as many, for a strip, where most attempts fail and the fallback decides.

Numbers are compared by Kolmogorov and Smirnov's test, decisions and orders by chi-square on their counts. Where nothing
differs, a run finds something with the probability SIGNIFICANCE at most: each of its n tests is held to
SIGNIFICANCE / n (Bonferroni). All seeds are fixed, so the same versions give the same p-values.
"""

from __future__ import annotations

import argparse
import itertools
import json
import subprocess
import sys
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from scipy import stats

# torchvision's compiled operators are not needed, and not there where it came without its own build of PyTorch.
sys.modules.setdefault("torchvision._meta_registrations", ModuleType("stub"))
from torchvision import transforms  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[3]
SIGNIFICANCE = 0.01
USUAL, STRIP = (500, 375), (1280, 240)
"""Width and height. Of the strip, a crop of 40 % of the area is higher than the image at most ratios."""

Values = npt.NDArray[np.float64]
Transform = Mapping[str, Any]
FACTORS = ("brightness", "contrast", "saturation", "hue")


@dataclass(frozen=True)
class View:
    """A view's chain, and its parameters by column, [draws] each; NaN where a transform was not applied."""

    recipe: str
    name: str
    chain: Sequence[Transform]
    drawn: Mapping[str, Values]


@dataclass(frozen=True)
class Test:
    recipe: str
    view: str
    quantity: str
    p_value: float


def draw(draws: int, size: tuple[int, int], recipes: str | None = None) -> Iterator[View]:
    """Our parameters of every view of the recipes (a comma between them; all by default)."""
    script = REPOSITORY / "tests" / "parity" / "draw-parameters.mjs"
    command = ["node", str(script), "--draws", str(draws), "--size", f"{size[0]}x{size[1]}"]
    command += [] if recipes is None else ["--recipes", recipes]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        while line := process.stdout.readline():
            head = json.loads(line)
            columns = head["columns"]
            for view in head["views"]:
                rows = np.frombuffer(process.stdout.read(4 * draws * len(columns)), "<f4").reshape(draws, -1)
                drawn = dict(zip(columns, rows.T.astype(np.float64), strict=True))
                yield View(head["recipe"], view["name"], view["transforms"], drawn)
    if process.returncode != 0:
        raise RuntimeError(f"{script.name} ended with {process.returncode}")


# What torchvision draws.

Rows = dict[str, float]


@dataclass(frozen=True)
class Reference:
    """torchvision's draws of one transform."""

    applied: Values
    """0 or 1; of a transform that is always applied, 1."""
    drawn: Mapping[str, Values]
    """By our columns' names, as if it had been applied each time."""


def reference_of(transform: Transform, draws: int, size: tuple[int, int]) -> Reference:
    name = transform["name"]
    applied = _many(f"{name} applied", _DECISIONS.get(name, _always), draws, _decided_by(transform, "p", "threshold"))
    # What is left decides about the numbers: views that differ in other things share a reference.
    arguments = _decided_by(transform, "scale", "ratio", *FACTORS, "sigma")
    if name == "random_resized_crop":
        arguments["image"] = size
    return Reference(applied["applied"], _many(name, _NUMBERS.get(name, _always), draws, arguments))


def _decided_by(transform: Transform, *fields: str) -> dict[str, Any]:
    return {field: transform[field] for field in fields if field in transform}


_Draw = Callable[[dict[str, Any]], Callable[[], Rows]]
_drawn: dict[str, dict[str, Values]] = {}


def _many(what: str, prepare: _Draw, draws: int, arguments: dict[str, Any]) -> dict[str, Values]:
    key = json.dumps([what, draws, arguments])
    if key not in _drawn:
        # Which others are compared, and in which order, does not matter to these.
        torch.manual_seed(zlib.crc32(key.encode()))
        one = prepare(arguments)
        rows = [one() for _ in range(draws)]
        _drawn[key] = {name: np.array([row[name] for row in rows], np.float64) for name in rows[0]}
    return _drawn[key]


def _always(_: dict[str, Any]) -> Callable[[], Rows]:
    return lambda: {"applied": 1.0}


def _box(of: dict[str, Any]) -> Callable[[], Rows]:
    image = Image.new("L", of["image"])

    def one() -> Rows:
        top, left, height, width = transforms.RandomResizedCrop.get_params(image, of["scale"], of["ratio"])
        return {"box_x": left, "box_y": top, "box_width": width, "box_height": height}

    return one


def _jitter(of: dict[str, Any]) -> Callable[[], Rows]:
    def one() -> Rows:
        order, *factors = transforms.ColorJitter.get_params(*(of[name] for name in FACTORS))
        values = dict(zip(FACTORS, (np.nan if value is None else value for value in factors), strict=True))
        applied = [index for index in order.tolist() if factors[index] is not None]
        places = itertools.zip_longest(range(4), applied, fillvalue=np.nan)
        return values | {f"jitter_{place}": index for place, index in places}

    return one


def _sigma(of: dict[str, Any]) -> Callable[[], Rows]:
    return lambda: {"blur_sigma": transforms.GaussianBlur.get_params(*of["sigma"])}


def _apply(of: dict[str, Any]) -> Callable[[], Rows]:
    # It hands back what it was given where it does not apply.
    apply = transforms.RandomApply([lambda _: 1.0], of["p"])
    return lambda: {"applied": apply(0.0)}


def _changes(make: Callable[[dict[str, Any]], Any], image: Image.Image) -> _Draw:
    """For what decides and applies in one: whether an image that it would change is another after it."""
    before = image.tobytes()

    def prepare(of: dict[str, Any]) -> Callable[[], Rows]:
        transform = make(of)
        return lambda: {"applied": transform(image).tobytes() != before}

    return prepare


_HALVES = Image.frombytes("L", (2, 1), b"\x00\xff")
_RED = Image.new("RGB", (1, 1), (255, 0, 0))

_DECISIONS: Mapping[str, _Draw] = {
    "horizontal_flip": _changes(lambda of: transforms.RandomHorizontalFlip(of["p"]), _HALVES),
    "color_jitter": _apply,
    "grayscale": _changes(lambda of: transforms.RandomGrayscale(of["p"]), _RED),
    "gaussian_blur": _apply,
    "solarize": _changes(lambda of: transforms.RandomSolarize(of["threshold"], of["p"]), _HALVES),
}
_NUMBERS: Mapping[str, _Draw] = {"random_resized_crop": _box, "color_jitter": _jitter, "gaussian_blur": _sigma}

_APPLIED: Mapping[str, Callable[[Mapping[str, Values]], Values]] = {
    "horizontal_flip": lambda drawn: drawn["flip"],
    "color_jitter": lambda drawn: ~np.isnan(drawn["jitter_0"]) * 1.0,
    "grayscale": lambda drawn: drawn["grayscale"],
    "gaussian_blur": lambda drawn: ~np.isnan(drawn["blur_sigma"]) * 1.0,
    "solarize": lambda drawn: ~np.isnan(drawn["solarize_threshold"]) * 1.0,
}
"""Where ours was applied, 0 or 1."""


# The tests.


def compare_boxes(view: View, size: tuple[int, int]) -> Iterator[Test]:
    """Areas, ratios, sides and places of the boxes."""
    for transform in view.chain:
        if transform["name"] != "random_resized_crop":
            continue
        ours = _box_quantities(view.drawn, size)
        reference = _box_quantities(reference_of(transform, len(view.drawn["box_x"]), size).drawn, size)
        for quantity, values in ours.items():
            where = f"{quantity} of {size[0]}x{size[1]}"
            yield Test(view.recipe, view.name, where, _smirnov(values, reference[quantity]))


def _box_quantities(drawn: Mapping[str, Values], size: tuple[int, int]) -> dict[str, Values]:
    x, y, width, height = (drawn[name] for name in ("box_x", "box_y", "box_width", "box_height"))
    # How far into the room that its size leaves the box lies.
    places = {"place across": x / np.maximum(size[0] - width, 1), "place down": y / np.maximum(size[1] - height, 1)}
    return {"area": width * height, "ratio": width / height, "x": x, "y": y, **places}


def compare_decisions(view: View) -> Iterator[Test]:
    """Which transforms were applied, one by one and all together; factors, orders and sigmas where they were."""
    draws = len(view.drawn["flip"])
    ours, reference = [], []
    for transform in view.chain:
        name = transform["name"]
        if name not in _APPLIED:
            continue
        given = reference_of(transform, draws, USUAL)
        applied = _APPLIED[name](view.drawn)
        ours.append(applied)
        reference.append(given.applied)
        yield Test(view.recipe, view.name, f"{name} applied", _chi_square(applied, given.applied))
        where = applied == 1
        if not where.any():
            continue
        if name == "color_jitter":
            orders = (_orders(view.drawn)[where], _orders(given.drawn))
            yield Test(view.recipe, view.name, "order", _chi_square(*orders))
        for factor in (*FACTORS, "blur_sigma"):
            if factor in given.drawn:
                yield Test(view.recipe, view.name, factor, _smirnov(view.drawn[factor][where], given.drawn[factor]))
    if ours:
        together = (_patterns(ours), _patterns(reference))
        yield Test(view.recipe, view.name, "what is applied together", _chi_square(*together))


def _orders(drawn: Mapping[str, Values]) -> Values:
    """A number for each order of the jitter's factors."""
    return sum(np.nan_to_num(drawn[f"jitter_{place}"], nan=4) * 5.0**place for place in range(4))  # type: ignore[return-value]


def _patterns(applied: Sequence[Values]) -> Values:
    """A number for each set of transforms."""
    return sum(flags * 2.0**bit for bit, flags in enumerate(applied))  # type: ignore[return-value]


def _smirnov(ours: Values, reference: Values) -> float:
    if np.isnan(ours).all() and np.isnan(reference).all():
        return 1.0
    if np.isnan(ours).any() or np.isnan(reference).any():
        return 0.0
    return float(stats.ks_2samp(ours, reference, method="asymp").pvalue)


def _chi_square(ours: Values, reference: Values) -> float:
    kinds = np.union1d(ours, reference)
    if len(kinds) == 1:
        return 1.0
    counts = [[(values == kind).sum() for kind in kinds] for values in (ours, reference)]
    return float(stats.chi2_contingency(counts, correction=False).pvalue)


def compare(draws: int, recipes: str | None = None) -> list[Test]:
    """Every test of every view."""
    tests: list[Test] = []
    for size, count in ((USUAL, draws), (STRIP, -(-draws // 5))):
        for view in draw(count, size, recipes):
            tests += compare_boxes(view, size)
            # Only boxes depend on the image.
            if size == USUAL:
                tests += compare_decisions(view)
    return tests


def found(tests: Sequence[Test]) -> list[Test]:
    """Those whose p-values say that the distributions differ."""
    return [test for test in tests if test.p_value < SIGNIFICANCE / len(tests)]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--draws", type=int, default=100_000, help="of each view (default: 100000)")
    parser.add_argument("--recipes", help="names with commas between them (default: all)")
    parser.add_argument("--json", type=Path, help="file for all p-values")
    options = parser.parse_args()
    tests = compare(options.draws, options.recipes)
    for recipe, of_recipe in itertools.groupby(sorted(tests, key=lambda test: test.recipe), lambda test: test.recipe):
        listed = list(of_recipe)
        least = min(listed, key=lambda test: test.p_value)
        views = len({test.view for test in listed})
        print(
            f"{recipe:16} {views:2} views, {len(listed):3} tests; least p {least.p_value:.1e}: "
            f"{least.view} {least.quantity}"
        )
    for test in found(tests):
        print(f"DIFFERENT {test.recipe} {test.view}: {test.quantity}, p {test.p_value:.1e}")
    limit = SIGNIFICANCE / max(1, len(tests))
    print(f"{len(tests)} tests on {options.draws} draws of each view, {len(found(tests))} below {limit:.1e}")
    if options.json is not None:
        options.json.write_text(json.dumps([vars(test) for test in tests], indent=1) + "\n")
    return 1 if found(tests) or not tests else 0


if __name__ == "__main__":
    sys.exit(main())
