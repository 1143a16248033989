"""What kept a connection from being made, in words: gRPC tells it as the text of whatever failed first."""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import unquote

from ..errors import TlsFailed, Unreachable
from .error import CropstreamError


class _TlsProblem(NamedTuple):
    sign: re.Pattern[str]
    reason: str
    fix: str


_TLS_PROBLEMS = (
    _TlsProblem(
        re.compile(r"Hostname Verification|not in peer certificate", re.I),
        "its certificate is for other names",
        "Reach it by a name in its certificate, or tell that name: Tls(server_name=...) (CROPSTREAM_TLS_SERVER_NAME) "
        "for a coordinator, the worker's own CROPSTREAM_TLS_NAME.",
    ),
    _TlsProblem(
        re.compile(r"has expired|not yet valid", re.I),
        "its certificate is not valid today",
        "Renew it, or set this machine's clock.",
    ),
    _TlsProblem(
        re.compile(r"CERTIFICATE_VERIFY_FAILED"),
        "its certificate is not from an authority that is trusted here",
        "Give the authority's certificate: Tls(ca=...), or CROPSTREAM_TLS_CA.",
    ),
    _TlsProblem(
        re.compile(r"WRONG_VERSION_NUMBER"),
        "it does not speak TLS",
        "Leave TLS out here (CROPSTREAM_TLS=false), or give the service a certificate (CROPSTREAM_TLS_CERT).",
    ),
    _TlsProblem(
        re.compile(r"_ALERT_|TSI_DATA_CORRUPTED"),
        "it refuses the certificate of this client, or wants one",
        "Give one that the service's CROPSTREAM_TLS_CLIENT_CA signed: Tls(cert=..., key=...), or CROPSTREAM_TLS_CERT "
        "and CROPSTREAM_TLS_KEY.",
    ),
    _TlsProblem(
        re.compile(r"(Ssl|Tls) handshake failed|SSL_ERROR", re.I),
        "the TLS handshake failed",
        "Both sides need TLS 1.2 or newer. The service may want another certificate of this client.",
    ),
)

_CLOSED = (
    "it closes connections at once: another program, or one that wants TLS (CROPSTREAM_TLS_CA) or a certificate of its "
    "clients"
)

_REASONS = (
    (re.compile(r"Connection refused"), "the connection is refused: nothing listens there"),
    (re.compile(r"errors resolving|resolution failed|Domain name not found", re.I), "its name does not resolve"),
    (re.compile(r"No route|Network is unreachable|Host is unreachable", re.I), "there is no route to it"),
    (re.compile(r"Failed parsing HTTP/2", re.I), "it does not speak gRPC"),
    (re.compile(r"failed to connect.*(Socket closed|Connection reset|Broken pipe)", re.I | re.S), _CLOSED),
    (re.compile(r"timed out|timeout|Deadline Exceeded", re.I), "no answer in time"),
    (re.compile(r"Socket closed|Connection reset|Broken pipe|GOAWAY|RST_STREAM", re.I), "the connection was cut"),
)

_ADDRESS = re.compile(r"last error: [A-Z_]+: ipv[46]:(\S+): ")
"""The one address, of those that the target's name has, that gRPC tells about."""

_AROUND = re.compile(r"^failed to connect to all addresses; last error: (?:[A-Z_]+: )?", re.I)


def connection_error(text: str, target: str) -> CropstreamError:
    """The error that gRPC describes by `text`, of a call to `target` that got no answer."""
    for sign, reason, fix in _TLS_PROBLEMS:
        if sign.search(text):
            return TlsFailed(target=target, reason=reason, fix=fix)
    for sign, reason in _REASONS:
        if sign.search(text):
            return Unreachable(target=target, reason=f"{_at_address(text, target)}{reason}")
    return Unreachable(target=target, reason=_AROUND.sub("", text))


def _at_address(text: str, target: str) -> str:
    """`[::1]:7400: ` where that is not the target's own text: what befell one address of a name, and maybe not the
    others."""
    found = _ADDRESS.search(text)
    address = unquote(found[1]) if found else target
    return "" if address == target else f"{address}: "


def tried_for(error: CropstreamError, seconds: float) -> CropstreamError:
    """The error that is left of tries over so long: an unreachable service's says so."""
    if not isinstance(error, Unreachable):
        return error
    reason = f"{error.details['reason']}; tried for {seconds:.1f} s"
    return Unreachable(target=error.details["target"], reason=reason)
