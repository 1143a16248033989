"""The command."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Service, pull

from cropstream.pull import main


def test_prints_what_the_services_own_pull_prints(
    service: Service, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    window = ("--run", service.run, "--from-step", "2", "--steps", "5")
    ours_file, theirs_file = tmp_path / "ours", tmp_path / "theirs"
    arguments = ("--target", service.target, *window, "--json", "--digests", str(ours_file))
    assert main(arguments) == 0
    ours = json.loads(capsys.readouterr().out)
    theirs = pull(service, *window, "--digests", str(theirs_file))
    assert list(ours) == list(theirs)
    for key in ("run", "digest", "steps", "images", "bytes", "substituted"):
        assert ours[key] == theirs[key]
    assert ours_file.read_text() == theirs_file.read_text()


def test_in_words(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--target", service.target, "--run", service.run, "--epochs", "2"]) == 0
    said = capsys.readouterr().out
    assert "12 batches, 96 images" in said
    assert pull(service, "--run", service.run, "--epochs", "2")["digest"] in said


def test_a_failure_has_its_code_and_a_status(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--target", service.target, "--run", "nope"]) == 1
    assert "RUN_NOT_FOUND: no run is named nope" in capsys.readouterr().err


def test_a_flag_that_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--steps", "0"])
    assert caught.value.code == 2
    assert "expected an integer of at least 1" in capsys.readouterr().err
