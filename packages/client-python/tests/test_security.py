"""TLS and tokens: the same stream for who is let in, and a typed error that says what to do for who is not."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from conftest import REPOSITORY, Process, Service, free_port

from cropstream import MultiCropLoader, StreamDigest, Tls
from cropstream._core.connection import connection_error
from cropstream._core.security import OPEN, Security, resolve_security
from cropstream._core.transport import Transport
from cropstream.errors import ConfigInvalid, SpecInvalid, TlsFailed, Unauthenticated, Unreachable

TOKEN = "correct-horse"
FLAGS = ("--recipe", "lesson-cifar10", "--global-batch-size", "8")


class Certificates(NamedTuple):
    folder: Path

    def service(self, *, clients: bool = False, by: str = ".") -> dict[str, str]:
        """A service's environment, its certificate of the authority `by`; with `clients` these show theirs."""
        own = {"CROPSTREAM_TLS_CERT": f"{by}/service.pem", "CROPSTREAM_TLS_KEY": f"{by}/service.key"}
        files = {**own, "CROPSTREAM_TLS_CA": "ca.pem", **({"CROPSTREAM_TLS_CLIENT_CA": "ca.pem"} if clients else {})}
        return {"CROPSTREAM_TOKEN": TOKEN, **{name: str(self.folder / file) for name, file in files.items()}}

    def client(self, ca: str = "ca.pem", identity: str | None = "client", **more: Any) -> Tls:
        cert, key = (None if identity is None else self.folder / f"{identity}.{kind}" for kind in ("pem", "key"))
        return Tls(ca=self.folder / ca, cert=cert, key=key, **more)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    folder = tmp_path_factory.mktemp("certificates")
    subprocess.run(["node", str(REPOSITORY / "scripts" / "certificates.mjs"), str(folder)], check=True, timeout=60)
    return Certificates(folder)


@pytest.fixture(scope="module")
def closed(images: Path, certificates: Certificates) -> Iterator[Service]:
    """Wants certificates of its clients, and a token."""
    service = Service("--data", str(images), *FLAGS, env=certificates.service(clients=True))
    yield service
    service.stop()
    assert TOKEN not in service.log()


def by_name(target: str) -> str:
    """By the name in the certificate."""
    return target.replace("127.0.0.1", "localhost")


def digest_of(target: str, **options: Any) -> str:
    with MultiCropLoader(target, framework="numpy", end_step=2, **options) as loader:
        digest = StreamDigest()
        for batch in loader:
            digest.update(batch)
    return digest.hex()


def test_over_tls_the_stream_is_the_same(lone_service: Service, closed: Service, certificates: Certificates) -> None:
    expected = digest_of(lone_service.target)
    assert digest_of(by_name(closed.target), tls=certificates.client(), token=TOKEN) == expected
    named = certificates.client(server_name="localhost")
    assert digest_of(closed.target, tls=named, token=TOKEN) == expected


def test_the_environment_is_enough(
    lone_service: Service, closed: Service, certificates: Certificates, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    tls = certificates.client()
    for name, value in (("CA", tls.ca), ("CERT", tls.cert), ("KEY", tls.key), ("SERVER_NAME", "localhost")):
        monkeypatch.setenv(f"CROPSTREAM_TLS_{name}", str(value))
    monkeypatch.setenv("CROPSTREAM_TOKEN_FILE", str(tmp_path / "token"))
    assert digest_of(closed.target) == digest_of(lone_service.target, tls=False)


@pytest.mark.parametrize(
    ("token", "reason"), [(None, "it carries no token"), ("battery", "its token is not known here")]
)
def test_who_has_not_the_token_is_told_at_once(
    closed: Service, certificates: Certificates, token: str | None, reason: str
) -> None:
    began = time.monotonic()
    with pytest.raises(Unauthenticated, match=reason) as refused:
        digest_of(by_name(closed.target), tls=certificates.client(), token=token)
    assert "CROPSTREAM_TOKEN_FILE" in refused.value.help
    assert "battery" not in str(refused.value)
    assert time.monotonic() - began < 5


def test_a_certificate_that_is_not_trusted_is_no_service_that_is_away(
    lone_service: Service, closed: Service, certificates: Certificates
) -> None:
    def refuse(target: str, tls: bool | Tls, message: str) -> None:
        with pytest.raises(TlsFailed, match=message) as refused:
            digest_of(target, tls=tls, token=TOKEN)
        assert "CROPSTREAM_TLS" in refused.value.help

    refuse(by_name(closed.target), certificates.client("foreign/ca.pem"), "not from an authority that is trusted here")
    refuse(by_name(closed.target), True, "not from an authority")
    refuse(closed.target, certificates.client(), "is for other names")
    refuse(by_name(lone_service.target), certificates.client(), "does not speak TLS")


@pytest.mark.parametrize(("tls", "identity"), [(False, None), (True, None), (True, "foreign/client")])
def test_who_shows_no_certificate_is_told_of_it(
    closed: Service, certificates: Certificates, tls: bool, identity: str | None
) -> None:
    # By its one address: of a name that has several, gRPC may tell about one where nobody listens.
    options = certificates.client(identity=identity, server_name="localhost") if tls else False
    with pytest.raises((TlsFailed, Unreachable), match="certificate"):
        digest_of(closed.target, tls=options, token=TOKEN, timeout=0.5)


def test_of_a_names_addresses_it_is_told_which_failed() -> None:
    text = "failed to connect to all addresses; last error: UNKNOWN: ipv6:%5B::1%5D:7400: Connection refused"
    refused = "the connection is refused: nothing listens there"
    assert connection_error(text, "localhost:7400").details["reason"] == f"[::1]:7400: {refused}"
    assert connection_error(text, "[::1]:7400").details["reason"] == refused


def test_a_service_that_is_away_is_told_by_address_cause_and_time() -> None:
    target = f"127.0.0.1:{free_port()}"
    message = rf"^cannot reach {target}: the connection is refused: .*; tried for \d\.\d s"
    with pytest.raises(Unreachable, match=message):
        MultiCropLoader(target, timeout=0.5)


@pytest.mark.skipif(shutil.which("redis-server") is None, reason="needs redis-server")
def test_a_fleets_workers_are_verified_by_their_name(
    lone_service: Service, images: Path, certificates: Certificates, tmp_path: Path
) -> None:
    """Their addresses are in no certificate. One of a foreign authority, or with another token, takes no jobs."""
    port = free_port()
    redis = subprocess.Popen(
        ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    common = {
        "REDIS_URL": f"redis://127.0.0.1:{port}",
        "CROPSTREAM_PORT": "0",
        "CROPSTREAM_HTTP_PORT": "0",
        "CROPSTREAM_THREADS": "1",
        "CROPSTREAM_CACHE": str(tmp_path),
    }
    processes: list[Process] = []

    def start(*arguments: str, env: dict[str, str]) -> Process:
        processes.append(Process(*arguments, env={**common, **env}))
        return processes[-1]

    def wait_for(process: Process, words: str) -> None:
        deadline = time.monotonic() + 20
        while words not in process.log():
            assert time.monotonic() < deadline, process.log()
            time.sleep(0.05)

    try:
        coordinator = start("coordinator", "--data", str(images), *FLAGS, env=certificates.service())
        foreign = start("worker", env=certificates.service(by="foreign"))
        wait_for(foreign, "not from an authority that is trusted")
        foreign.kill()
        other = start("worker", env={**certificates.service(), "CROPSTREAM_TOKEN": "battery"})
        wait_for(other, "its token is not known here")
        other.kill()
        worker = start("worker", env=certificates.service())
        wait_for(worker, "admitted")
        target = by_name(coordinator.ready["target"])
        tls = certificates.client(identity=None)
        assert digest_of(target, tls=tls, token=TOKEN) == digest_of(lone_service.target)
        worker.stop()
        # The coordinator trusts this worker, this client does not: it is no worker that is away.
        both = tmp_path / "both.pem"
        both.write_text("".join((certificates.folder / ca).read_text() for ca in ("ca.pem", "foreign/ca.pem")))
        coordinator.kill()
        env = {**certificates.service(), "CROPSTREAM_TLS_CA": str(both)}
        coordinator = start("coordinator", "--data", str(images), *FLAGS, env=env)
        wait_for(start("worker", env=certificates.service(by="foreign")), "admitted")
        with pytest.raises(TlsFailed, match="not from an authority"):
            digest_of(by_name(coordinator.ready["target"]), tls=tls, token=TOKEN)
    finally:
        for process in processes:
            if process.process.poll() is None:
                process.kill()
        redis.kill()
        redis.wait()


def test_certificates_and_tokens_that_are_replaced_are_those_of_the_next_connections(
    closed: Service, certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ca.pem", "client.pem", "client.key"):
        shutil.copy(certificates.folder / "foreign" / name, tmp_path / name)
    (tmp_path / "token").write_text("battery")
    monkeypatch.setenv("CROPSTREAM_TOKEN_FILE", str(tmp_path / "token"))
    tls = Tls(ca=tmp_path / "ca.pem", cert=tmp_path / "client.pem", key=tmp_path / "client.key")
    transport = Transport(by_name(closed.target), resolve_security(tls, None, os.environ))
    try:
        with pytest.raises((TlsFailed, Unreachable)):
            transport.get_run("")
        for name in ("ca.pem", "client.pem", "client.key"):
            shutil.copy(certificates.folder / name, tmp_path / name)
        error: Exception = AssertionError("never asked")
        deadline = time.monotonic() + 20
        while not isinstance(error, Unauthenticated):
            assert time.monotonic() < deadline, error
            try:
                transport.get_run("")
            except (TlsFailed, Unreachable, Unauthenticated) as refused:
                error = refused
        (tmp_path / "token").write_text(TOKEN)
        digest = None
        while digest is None:
            assert time.monotonic() < deadline
            try:
                digest = transport.get_run("").digest
            except Unauthenticated:
                time.sleep(0.05)
        assert digest == transport.get_run("").digest
    finally:
        transport.close()


def test_arguments_and_variables_that_cannot_be_used_are_named(certificates: Certificates) -> None:
    client = certificates.client()
    assert resolve_security(None, None, {}) == OPEN
    with pytest.raises(SpecInvalid, match=r"tls\.ca: \"/nowhere\""):
        resolve_security(Tls(ca="/nowhere"), None, {})
    with pytest.raises(SpecInvalid, match=r"tls\.key"):
        resolve_security(Tls(cert=client.cert), None, {})
    with pytest.raises(SpecInvalid, match="the key of"):
        resolve_security(Tls(cert=client.cert, key=certificates.folder / "service.key"), None, {})
    with pytest.raises(SpecInvalid, match="True, False or a Tls"):
        resolve_security("yes", None, {})  # type: ignore[arg-type]
    with pytest.raises(ConfigInvalid, match="CROPSTREAM_TLS_CA"):
        resolve_security(None, None, {"CROPSTREAM_TLS_CA": os.devnull})
    with pytest.raises(ConfigInvalid, match="true or false"):
        resolve_security(None, None, {"CROPSTREAM_TLS": "maybe"})
    with pytest.raises(ConfigInvalid, match="CROPSTREAM_TOKEN") as refused:
        resolve_security(None, None, {"CROPSTREAM_TOKEN": "two words"})
    assert "two words" not in str(refused.value)


def test_a_token_in_clear_is_warned_of() -> None:
    security = Security(None, None, TOKEN)
    for target in ("localhost:1", "[::1]:1", "ipv4:127.0.0.1:1,127.0.0.2:2", "dns:///localhost:1"):
        assert not security.token_in_clear(target)
    assert security.token_in_clear("ipv4:127.0.0.1:1,10.0.0.1:2")
    with pytest.warns(UserWarning, match=r"node7\.invalid:1 travels without TLS"), pytest.raises(Unreachable):
        MultiCropLoader("node7.invalid:1", token=TOKEN, timeout=0.1)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("UNKNOWN: ipv4:127.0.0.1:1: Failed to connect to remote host: Connection refused", "nothing listens there"),
        ("UNAVAILABLE: ipv4:127.0.0.1:1: Socket closed", "closes connections at once"),
        ("UNKNOWN: ipv4:10.0.0.1:1: connect: No route to host (113)", "there is no route to it"),
        ("INTERNAL: ipv4:10.0.0.1:1: Failed parsing HTTP/2 (Expected SETTINGS frame)", "does not speak gRPC"),
        ("UNKNOWN: ipv4:10.0.0.1:1: connection attempt timed out before receiving SETTINGS", "no answer in time"),
        ("UNKNOWN: Tls handshake failed: CERTIFICATE_VERIFY_FAILED: certificate has expired", "not valid today"),
        ("UNAVAILABLE: ipv4:10.0.0.1:1: Unwrap failed (TSI_DATA_CORRUPTED)", "the certificate of this client"),
        ("UNKNOWN: ipv4:10.0.0.1:1: something new", "something new"),
    ],
)
def test_grpcs_texts_are_put_into_words(text: str, reason: str) -> None:
    """As grpcio 1.85 tells them."""
    error = connection_error(f"failed to connect to all addresses; last error: {text}", "host:1")
    assert isinstance(error, TlsFailed if "certificate" in reason or "valid" in reason else Unreachable)
    assert reason in error.problem
    assert "last error" not in error.problem
