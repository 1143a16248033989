from cropstream.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class FetchChunkRequest(_message.Message):
    __slots__ = ("chunk", "worker_id", "attempt", "offset", "process", "owner", "traceparent")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    OWNER_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    chunk: _run_pb2.ChunkId
    worker_id: str
    attempt: int
    offset: int
    process: str
    owner: str
    traceparent: str
    def __init__(self, chunk: _Optional[_Union[_run_pb2.ChunkId, _Mapping]] = ..., worker_id: _Optional[str] = ..., attempt: _Optional[int] = ..., offset: _Optional[int] = ..., process: _Optional[str] = ..., owner: _Optional[str] = ..., traceparent: _Optional[str] = ...) -> None: ...

class Frame(_message.Message):
    __slots__ = ("header", "offset", "data")
    HEADER_FIELD_NUMBER: _ClassVar[int]
    OFFSET_FIELD_NUMBER: _ClassVar[int]
    DATA_FIELD_NUMBER: _ClassVar[int]
    header: ChunkHeader
    offset: int
    data: bytes
    def __init__(self, header: _Optional[_Union[ChunkHeader, _Mapping]] = ..., offset: _Optional[int] = ..., data: _Optional[bytes] = ...) -> None: ...

class ChunkHeader(_message.Message):
    __slots__ = ("chunk", "attempt", "worker_id", "samples", "columns", "payload_bytes", "crc32", "substitutions")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    SAMPLES_FIELD_NUMBER: _ClassVar[int]
    COLUMNS_FIELD_NUMBER: _ClassVar[int]
    PAYLOAD_BYTES_FIELD_NUMBER: _ClassVar[int]
    CRC32_FIELD_NUMBER: _ClassVar[int]
    SUBSTITUTIONS_FIELD_NUMBER: _ClassVar[int]
    chunk: _run_pb2.ChunkId
    attempt: int
    worker_id: str
    samples: int
    columns: _containers.RepeatedCompositeFieldContainer[Column]
    payload_bytes: int
    crc32: int
    substitutions: _containers.RepeatedCompositeFieldContainer[Substitution]
    def __init__(self, chunk: _Optional[_Union[_run_pb2.ChunkId, _Mapping]] = ..., attempt: _Optional[int] = ..., worker_id: _Optional[str] = ..., samples: _Optional[int] = ..., columns: _Optional[_Iterable[_Union[Column, _Mapping]]] = ..., payload_bytes: _Optional[int] = ..., crc32: _Optional[int] = ..., substitutions: _Optional[_Iterable[_Union[Substitution, _Mapping]]] = ...) -> None: ...

class Column(_message.Message):
    __slots__ = ("name", "dtype", "shape", "bytes")
    NAME_FIELD_NUMBER: _ClassVar[int]
    DTYPE_FIELD_NUMBER: _ClassVar[int]
    SHAPE_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    name: str
    dtype: str
    shape: _containers.RepeatedScalarFieldContainer[int]
    bytes: int
    def __init__(self, name: _Optional[str] = ..., dtype: _Optional[str] = ..., shape: _Optional[_Iterable[int]] = ..., bytes: _Optional[int] = ...) -> None: ...

class Substitution(_message.Message):
    __slots__ = ("row", "original_index", "delivered_index", "path", "code", "reason")
    ROW_FIELD_NUMBER: _ClassVar[int]
    ORIGINAL_INDEX_FIELD_NUMBER: _ClassVar[int]
    DELIVERED_INDEX_FIELD_NUMBER: _ClassVar[int]
    PATH_FIELD_NUMBER: _ClassVar[int]
    CODE_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    row: int
    original_index: int
    delivered_index: int
    path: str
    code: str
    reason: str
    def __init__(self, row: _Optional[int] = ..., original_index: _Optional[int] = ..., delivered_index: _Optional[int] = ..., path: _Optional[str] = ..., code: _Optional[str] = ..., reason: _Optional[str] = ...) -> None: ...
