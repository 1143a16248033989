"""Writes and reads datasets with the real litdata.

    litdata_tool.py write IMAGES OUT    a folder of OUT for every way to store the JPEG files of IMAGES (sorted by path)
    litdata_tool.py read FOLDER         a line of JSON for each sample, as StreamingDataset gives it
"""

import hashlib
import io
import json
import shutil
import sys
import tempfile
from pathlib import Path

import litdata
import litdata.streaming.item_loader as item_loader
import numpy as np
import torch
from litdata.streaming.writer import BinaryWriter
from PIL import Image


def samples(images):
    """The notebook's samples: image, label, path."""
    root = Path(images)
    paths = sorted(root.glob("*/*"))
    classes = sorted({path.parent.name for path in paths})
    return [
        {"image": path.read_bytes(), "label": classes.index(path.parent.name), "path": str(path.relative_to(root))}
        for path in paths
    ]


def write(folder, items, **options):
    writer = BinaryWriter(str(folder), chunk_size=3, **options)
    for i, item in enumerate(items):
        writer[i] = item
    writer.done()
    writer.merge()


def write_all(images, out):
    out = Path(out)
    rows = samples(images)
    # With pyarrow at hand, samples of plain values go into an Arrow table.
    write(out / "arrow", rows)
    optional = [{**row, "caption": None if i % 3 == 1 else f"caption {i}"} for i, row in enumerate(rows)]
    write(out / "arrow-nulls", optional)
    # Where most of a row is no image, that table is compressed.
    wordy = [{**row, "image": row["image"][:400], "text": f"words and {i} " * 300} for i, row in enumerate(rows)]
    write(out / "arrow-zstd", wordy, compression="zstd")

    # Without it they are as older versions wrote them.
    item_loader._PYARROW_AVAILABLE = False
    write(out / "plain", rows)
    write(out / "zstd-chunk", rows, compression="zstd:3", compression_level="chunk")
    write(out / "tuple", [(row["image"], row["label"]) for row in rows])

    files = [(Image.open(Path(images, row["path"])), row) for row in rows]
    write(out / "jpeg", [{"jpg": image, "cls": row["label"], "path": row["path"]} for image, row in files])
    jpegs = [{**row, "image": litdata.Jpeg(bytes=row["image"])} for row in rows]
    write(out / "zstd-batch", jpegs, compression="zstd", compression_batch_size=2)
    write(out / "zstd-sample", jpegs, compression="zstd", compression_level="sample")
    write(out / "pil", [{"image": image.convert("RGB"), "label": row["label"]} for image, row in files])
    write(out / "gray", [{"image": image.convert("L"), "label": row["label"]} for image, row in files])
    write(out / "image", [{"image": litdata.Image(bytes=row["image"]), "label": row["label"]} for _, row in files])
    others = {"tensor": torch.ones(2, 3), "array": np.ones(4, "float32"), "list": [1, 2], "none": None, "score": 0.25}
    write(out / "others", [{**others, **row, "good": True, "box": {"x": 1}} for row in rows])


def describe(value):
    return hashlib.sha256(value).hexdigest() if isinstance(value, (bytes, memoryview)) else value


def read(folder):
    with tempfile.TemporaryDirectory() as temporary:
        # It decompresses in place, and removes what was compressed.
        copy = shutil.copytree(folder, f"{temporary}/copy")
        dataset = litdata.StreamingDataset(copy, shuffle=False)
        for i in range(len(dataset)):
            print(json.dumps({name: describe(value) for name, value in dataset[i].items()}))


def load(row):
    """What `optimize` calls in its workers."""
    path, label, name = row
    return {"image": Path(path).read_bytes(), "label": label, "path": name}


if __name__ == "__main__":
    if sys.argv[1] == "write":
        images, out = sys.argv[2:]
        rows = [(str(Path(images, row["path"])), row["label"], row["path"]) for row in samples(images)]
        litdata.optimize(load, rows, output_dir=f"{out}/optimized", chunk_bytes="40KB", num_workers=2, keep_data_ordered=True)
        write_all(images, out)
    else:
        read(sys.argv[2])
