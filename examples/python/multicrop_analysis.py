# %% [markdown]
# # Multi-crop analysis
# How much the crops of one image differ, and how much of it they cover. The service:
#
#     npx cropstream serve --data cifar-10-batches-bin --spec docs/seeds/cifar10_config.yaml

# %%
import argparse
from pathlib import Path

from lesson_config import load_config

from cropstream import MultiCropLoader
from cropstream.pictures import visualize_augmentation_effects, visualize_scale_distributions

parser = argparse.ArgumentParser()
parser.add_argument("--target", default="localhost:7400")
parser.add_argument("--out", type=Path, default=None, help="folder for the figures")
options, _ = parser.parse_known_args()  # a notebook's kernel has arguments of its own
if options.out:
    options.out.mkdir(parents=True, exist_ok=True)


def figure(name: str) -> Path | None:
    return options.out / name if options.out else None


config = load_config("cifar10_config")
# Parameters come with the batches: the boxes are what scales are measured on.
dataloader = MultiCropLoader(options.target, consumer="analysis", endless=True, return_params=True)

# %% [markdown]
# ## 1. Diversity across samples

# %%
visualize_augmentation_effects(dataloader, config, n_samples=6, save_path=figure("diversity.png"))

# %% [markdown]
# ## 2. Scale distributions
# A crop's tensor has one size whatever it shows, so dividing sizes gives one bar. The share of the image that its box
# covers is the scale that was configured: dashed lines.

# %%
ranges = visualize_scale_distributions(dataloader, n_batches=10, bins=20, save_path=figure("scales.png"))
print(f"configured: globals {config.data.global_crops_scale}, locals {config.data.local_crops_scale}")

# %%
dataloader.close()
