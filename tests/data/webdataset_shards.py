"""Writes shards with the real webdataset, and reads shards with it.

write FOLDER: shards of every kind that its writers make
read FOLDER PATTERN: what its reader makes of shards, a JSON object a line
"""

import hashlib
import io
import json
import sys

import webdataset as wds
from PIL import Image


def image(i, kind):
    picture = Image.new("RGB", (40 + i, 30), (i * 7 % 256, 90, 200 - i))
    out = io.BytesIO()
    picture.save(out, kind)
    return out.getvalue()


def sample(i):
    """Samples differ in what they have: keys in folders, long keys, other members, several images."""
    key = f"{i:06d}" if i % 3 else f"some/folder.d/{'k' * (i % 2 * 120)}{i:06d}"
    made = {"__key__": key, "jpg": image(i, "JPEG"), "cls": i % 10}
    made["json"] = {"width": 40 + i, "ratio": i / 8, "name": f"süß {i}", "none": None, "list": [i]}
    if i % 4 == 0:
        made["caption.txt"] = f"image {i}\n"
    if i % 5 == 0:
        made["npy"] = b"x" * 3000
    if i % 7 == 0:
        made["seg.png"] = image(i, "PNG")
    return made


def write(folder):
    with wds.ShardWriter(f"{folder}/train-%06d.tar", maxcount=7, verbose=0) as sink:
        for i in range(40):
            sink.write(sample(i))
    # Other formats of tar than the library's own default.
    for name in ("GNU_FORMAT", "PAX_FORMAT"):
        with wds.TarWriter(f"{folder}/other-{name[:3].lower()}.tar", format=name) as sink:
            for i in range(6):
                sink.write(sample(i))


def read(folder, pattern):
    for found in wds.WebDataset(f"{folder}/{pattern}", shardshuffle=False):
        members = {k: v for k, v in found.items() if not k.startswith("__")}
        described = {
            "key": found["__key__"],
            "jpg": hashlib.sha256(members["jpg"]).hexdigest(),
            "cls": int(members["cls"]) if "cls" in members else None,
            "json": json.loads(members["json"]) if "json" in members else None,
            "members": sorted(members),
        }
        print(json.dumps(described))


if __name__ == "__main__":
    {"write": write, "read": read}[sys.argv[1]](*sys.argv[2:])
