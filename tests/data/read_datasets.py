"""Reads a data set by its own library: `read_datasets.py KIND FOLDER` prints [[sha256 of the image, label, path], ...]."""

import hashlib
import json
import sys
from pathlib import Path


def read_webdataset(folder: Path):
    import webdataset

    shards = sorted(str(path) for path in folder.glob("*.tar"))
    for sample in webdataset.WebDataset(shards, shardshuffle=False, empty_check=False):
        (image,) = [sample[name] for name in ("jpg", "png") if name in sample]
        yield image, int(sample["cls"]), json.loads(sample["json"])["path"]


def read_litdata(folder: Path):
    import litdata

    for sample in litdata.StreamingDataset(str(folder), shuffle=False):
        yield sample["image"], sample["label"], sample["path"]


READERS = {"webdataset": read_webdataset, "litdata": read_litdata}

if __name__ == "__main__":
    kind, folder = sys.argv[1:]
    rows = [[hashlib.sha256(image).hexdigest(), label, path] for image, label, path in READERS[kind](Path(folder))]
    print(json.dumps(rows))
