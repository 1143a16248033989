"""The parser of frames against protobuf's own."""

from __future__ import annotations

import contextlib
import random

import pytest

from cropstream._core.frame import parse_frame
from cropstream.v1.worker_pb2 import ChunkHeader, Column, Frame


def test_reads_what_protobuf_writes() -> None:
    chance = random.Random(1)
    for _ in range(300):
        frame = Frame(
            offset=chance.choice([0, 1, 127, 128, 2**32, 2**53 - 1]), data=chance.randbytes(chance.choice([0, 1, 300]))
        )
        if chance.random() < 0.5:
            columns = [Column(name="a", dtype="uint8", shape=[3, 8, 8], bytes=chance.randrange(2**40))]
            frame.header.CopyFrom(
                ChunkHeader(samples=chance.randrange(99), columns=columns, crc32=chance.randrange(2**32))
            )
        parsed = parse_frame(frame.SerializeToString())
        assert (parsed.offset, bytes(parsed.data)) == (frame.offset, frame.data)
        assert parsed.header == (frame.header if frame.HasField("header") else None)


def test_skips_fields_of_later_versions() -> None:
    later = b"\x20\x05" + b"\x2a\x03abc" + b"\x31" + b"8" * 8 + b"\x3d" + b"4" * 4 + b"\xfa\x01\x01z"
    parsed = parse_frame(later + Frame(offset=7, data=b"xyz").SerializeToString() + later)
    assert (parsed.offset, bytes(parsed.data)) == (7, b"xyz")


def test_does_not_copy_the_data() -> None:
    message = Frame(data=b"x" * 1000).SerializeToString()
    assert parse_frame(message).data.obj is message


@pytest.mark.parametrize(
    "broken",
    [
        b"\x1a\x05abc",
        b"\x1a",
        b"\x10" + b"\xff" * 10 + b"\x01",
        b"\x0b",
        b"\x00\x00",
        b"\x31123",
        b"\x0a\x02\xff\xff",
    ],
)
def test_refuses_what_is_no_frame(broken: bytes) -> None:
    with pytest.raises(ValueError, match="not a frame"):
        parse_frame(broken)


def test_survives_any_bytes() -> None:
    chance = random.Random(2)
    whole = Frame(header=ChunkHeader(samples=3), offset=300, data=b"abcdef" * 9).SerializeToString()
    for _ in range(2000):
        damaged = bytearray(whole)
        for _ in range(chance.randint(1, 4)):
            damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        with contextlib.suppress(ValueError):
            parse_frame(bytes(damaged[: chance.randint(0, len(damaged))]))
