"""Writes the same images as Parquet files, in the ways that people do.

IMAGES: the images' bytes, one after the other; LENGTHS: theirs, as a JSON list; FOLDER: gets a folder with a file for each way
"""

import json
import os
import sys

import pyarrow as pa
import pyarrow.parquet as pq
from datasets import Dataset, Features, Image, Value, disable_progress_bars

disable_progress_bars()
images_path, lengths, folder = sys.argv[1:]
with open(images_path, "rb") as file:
    images = [file.read(length) for length in json.loads(lengths)]
rows = [{"image": {"bytes": image, "path": f"{i}.jpg"}, "label": i % 10} for i, image in enumerate(images)]


def place(name):
    os.makedirs(f"{folder}/{name}")
    return f"{folder}/{name}/train-00000-of-00001.parquet"


features = Features({"image": Image(), "label": Value("int64")})
Dataset.from_list(rows, features=features).to_parquet(place("datasets"))
pq.write_table(pa.Table.from_pylist(rows), place("groups"), row_group_size=100)
pq.write_table(pa.Table.from_pylist(rows), place("one-group"), row_group_size=len(rows))
