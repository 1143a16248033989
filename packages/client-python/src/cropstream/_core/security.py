"""TLS and tokens: from arguments, or else from the environment, where services find theirs too."""

from __future__ import annotations

import os
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import grpc

from ..errors import ConfigInvalid, SpecInvalid
from .error import CropstreamError

_TOKEN = re.compile(r"[\x21-\x7e]+")
_LOOK_SECONDS = 1.0
"""How often files are looked at for others in their place."""
_Complain = Callable[[str, str, str], CropstreamError]
Path = str | os.PathLike[str]


@dataclass(frozen=True)
class Tls:
    """TLS to the coordinator and to workers. Files are PEM.

    Args:
        ca: the authorities that signed the services' certificates; by default those that gRPC brings.
        cert, key: the client's own certificate and its key, where services want one.
        server_name: the name in the coordinator's certificate, where it is not that of the target: behind a tunnel,
            say.
    """

    ca: Path | None = None
    cert: Path | None = None
    key: Path | None = None
    server_name: str | None = None


@dataclass(frozen=True)
class Security:
    """What a client's channels and calls need to be let in."""

    credentials: grpc.ChannelCredentials | None
    """None: without TLS."""
    server_name: str | None
    """To verify the coordinator by; None: the host of its address."""
    token: str | None
    files: tuple[Path, ...] = ()
    """Where the above were read."""
    seen: tuple[object, ...] = ()
    """What was seen of these files before they were read."""
    read_again: Callable[[], Security] | None = None
    """What they say now. Raises CropstreamError where they cannot be used."""

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Of every call. Not as call credentials, which gRPC sends over TLS alone."""
        return () if self.token is None else (("authorization", f"Bearer {self.token}"),)

    def channel(self, address: str, options: list[tuple[str, int | str]], tls_name: str | None) -> grpc.Channel:
        """A channel to a service whose certificate has `tls_name`; without one, the host of its address."""
        if self.credentials is None:
            return grpc.insecure_channel(address, options)
        name: list[tuple[str, int | str]] = [("grpc.ssl_target_name_override", tls_name)] if tls_name else []
        return grpc.secure_channel(address, self.credentials, options + name)

    def token_in_clear(self, target: str) -> bool:
        """Whether others on the way to `target` could read the token."""
        if self.token is None or self.credentials is not None:
            return False
        addresses = re.sub(r"^(dns|ipv4|ipv6):(//[^/]*/)?", "", target).split(",")
        return not all(_is_loopback(re.sub(r":\d+$", "", address.strip())) for address in addresses)


class Renewed:
    """Security as its files say now, for a process that outlives certificates and tokens. They are looked at when it is asked
    for, and what cannot be used of them leaves it as it was: half of a new pair, say."""

    def __init__(self, security: Security) -> None:
        self._current = security
        self._seen = security.seen
        self._looked_at = time.monotonic()

    def current(self) -> Security:
        """As of about a second ago at most; the same object as long as nothing changed."""
        now = time.monotonic()
        if self._current.read_again is None or now - self._looked_at < _LOOK_SECONDS:
            return self._current
        self._looked_at = now
        seen = _look(self._current.files)
        if seen != self._seen:
            self._seen = seen
            try:
                self._current = self._current.read_again()
            except CropstreamError:
                # The service refuses what is too old, and says so.
                pass
        return self._current


OPEN = Security(None, None, None)
"""Neither TLS nor a token."""


def resolve_security(tls: bool | Tls | None, token: str | None, environment: Mapping[str, str]) -> Security:
    """What was said, and what the environment says of the rest: CROPSTREAM_TLS (true or false; by default true where
    another of these is set), CROPSTREAM_TLS_CA, _CERT, _KEY and _SERVER_NAME, CROPSTREAM_TOKEN or
    CROPSTREAM_TOKEN_FILE. A `Tls` replaces the environment's as a whole.

    Raises SpecInvalid naming the argument, ConfigInvalid naming the variable.
    """
    given = {name: value for name, value in environment.items() if value.strip()}
    if tls is not None and not isinstance(tls, bool | Tls):
        raise _of_argument("tls", repr(tls)[:200], "True, False or a Tls")
    names, complain = ("tls.ca", "tls.cert", "tls.key"), _of_argument
    used = tls if isinstance(tls, Tls) else None
    if used is None:
        names, complain = ("CROPSTREAM_TLS_CA", "CROPSTREAM_TLS_CERT", "CROPSTREAM_TLS_KEY"), _of_variable
        ca, cert, key = (given.get(name) for name in names)
        told = Tls(ca, cert, key, given.get("CROPSTREAM_TLS_SERVER_NAME"))
        if _flag("CROPSTREAM_TLS", given, told != Tls()) if tls is None else tls:
            used = told
    from_file = token is None and "CROPSTREAM_TOKEN" not in given
    token_file = given.get("CROPSTREAM_TOKEN_FILE") if from_file else None
    paths = (token_file,) if used is None else (token_file, used.ca, used.cert, used.key)
    files = tuple(path for path in paths if path is not None)
    seen = _look(files)
    return Security(
        credentials=None if used is None else _credentials(used, names, complain),
        server_name=None if used is None else used.server_name,
        token=_environment_token(given) if token is None else _check_token("token", token, _of_argument),
        files=files,
        seen=seen,
        read_again=(lambda: resolve_security(tls, token, given)) if files else None,
    )


def _look(files: tuple[Path, ...]) -> tuple[object, ...]:
    """What tells files from those that replace them."""
    looks: list[object] = []
    for file in files:
        try:
            found = os.stat(file)
            looks.append((found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns))
        except (OSError, TypeError, ValueError):
            looks.append(None)
    return tuple(looks)


def _credentials(tls: Tls, names: tuple[str, str, str], complain: _Complain) -> grpc.ChannelCredentials:
    ca_name, cert_name, key_name = names
    if (tls.cert is None) != (tls.key is None):
        missing = cert_name if tls.cert is None else key_name
        raise complain(missing, "not set", f"the other half of {key_name if missing == cert_name else cert_name}")
    ca = None if tls.ca is None else _read(ca_name, tls.ca, "a PEM file with certificates", complain)
    cert = None if tls.cert is None else _read(cert_name, tls.cert, "a PEM file with a certificate", complain)
    key = None if tls.key is None else _read(key_name, tls.key, "a PEM file with a private key", complain)
    # gRPC would look at them in the handshake alone, and say little.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if tls.ca is not None:
        try:
            context.load_verify_locations(tls.ca)
        except ssl.SSLError as error:
            raise complain(ca_name, f'"{tls.ca}" ({error})', "a PEM file with certificates") from error
    if tls.cert is not None and tls.key is not None:
        try:
            context.load_cert_chain(tls.cert, tls.key)
        except ssl.SSLError as error:
            value = f'"{tls.key}" ({error})'
            raise complain(key_name, value, f"the PEM file with the key of {tls.cert}") from error
    return grpc.ssl_channel_credentials(ca, key, cert)


def _environment_token(given: Mapping[str, str]) -> str | None:
    if "CROPSTREAM_TOKEN" in given:
        return _check_token("CROPSTREAM_TOKEN", given["CROPSTREAM_TOKEN"].strip(), _of_variable)
    if "CROPSTREAM_TOKEN_FILE" not in given:
        return None
    name = "CROPSTREAM_TOKEN_FILE"
    text = _read(name, given[name], "a file with a token", _of_variable).decode(errors="replace")
    return _check_token(name, text.strip(), _of_variable)


def _check_token(field: str, token: str, complain: _Complain) -> str:
    """A token travels in a header of HTTP."""
    if isinstance(token, str) and _TOKEN.fullmatch(token):
        return token
    allowed = "a token of visible ASCII characters, without blanks"
    raise complain(field, "not such a token (not shown)", allowed)


def _flag(name: str, given: Mapping[str, str], default: bool) -> bool:
    text = given.get(name, "").strip().lower()
    if not text:
        return default
    if text in ("1", "true", "yes", "on"):
        return True
    if text in ("0", "false", "no", "off"):
        return False
    raise _of_variable(name, f'"{text}"', "true or false")


def _read(field: str, path: Path, allowed: str, complain: _Complain) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read()
    except (OSError, TypeError) as error:
        raise complain(field, f'"{path}" ({error})', allowed) from error


def _of_argument(field: str, value: str, allowed: str) -> CropstreamError:
    return SpecInvalid(field=field, value=value, allowed=allowed)


def _of_variable(variable: str, value: str, allowed: str) -> CropstreamError:
    return ConfigInvalid(variable=variable, value=value, allowed=allowed, default="none")


def _is_loopback(host: str) -> bool:
    return host in ("localhost", "::1", "[::1]") or host.startswith("127.")
