"""Writes one image folder as the real libraries' own data sets: `write_datasets.py KIND IMAGES OUT`.

The samples are the folder's own, in its order: the image's bytes, its class's number, its path.
"""

import json
import sys
from pathlib import Path

SAMPLES_A_SHARD = 7


def samples(root: Path) -> list[dict]:
    classes = sorted(entry.name for entry in root.iterdir())
    return [
        {"path": f"{name}/{file.name}", "label": label, "bytes": file.read_bytes(), "suffix": file.suffix[1:]}
        for label, name in enumerate(classes)
        for file in sorted((root / name).iterdir())
    ]


def write_webdataset(images: Path, out: Path) -> None:
    import webdataset

    out.mkdir(parents=True)
    with webdataset.ShardWriter(str(out / "train-%06d.tar"), maxcount=SAMPLES_A_SHARD, verbose=0) as sink:
        for number, sample in enumerate(samples(images)):
            sink.write(
                {
                    "__key__": f"{number:06d}",
                    sample["suffix"]: sample["bytes"],
                    "cls": sample["label"],
                    "json": json.dumps({"path": sample["path"]}).encode(),
                }
            )


def write_parquet(images: Path, out: Path) -> None:
    from datasets import ClassLabel, Dataset, Features, Image, Value

    every = samples(images)
    names = sorted(entry.name for entry in images.iterdir())
    features = Features({"image": Image(), "label": ClassLabel(names=names), "path": Value("string")})
    columns = {
        "image": [{"bytes": each["bytes"], "path": Path(each["path"]).name} for each in every],
        "label": [each["label"] for each in every],
        "path": [each["path"] for each in every],
    }
    out.mkdir(parents=True)
    dataset = Dataset.from_dict(columns, features=features)
    shards = -(-len(every) // SAMPLES_A_SHARD)
    for number in range(shards):
        shard = dataset.shard(shards, number, contiguous=True)
        shard.to_parquet(str(out / f"train-{number:05d}-of-{shards:05d}.parquet"))


def litdata_sample(sample: tuple) -> dict:
    path, label, encoded = sample
    return {"image": encoded, "label": label, "path": path}


def write_litdata(images: Path, out: Path, compression: str | None) -> None:
    import litdata

    inputs = [(each["path"], each["label"], each["bytes"]) for each in samples(images)]
    litdata.optimize(
        fn=litdata_sample,
        inputs=inputs,
        output_dir=str(out),
        chunk_size=SAMPLES_A_SHARD,
        num_workers=1,
        compression=compression,
        verbose=False,
    )


WRITERS = {
    "webdataset": write_webdataset,
    "parquet": write_parquet,
    "litdata": lambda images, out: write_litdata(images, out, None),
    "litdata-zstd": lambda images, out: write_litdata(images, out, "zstd"),
}

if __name__ == "__main__":
    kind, folder, target = sys.argv[1:]
    WRITERS[kind](Path(folder), Path(target))
