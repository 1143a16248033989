# %% [markdown]
# # Multi-crop named fields
# Each crop is a field of the batch under its own name, with its own size, scale, ratio, seed and chain. The service:
#
#     npx cropstream serve --data demo/images --spec docs/seeds/notebook-2-dino.yaml --port 7410 --http-port 7411
#
# A service serves any number of runs; each section opens one of its own, from a spec.

# %%
import argparse
from pathlib import Path
from typing import Any

import numpy as np

from cropstream import Batch, MultiCropLoader
from cropstream.pictures import show_batch, show_views

parser = argparse.ArgumentParser()
parser.add_argument("--target", default="localhost:7410")
parser.add_argument("--data", default="demo/images", help="the images, as the service finds them")
parser.add_argument("--out", type=Path, default=None, help="folder for the figures")
options, _ = parser.parse_known_args()  # a notebook's kernel has arguments of its own
if options.out:
    options.out.mkdir(parents=True, exist_ok=True)
# The coordinator reads it, so a path of this machine is made whole.
url = options.data if "://" in options.data else str(Path(options.data).resolve())


def figure(name: str) -> Path | None:
    return options.out / name if options.out else None


def open_loader(name: str, views: Any, seed: int = 42, batch_size: int = 8, **arguments: Any) -> MultiCropLoader:
    spec = {
        "name": name,
        "dataset": {"source": "image-folder", "url": url},
        "seed": seed,
        "shuffle": True,
        "global_batch_size": batch_size,
        "views": views,
    }
    return MultiCropLoader(options.target, spec=spec, exclude_fields=["path"], **arguments)


def equal(first: Any, second: Any) -> bool:
    return np.array_equal(np.asarray(first), np.asarray(second))


# %% [markdown]
# ## 1. Two named crops of one size

# %%
loader = open_loader("named-two", {"view_0": {"size": 224, "seed": 42}, "view_1": {"size": 224, "seed": 43}})
print(f"Dataset: {len(loader.dataset):,} samples")
batch = next(iter(loader))
print(f"Batch keys: {list(batch.keys())}")
for name in ("view_0", "view_1"):
    print(f"{name} shape: {tuple(batch[name].shape)}, dtype: {batch[name].dtype}")
loader.shutdown()

# %%
show_batch(batch["view_0"], title="view_0", nrow=4, save_path=figure("1-batch.png"))
show_views(batch, title="2 named views @ 224px", save_path=figure("1-two-views.png"))

# %%
small = {"size": 98, "scale": [0.05, 0.30]}
loader = open_loader("named-small", {"view_0": {**small, "seed": 42}, "view_1": {**small, "seed": 43}})
batch = next(iter(loader))
for name in ("view_0", "view_1"):
    print(f"{name} shape: {tuple(batch[name].shape)}, dtype: {batch[name].dtype}")
loader.shutdown()
show_views(batch, title="2 named views @ 98px", save_path=figure("1-small.png"))

# %% [markdown]
# ## 2. DINO-style: two globals of 224 and four locals of 96
# All six are cut from an image that is decoded once.

# %%
globals_ = {f"global_{n}": {"size": 224, "scale": [0.4, 1.0], "seed": 42 + n} for n in range(2)}
locals_ = {f"local_{n}": {"size": 96, "scale": [0.05, 0.4], "seed": 44 + n} for n in range(4)}
loader = open_loader("named-dino", {**globals_, **locals_})
batch = next(iter(loader))
print(f"Batch keys: {list(batch.keys())}")
for name in batch.views:
    print(f"  {name}: {tuple(batch[name].shape)}")
loader.shutdown()

# %%
title = "2 global (224px) + 4 local (96px) crops per image"
show_views(batch, ["global_0", "global_1", *locals_], n_images=6, title=title, save_path=figure("2-dino.png"))

# %% [markdown]
# ## 3. A chain for each crop
# One crop is normalised, the other left as uint8, in one batch.

# %%
chains = {
    "global_0": {"size": 224, "scale": [0.4, 1.0], "transforms": ["normalize"]},
    "local_0": {"size": 96, "scale": [0.05, 0.4]},
}
loader = open_loader("named-chains", chains, batch_size=16)
batch = next(iter(loader))
for name in ("global_0", "local_0"):
    view = batch[name]
    print(f"{name}: shape={tuple(view.shape)}, dtype={view.dtype}, range=[{view.min():.3f}, {view.max():.3f}]")
loader.shutdown()

# %% [markdown]
# ## 4. Seeds
# Seeds that are given again give the same batches again. The run's seed decides the order, and the crops with it.

# %%
SEEDED = {
    "global_0": {"size": 224, "scale": [0.4, 1.0], "seed": 100},
    "local_0": {"size": 96, "scale": [0.05, 0.4], "seed": 200},
}


def get_dino_batch(seed: int) -> Batch:
    with open_loader(f"named-seed-{seed}", SEEDED, seed=seed) as loader:
        first: Batch = next(iter(loader))
        return first


batch_a, batch_b, batch_c = get_dino_batch(42), get_dino_batch(42), get_dino_batch(99)
same = {name: equal(batch_a[name], batch_b[name]) for name in ("_indices", "global_0", "local_0")}
print(f"seed=42 vs seed=42: same indices={same['_indices']}, global={same['global_0']}, local={same['local_0']}")
different = not equal(batch_a["_indices"], batch_c["_indices"])
print(f"seed=42 vs seed=99: different indices={different}")

# %%
rows = {"seed=42 (run 1)": batch_a, "seed=42 (run 2)": batch_b, "seed=99": batch_c}
shown = {label: batch["global_0"] for label, batch in rows.items()}
show_views(shown, title="Same seed, same crops", save_path=figure("4-seeds.png"))

# %% [markdown]
# ## 5. A list of crops and named crops
# `as_list` yields what DINO's own loader does, a list; names are less ambiguous downstream. Both are the same crops.

# %%
loader_old = open_loader("named-uniform", {"num_crops": 2, "size": 224}, as_list=True, dtype="uint8")
crops_old, labels = next(iter(loader_old))
loader_old.shutdown()

loader_new = open_loader("named-views", {"view_0": {"size": 224}, "view_1": {"size": 224}})
batch_new = next(iter(loader_new))
loader_new.shutdown()

print(f"As a list: {type(crops_old).__name__} of {len(crops_old)}, the first {tuple(crops_old[0].shape)}")
print(f"By name: {[name for name in batch_new if name != '_indices']}")
print(f"The same crops: {all(equal(old, new) for old, new in zip(crops_old, batch_new.as_list(), strict=True))}")

# %%
both = {"list [0]": crops_old[0], "list [1]": crops_old[1], **batch_new.views}
show_views(both, title="A list and named views: the same images", save_path=figure("5-list-and-names.png"))
