"""What ended a call, as an error of the table."""

from __future__ import annotations

import json

import grpc

from ..errors import ERRORS, Cancelled, Internal, ProtocolMismatch
from .connection import connection_error
from .error import CropstreamError
from .run import PROTOCOL_VERSION

ERROR_METADATA_KEY = "cropstream-error-bin"
"""Trailing metadata that carries an error whole: UTF-8 JSON."""


def from_status(error: grpc.RpcError, target: str) -> CropstreamError:
    """The error that the peer at `target` sent. One that sent none of the table (a proxy, a dead connection, another
    program) is described by its gRPC status."""
    carried = _carried(error)
    if carried is not None:
        return carried
    status = error.code() if isinstance(error, grpc.Call) else None
    reason = (error.details() if isinstance(error, grpc.Call) else str(error)) or f"gRPC status {status}"
    if status in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
        return connection_error(reason, target)
    if status is grpc.StatusCode.CANCELLED:
        return Cancelled(what=f"the call to {target}")
    if status is grpc.StatusCode.UNIMPLEMENTED:
        return ProtocolMismatch(given=f"of {target} ({reason})", supported=PROTOCOL_VERSION)
    # A stream that the peer's HTTP/2 layer or a proxy reset.
    if "RST_STREAM" in reason:
        return connection_error(reason, target)
    return Internal(reason=f"{target} answered {status.name if status else 'nothing'}: {reason}")


def _carried(error: grpc.RpcError) -> CropstreamError | None:
    if not isinstance(error, grpc.Call):
        return None
    for key, value in error.trailing_metadata() or ():
        if key == ERROR_METADATA_KEY and isinstance(value, bytes):
            return parse_error(value)
    return None


def parse_error(encoded: bytes) -> CropstreamError | None:
    """The error again; codes of a newer version become INTERNAL, their text kept. None where it is none."""
    try:
        wire = json.loads(encoded)
        code, problem, help, details = wire["code"], wire["problem"], wire["help"], wire["details"]
    except (ValueError, KeyError, TypeError):
        return None
    if not all(isinstance(text, str) for text in (code, problem, help)) or not isinstance(details, dict):
        return None
    return ERRORS.get(code, Internal).from_parts(problem, help, details)
