"""Writes image data sets as Parquet files, by the real datasets and by pyarrow, and tells what is in them.

FOLDER: a folder a kind below it; prints {kind: {"url", "config", "samples"}} as JSON
"""

import hashlib
import io
import json
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import ClassLabel, Dataset, Features, Image, Sequence, Value
from datasets import disable_progress_bars
from PIL import Image as Pillow

disable_progress_bars()
CLASSES = ["cat", "dog", "süß"]


def image(i, side):
    picture = Pillow.effect_noise((side + i, side), 90)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def rows(count, side=24):
    return [
        {
            "image": {"bytes": image(i, side), "path": f"{i:04d}.png"},
            "label": i % 3,
            "caption": None if i % 5 == 0 else f"image {i} süß",
            "width": side + i,
            "ratio": i / 7,
            "flag": i % 2 == 0,
            "tags": [i, i + 1],
        }
        for i in range(count)
    ]


def expected(row):
    return {
        "image": hashlib.sha256(row["image"]["bytes"]).hexdigest(),
        "label": row["label"],
        "fields": {
            "caption": row["caption"] or "",
            "width": row["width"],
            "ratio": row["ratio"],
            "flag": int(row["flag"]),
            "path": row["image"]["path"],
        },
    }


FEATURES = Features(
    {
        "image": Image(),
        "label": ClassLabel(names=CLASSES),
        "caption": Value("string"),
        "width": Value("int32"),
        "ratio": Value("float64"),
        "flag": Value("bool"),
        "tags": Sequence(Value("int64")),
    }
)


def by_datasets(folder):
    """Splits of several files, as push_to_hub names them."""
    data = rows(130)
    made = Dataset.from_list(data, features=FEATURES)
    for n in range(3):
        part = made.shard(3, n, contiguous=True)
        part.to_parquet(f"{folder}/train-{n:05d}-of-00003.parquet", batch_size=20)
    made.select(range(4)).to_parquet(f"{folder}/test-00000-of-00001-0123456789abcdef.parquet")
    return {"split": "train"}, data


def by_pyarrow(**options):
    def write(folder):
        data = rows(90)
        table = Dataset.from_list(data, features=FEATURES).data.table
        pq.write_table(table, f"{folder}/a.parquet", **{"row_group_size": 40, **options})
        return {}, data

    return write


def plain_binary(folder):
    """A column of bytes, without structure, metadata and labels."""
    data = rows(12)
    table = pa.table({"id": [f"k{i}" for i in range(12)], "picture": [row["image"]["bytes"] for row in data]})
    pq.write_table(table, f"{folder}/a.parquet")
    return {}, [
        {"image": expected(row)["image"], "label": -1, "fields": {"id": f"k{i}", "path": f"a.parquet#{i}"}}
        for i, row in enumerate(data)
    ]


def one_large_group(folder):
    """As pandas writes it: one row group, larger than is read as one."""
    data = rows(40, side=800)
    table = Dataset.from_list(data, features=FEATURES).data.table
    pq.write_table(table, f"{folder}/a.parquet", row_group_size=1000, data_page_size=1 << 20, write_batch_size=2)
    return {}, data


def by_path(folder):
    """Images that are only named."""
    table = pa.table({"image": [{"bytes": None, "path": f"{i}.png"} for i in range(3)], "label": [0, 1, 2]})
    schema = pa.schema(
        [("image", pa.struct([("bytes", pa.binary()), ("path", pa.string())])), ("label", pa.int64())]
    )
    pq.write_table(table.cast(schema), f"{folder}/a.parquet")
    return {}, []


def delta(folder):
    table = Dataset.from_list(rows(10), features=FEATURES).data.table
    columns = {"caption": "DELTA_BYTE_ARRAY"}
    pq.write_table(table, f"{folder}/a.parquet", use_dictionary=False, column_encoding=columns)
    return {}, []


KINDS = {
    "datasets": by_datasets,
    "snappy": by_pyarrow(compression="snappy"),
    "gzip, pages of version 2": by_pyarrow(compression="gzip", data_page_version="2.0"),
    "zstd, small pages, page index": by_pyarrow(
        compression="zstd", data_page_size=2000, write_batch_size=3, write_page_index=True
    ),
    "brotli, no dictionary": by_pyarrow(compression="brotli", use_dictionary=False),
    "none, dictionary, page index, version 2": by_pyarrow(
        compression="none", data_page_version="2.0", data_page_size=2000, write_batch_size=3, write_page_index=True
    ),
    "plain binary": plain_binary,
    "one large row group": one_large_group,
    "by path": by_path,
    "delta": delta,
}


def main(root):
    told = {}
    for kind, write in KINDS.items():
        folder = os.path.join(root, kind)
        os.makedirs(folder)
        config, data = write(folder)
        samples = [expected(row) if "tags" in row else row for row in data]
        told[kind] = {"url": folder, "config": config, "samples": samples}
    print(json.dumps(told))


if __name__ == "__main__":
    main(sys.argv[1])
