"""What is generated and committed against what it was generated from."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto, FileDescriptorSet

from cropstream.batch import PARAM_COLUMNS
from cropstream.errors import ERRORS
from cropstream.v1 import coordinator_pb2, run_pb2, worker_pb2

REPOSITORY = Path(__file__).resolve().parents[3]


def node(script: str) -> str:
    """What a script of the built repository prints."""
    command = ["node", "--input-type=module", "-e", script]
    return subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("module", [run_pb2, worker_pb2, coordinator_pb2])
def test_messages_are_those_of_proto(module: object) -> None:
    script = (
        "import { descriptorSet } from './packages/protocol/dist/reflection.js';"
        "console.log(Buffer.from(descriptorSet()).toString('hex'))"
    )
    current = FileDescriptorSet.FromString(bytes.fromhex(node(script)))
    ours = FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)  # type: ignore[attr-defined]
    theirs = next(file for file in current.file if file.name == ours.name)
    for file in (ours, theirs):
        # The compiler's own notes.
        file.ClearField("source_code_info")
        file.DiscardUnknownFields()
        for message in file.message_type:
            for field in message.field:
                field.ClearField("json_name")
    assert ours == theirs, "run scripts/generate.py messages"


def test_errors_are_those_of_the_table() -> None:
    script = "import { ERROR_TABLE } from './packages/errors/dist/index.js'; console.log(JSON.stringify(ERROR_TABLE))"
    table = json.loads(node(script))
    assert list(ERRORS) == list(table), "run scripts/generate.py errors"
    for code, kind in ERRORS.items():
        row = table[code]
        assert (kind.problem_template, kind.help_template) == (row["message"], row["help"]), (
            "run scripts/generate.py errors"
        )
        assert (kind.code, kind.retryable) == (code, row["retryable"])


def test_parameter_columns_are_the_protocols() -> None:
    script = (
        "import { PARAM_COLUMNS } from './packages/protocol/dist/index.js'; console.log(JSON.stringify(PARAM_COLUMNS))"
    )
    assert list(PARAM_COLUMNS) == json.loads(node(script))
