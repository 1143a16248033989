from cropstream.v1 import run_pb2 as _run_pb2
from google.protobuf.internal import containers as _containers
from google.protobuf.internal import enum_type_wrapper as _enum_type_wrapper
from google.protobuf import descriptor as _descriptor
from google.protobuf import message as _message
from typing import ClassVar as _ClassVar, Iterable as _Iterable, Mapping as _Mapping, Optional as _Optional, Union as _Union

DESCRIPTOR: _descriptor.FileDescriptor

class OpenRunRequest(_message.Message):
    __slots__ = ("protocol_version", "spec_json")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    SPEC_JSON_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    spec_json: str
    def __init__(self, protocol_version: _Optional[int] = ..., spec_json: _Optional[str] = ...) -> None: ...

class GetRunRequest(_message.Message):
    __slots__ = ("protocol_version", "name")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    NAME_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    name: str
    def __init__(self, protocol_version: _Optional[int] = ..., name: _Optional[str] = ...) -> None: ...

class ListRunsRequest(_message.Message):
    __slots__ = ("protocol_version",)
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    def __init__(self, protocol_version: _Optional[int] = ...) -> None: ...

class ListRunsResponse(_message.Message):
    __slots__ = ("runs",)
    RUNS_FIELD_NUMBER: _ClassVar[int]
    runs: _containers.RepeatedCompositeFieldContainer[_run_pb2.RunInfo]
    def __init__(self, runs: _Optional[_Iterable[_Union[_run_pb2.RunInfo, _Mapping]]] = ...) -> None: ...

class AttachRequest(_message.Message):
    __slots__ = ("attach", "progress", "nack")
    ATTACH_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    NACK_FIELD_NUMBER: _ClassVar[int]
    attach: Attach
    progress: Progress
    nack: Nack
    def __init__(self, attach: _Optional[_Union[Attach, _Mapping]] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ..., nack: _Optional[_Union[Nack, _Mapping]] = ...) -> None: ...

class Attach(_message.Message):
    __slots__ = ("protocol_version", "run", "run_digest", "consumer", "rank", "world_size", "takeover", "allow_uneven", "process", "host", "pid", "end_step", "progress")
    PROTOCOL_VERSION_FIELD_NUMBER: _ClassVar[int]
    RUN_FIELD_NUMBER: _ClassVar[int]
    RUN_DIGEST_FIELD_NUMBER: _ClassVar[int]
    CONSUMER_FIELD_NUMBER: _ClassVar[int]
    RANK_FIELD_NUMBER: _ClassVar[int]
    WORLD_SIZE_FIELD_NUMBER: _ClassVar[int]
    TAKEOVER_FIELD_NUMBER: _ClassVar[int]
    ALLOW_UNEVEN_FIELD_NUMBER: _ClassVar[int]
    PROCESS_FIELD_NUMBER: _ClassVar[int]
    HOST_FIELD_NUMBER: _ClassVar[int]
    PID_FIELD_NUMBER: _ClassVar[int]
    END_STEP_FIELD_NUMBER: _ClassVar[int]
    PROGRESS_FIELD_NUMBER: _ClassVar[int]
    protocol_version: int
    run: str
    run_digest: str
    consumer: str
    rank: int
    world_size: int
    takeover: bool
    allow_uneven: bool
    process: str
    host: str
    pid: int
    end_step: int
    progress: Progress
    def __init__(self, protocol_version: _Optional[int] = ..., run: _Optional[str] = ..., run_digest: _Optional[str] = ..., consumer: _Optional[str] = ..., rank: _Optional[int] = ..., world_size: _Optional[int] = ..., takeover: bool = ..., allow_uneven: bool = ..., process: _Optional[str] = ..., host: _Optional[str] = ..., pid: _Optional[int] = ..., end_step: _Optional[int] = ..., progress: _Optional[_Union[Progress, _Mapping]] = ...) -> None: ...

class Progress(_message.Message):
    __slots__ = ("next_step", "credit_chunks", "credit_bytes", "held", "waited_seconds", "elapsed_seconds")
    NEXT_STEP_FIELD_NUMBER: _ClassVar[int]
    CREDIT_CHUNKS_FIELD_NUMBER: _ClassVar[int]
    CREDIT_BYTES_FIELD_NUMBER: _ClassVar[int]
    HELD_FIELD_NUMBER: _ClassVar[int]
    WAITED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    ELAPSED_SECONDS_FIELD_NUMBER: _ClassVar[int]
    next_step: int
    credit_chunks: int
    credit_bytes: int
    held: _containers.RepeatedCompositeFieldContainer[ChunkRange]
    waited_seconds: float
    elapsed_seconds: float
    def __init__(self, next_step: _Optional[int] = ..., credit_chunks: _Optional[int] = ..., credit_bytes: _Optional[int] = ..., held: _Optional[_Iterable[_Union[ChunkRange, _Mapping]]] = ..., waited_seconds: _Optional[float] = ..., elapsed_seconds: _Optional[float] = ...) -> None: ...

class ChunkRange(_message.Message):
    __slots__ = ("epoch", "first", "last")
    EPOCH_FIELD_NUMBER: _ClassVar[int]
    FIRST_FIELD_NUMBER: _ClassVar[int]
    LAST_FIELD_NUMBER: _ClassVar[int]
    epoch: int
    first: int
    last: int
    def __init__(self, epoch: _Optional[int] = ..., first: _Optional[int] = ..., last: _Optional[int] = ...) -> None: ...

class Nack(_message.Message):
    __slots__ = ("chunk", "attempt", "worker_id", "reason")
    class Reason(int, metaclass=_enum_type_wrapper.EnumTypeWrapper):
        __slots__ = ()
        REASON_UNSPECIFIED: _ClassVar[Nack.Reason]
        REASON_NOT_FOUND: _ClassVar[Nack.Reason]
        REASON_UNREACHABLE: _ClassVar[Nack.Reason]
        REASON_DAMAGED: _ClassVar[Nack.Reason]
    REASON_UNSPECIFIED: Nack.Reason
    REASON_NOT_FOUND: Nack.Reason
    REASON_UNREACHABLE: Nack.Reason
    REASON_DAMAGED: Nack.Reason
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    REASON_FIELD_NUMBER: _ClassVar[int]
    chunk: ChunkRange
    attempt: int
    worker_id: str
    reason: Nack.Reason
    def __init__(self, chunk: _Optional[_Union[ChunkRange, _Mapping]] = ..., attempt: _Optional[int] = ..., worker_id: _Optional[str] = ..., reason: _Optional[_Union[Nack.Reason, str]] = ...) -> None: ...

class AttachResponse(_message.Message):
    __slots__ = ("attached", "ready", "waiting")
    ATTACHED_FIELD_NUMBER: _ClassVar[int]
    READY_FIELD_NUMBER: _ClassVar[int]
    WAITING_FIELD_NUMBER: _ClassVar[int]
    attached: Attached
    ready: ChunkReady
    waiting: ChunkWaiting
    def __init__(self, attached: _Optional[_Union[Attached, _Mapping]] = ..., ready: _Optional[_Union[ChunkReady, _Mapping]] = ..., waiting: _Optional[_Union[ChunkWaiting, _Mapping]] = ...) -> None: ...

class Attached(_message.Message):
    __slots__ = ("run", "fencing")
    RUN_FIELD_NUMBER: _ClassVar[int]
    FENCING_FIELD_NUMBER: _ClassVar[int]
    run: _run_pb2.RunInfo
    fencing: int
    def __init__(self, run: _Optional[_Union[_run_pb2.RunInfo, _Mapping]] = ..., fencing: _Optional[int] = ...) -> None: ...

class ChunkReady(_message.Message):
    __slots__ = ("chunk", "attempt", "location", "bytes", "traceparent")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    LOCATION_FIELD_NUMBER: _ClassVar[int]
    BYTES_FIELD_NUMBER: _ClassVar[int]
    TRACEPARENT_FIELD_NUMBER: _ClassVar[int]
    chunk: ChunkRange
    attempt: int
    location: _run_pb2.Location
    bytes: int
    traceparent: str
    def __init__(self, chunk: _Optional[_Union[ChunkRange, _Mapping]] = ..., attempt: _Optional[int] = ..., location: _Optional[_Union[_run_pb2.Location, _Mapping]] = ..., bytes: _Optional[int] = ..., traceparent: _Optional[str] = ...) -> None: ...

class ChunkWaiting(_message.Message):
    __slots__ = ("chunk", "attempt", "worker_id", "seconds", "run_paused")
    CHUNK_FIELD_NUMBER: _ClassVar[int]
    ATTEMPT_FIELD_NUMBER: _ClassVar[int]
    WORKER_ID_FIELD_NUMBER: _ClassVar[int]
    SECONDS_FIELD_NUMBER: _ClassVar[int]
    RUN_PAUSED_FIELD_NUMBER: _ClassVar[int]
    chunk: ChunkRange
    attempt: int
    worker_id: str
    seconds: float
    run_paused: bool
    def __init__(self, chunk: _Optional[_Union[ChunkRange, _Mapping]] = ..., attempt: _Optional[int] = ..., worker_id: _Optional[str] = ..., seconds: _Optional[float] = ..., run_paused: bool = ...) -> None: ...
