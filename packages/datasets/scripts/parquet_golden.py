"""Writes golden/tiny.parquet and golden/tiny-pages.parquet with pyarrow, for the tests of damaged files."""

import pathlib

import pyarrow as pa
import pyarrow.parquet as pq

golden = pathlib.Path(__file__).parent.parent / "golden"
rows = range(9)
table = pa.table(
    {
        "image": [{"bytes": bytes([65 + i] * (5 + i)), "path": f"{i}.jpg"} for i in rows],
        "label": [i % 2 for i in rows],
        "caption": [None if i == 4 else f"image {i % 3}" for i in rows],
        "score": [i / 4 for i in rows],
        "good": [i % 3 == 0 for i in rows],
    }
)
pq.write_table(table, golden / "tiny.parquet", row_group_size=5, compression="snappy", store_schema=False)
pq.write_table(
    table,
    golden / "tiny-pages.parquet",
    compression="none",
    data_page_version="2.0",
    write_page_index=True,
    data_page_size=16,
    write_batch_size=2,
    store_schema=False,
)
