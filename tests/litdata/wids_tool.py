"""The real wids: makes its index of shards, and reads shards by an index.

create FOLDER SHARD...: writes FOLDER/shardindex.json
read FOLDER: what it has by FOLDER/shardindex.json, a JSON object a line
"""

import hashlib
import json
import os
import sys
import tempfile

import wids
from wids import wids_index


def create(folder, *shards):
    os.chdir(folder)
    sys.argv = ["widsindex", "create", *shards]
    wids_index.main()


def read(folder):
    with tempfile.TemporaryDirectory() as cache:
        samples = wids.ShardListDataset(
            f"{folder}/shardindex.json", cache_dir=cache, keep=True, transformations=[]
        )
        for i in range(len(samples)):
            sample = samples[i]
            fields = json.loads(sample[".json"].read())
            image = hashlib.sha256(sample[".jpg"].read()).hexdigest()
            told = {"key": sample["__key__"], "image": image, "label": int(sample[".cls"].read()), "fields": fields}
            print("sample", json.dumps(told))


if __name__ == "__main__":
    {"create": create, "read": read}[sys.argv[1]](*sys.argv[2:])
