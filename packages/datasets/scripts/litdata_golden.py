"""Writes golden/litdata-arrow.json: chunks of Arrow tables, as the real litdata makes them with pyarrow at hand.

    pip install litdata==0.2.76 zstd pyarrow && python packages/datasets/scripts/litdata_golden.py
"""

import base64
import json
import tempfile
from pathlib import Path

from litdata.streaming.writer import BinaryWriter


def chunk(rows, **options):
    with tempfile.TemporaryDirectory() as folder:
        writer = BinaryWriter(folder, chunk_size=len(rows), **options)
        for i, row in enumerate(rows):
            writer[i] = row
        writer.done()
        writer.merge()
        return base64.b64encode(Path(folder, "chunk-0-0.bin").read_bytes()).decode()


rows = [{"image": f"image {i}".encode(), "label": i, "text": f"words {i} " * 20, "list": [i]} for i in range(4)]
rows[1]["text"] = None
golden = {"plain": chunk(rows), "zstd": chunk(rows, compression="zstd")}
path = Path(__file__).parent.parent / "golden" / "litdata-arrow.json"
path.write_text(json.dumps(golden, indent=2) + "\n")
