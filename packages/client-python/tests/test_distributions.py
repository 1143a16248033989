"""Parameters are distributed as torchvision's: a small run of tests/distributions.py, and what it finds."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

for needed in ("PIL", "scipy", "torch", "torchvision"):
    pytest.importorskip(needed)

import distributions  # noqa: E402
from distributions import USUAL, View  # noqa: E402


def test_every_view_of_every_recipe() -> None:
    tests = distributions.compare(2_000)
    assert len({test.recipe for test in tests}) >= 18
    assert distributions.found(tests) == []


@pytest.fixture(scope="module")
def view() -> View:
    """A view with every transform that draws."""
    _, view = distributions.draw(20_000, USUAL, "barlow")
    assert len(view.chain) == 6
    return view


@pytest.mark.parametrize(
    ("transform", "slip", "quantity"),
    [
        ("random_resized_crop", {"scale": [0.11, 1]}, "area of 500x375"),
        ("random_resized_crop", {"ratio": [0.75, 1.37]}, "ratio of 500x375"),
        ("horizontal_flip", {"p": 0.53}, "horizontal_flip applied"),
        ("color_jitter", {"hue": [-0.105, 0.105]}, "hue"),
        ("color_jitter", {"brightness": [0.58, 1.4]}, "brightness"),
        ("grayscale", {"p": 0.23}, "grayscale applied"),
        ("gaussian_blur", {"sigma": [0.1, 2.3]}, "blur_sigma"),
        ("solarize", {"p": 0.23}, "solarize applied"),
    ],
)
def test_finds_a_slip(view: View, transform: str, slip: dict[str, Any], quantity: str) -> None:
    chain = [{**one, **slip} if one["name"] == transform else one for one in view.chain]
    wrong = replace(view, chain=chain)
    tests = [*distributions.compare_boxes(wrong, USUAL), *distributions.compare_decisions(wrong)]
    assert quantity in {test.quantity for test in distributions.found(tests)}


def test_finds_orders_that_are_not_all_as_likely(view: View) -> None:
    """As a jitter has them whose order is sorted by one number too few."""
    drawn = dict(view.drawn)
    swapped = drawn["jitter_0"] > drawn["jitter_1"]
    few = swapped & (drawn["hue"] > 0.08)
    drawn["jitter_0"] = drawn["jitter_0"].copy()
    drawn["jitter_1"] = drawn["jitter_1"].copy()
    drawn["jitter_0"][few], drawn["jitter_1"][few] = drawn["jitter_1"][few], drawn["jitter_0"][few]
    tests = list(distributions.compare_decisions(replace(view, drawn=drawn)))
    assert "order" in {test.quantity for test in distributions.found(tests)}


def test_finds_decisions_that_hang_together(view: View) -> None:
    """Each as often as it should be, but the flip wherever the grayscale is."""
    flips = view.drawn["flip"].copy()
    gray = view.drawn["grayscale"] == 1
    both = gray.nonzero()[0]
    flips[both[:2000]] = 1
    others = (~gray & (flips == 1)).nonzero()[0]
    flips[others[:1000]] = 0
    tests = list(distributions.compare_decisions(replace(view, drawn={**view.drawn, "flip": flips})))
    assert [test.quantity for test in distributions.found(tests)] == ["what is applied together"]
