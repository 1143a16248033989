"""Frames parsed by hand: a protobuf library would copy each frame's bytes once more."""

from __future__ import annotations

from typing import NamedTuple

from google.protobuf.message import DecodeError

from ..v1.worker_pb2 import ChunkHeader

_HEADER = 1
_OFFSET = 2
_DATA = 3
_VARINT = 0
_FIXED64 = 1
_DELIMITED = 2
_FIXED32 = 5


class Frame(NamedTuple):
    header: ChunkHeader | None
    """In a call's first frame."""
    offset: int
    """Of `data` in the payload."""
    data: memoryview
    """A view of the message, not a copy."""


def parse_frame(message: bytes) -> Frame:
    """A `cropstream.v1.Frame`. Fields of later versions are skipped. Raises ValueError where the bytes are no frame."""
    view = memoryview(message)
    end = len(view)
    header: ChunkHeader | None = None
    offset = 0
    data = view[:0]
    at = 0
    while at < end:
        tag, at = _varint(view, at)
        field, kind = tag >> 3, tag & 7
        if field == 0:
            raise ValueError("not a frame: a field's number is 0")
        if kind == _DELIMITED:
            length, at = _varint(view, at)
            if length > end - at:
                raise ValueError("not a frame: a field is longer than the message")
            if field == _DATA:
                data = view[at : at + length]
            elif field == _HEADER:
                header = _parse_header(view[at : at + length])
            at += length
        elif kind == _VARINT:
            value, at = _varint(view, at)
            if field == _OFFSET:
                offset = value
        elif kind in (_FIXED64, _FIXED32):
            at += 8 if kind == _FIXED64 else 4
            if at > end:
                raise ValueError("not a frame: a field is longer than the message")
        else:
            raise ValueError(f"not a frame: wire type {kind}")
    return Frame(header, offset, data)


def _parse_header(encoded: memoryview) -> ChunkHeader:
    try:
        return ChunkHeader.FromString(bytes(encoded))
    except DecodeError as error:
        raise ValueError(f"not a frame: {error}") from error


def _varint(view: memoryview, at: int) -> tuple[int, int]:
    """The number at `at` (64 bits, as protobuf cuts it) and where the next field begins."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(view):
            raise ValueError("not a frame: it ends within a number")
        byte = view[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & 0xFFFF_FFFF_FFFF_FFFF, at
    raise ValueError("not a frame: a number has more than ten bytes")
