"""Cropstream for PyTorch trainers: seeded multi-crop batches, streamed from a service, each once and in order.

`MultiCropLoader` is what a trainer needs; docs/client-python.md is its guide. Needs grpcio, protobuf and numpy alone.
"""

import os
from importlib.metadata import PackageNotFoundError, version

# Before gRPC's first use: with its fork handlers about one forked child in fifty ends in an abort of gRPC's own threads,
# whatever it does itself (docs/decisions/0102).
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "false")

from ._core.error import CropstreamError
from ._core.run import FieldInfo, RunInfo, ViewInfo
from ._core.security import Tls
from .batch import Batch, Crops, Substitution, split_crops, view_params
from .digest import StreamDigest
from .loader import MultiCropLoader
from .normalization import IMAGENET_MEAN, IMAGENET_STD, normalize
from .state import LoaderState

try:
    __version__ = version("cropstream")
except PackageNotFoundError:  # from a source tree
    __version__ = "0"

__all__ = [
    "IMAGENET_MEAN",
    "IMAGENET_STD",
    "Batch",
    "Crops",
    "CropstreamError",
    "FieldInfo",
    "LoaderState",
    "MultiCropLoader",
    "RunInfo",
    "StreamDigest",
    "Substitution",
    "Tls",
    "ViewInfo",
    "normalize",
    "split_crops",
    "view_params",
]
