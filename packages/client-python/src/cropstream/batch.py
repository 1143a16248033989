"""What the loader yields."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any, NamedTuple

PARAM_COLUMNS = (
    "box_x",
    "box_y",
    "box_width",
    "box_height",
    "source_width",
    "source_height",
    "flip",
    "jitter_0",
    "jitter_1",
    "jitter_2",
    "jitter_3",
    "brightness",
    "contrast",
    "saturation",
    "hue",
    "grayscale",
    "blur_sigma",
    "solarize_threshold",
)
"""The columns of a view's parameters, as workers send them."""


@dataclass(frozen=True)
class Substitution:
    """A bad sample that another one stands in for."""

    row: int
    """Of the batch."""
    original_index: int
    delivered_index: int
    """As in `_indices`."""
    path: str
    """Of the bad sample."""
    code: str
    """Of its error."""
    reason: str


class Crops(NamedTuple):
    """The views that a teacher sees, and the others."""

    globals: list[Any]
    locals: list[Any]


def split_crops(batch: Mapping[str, Any]) -> Crops:
    """The views of a batch in two lists, both in the spec's order.

    Globals are the views whose names start with `global`; where none does, those of the largest size.
    """
    views = views_of(batch)
    return split_views(list(views), list(views.values()))


def split_views(names: Sequence[str], views: Sequence[Any]) -> Crops:
    """The same for views in a list, as `as_list=True` gives them, and their names."""
    named = [name.startswith("global") for name in names]
    if not any(named):
        largest = max((prod(view.shape[1:]) for view in views), default=0)
        named = [prod(view.shape[1:]) == largest for view in views]
    pairs = list(zip(named, views, strict=True))
    return Crops([view for is_global, view in pairs if is_global], [view for is_global, view in pairs if not is_global])


def views_of(batch: Mapping[str, Any]) -> dict[str, Any]:
    """The batch's images: all that is [B, C, H, W] or [B, H, W, C]."""
    return {name: value for name, value in batch.items() if getattr(value, "ndim", 0) == 4}


class Batch(dict[str, Any]):
    """One rank's slice of one step: `{view: [B, ...], "_indices": int64 [B], "labels": int64 [B], field: ...}`.

    Views come first, in the spec's order, then `_indices`, `labels` (-1 where the dataset has none), and the samples'
    other fields: int64 or float64 [B], or a list of B strings. With `return_params`, `_params` has each view's
    parameters (see `view_params`). A plain dictionary for whoever wants one; its memory is the receiver's.
    """

    epoch: int
    """Of the dataset; -1 for a batch that was made from a plain mapping."""
    step: int
    """Within the dataset's epoch."""
    global_step: int
    """Since the run's first step: all that a resume needs."""
    substitutions: tuple[Substitution, ...]
    """Bad samples of this batch and what stands in for them."""

    def __init__(
        self,
        content: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        *,
        epoch: int = -1,
        step: int = -1,
        global_step: int = -1,
        substitutions: tuple[Substitution, ...] = (),
    ) -> None:
        super().__init__(content)
        self.epoch = epoch
        self.step = step
        self.global_step = global_step
        self.substitutions = substitutions

    @property
    def views(self) -> dict[str, Any]:
        """The named views, in the spec's order."""
        return views_of(self)

    @property
    def size(self) -> int:
        """Samples in the batch, B."""
        return len(self["_indices"])

    def as_list(self) -> list[Any]:
        """The views in the spec's order: what DINO's own loader yields as `images`."""
        return list(self.views.values())

    def split_crops(self) -> Crops:
        """As `cropstream.split_crops`."""
        return split_crops(self)

    def replace(self, content: Mapping[str, Any]) -> Batch:
        """A batch of other content at the same place."""
        return Batch(
            content,
            epoch=self.epoch,
            step=self.step,
            global_step=self.global_step,
            substitutions=self.substitutions,
        )


def view_params(table: Any) -> dict[str, Any]:
    """A view's parameters by name, from float32 [B, 18]; each a view of the table. NaN: the transform did not apply.

    - `box` [B, 4]: x, y, width, height in the source's pixels; `source_size` [B, 2]: its width and height
    - `flip`, `grayscale` [B]: 1 where applied, 0 where not
    - `jitter_order` [B, 4]: which factor came first (0 brightness, 1 contrast, 2 saturation, 3 hue)
    - `brightness`, `contrast`, `saturation`, `hue`, `blur_sigma`, `solarize_threshold` [B]
    """
    single = {name: table[:, column] for column, name in enumerate(PARAM_COLUMNS[: table.shape[1]])}
    grouped = {
        "box": table[:, 0:4],
        "source_size": table[:, 4:6],
        "jitter_order": table[:, 7:11],
    }
    prefixes = ("box_", "source_", "jitter_")
    return {**grouped, **{name: value for name, value in single.items() if not name.startswith(prefixes)}}
