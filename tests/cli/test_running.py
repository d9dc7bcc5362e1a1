"""What every command makes of its arguments and of an output that cannot be written."""

from __future__ import annotations

import pytest

from airflow_provider_amplifybackend.cli.arguments import COMMANDS
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.cli.conftest import Run
from tests.samples import APP

SCRIPT = "airflow_provider_amplifybackend.cli.main"
LINES = {"inventory": (), "plan": (APP,), "reap": ("--name", "pr*", "--older-than", "3d"), "doctor": ()}
NAMING = [
    (command.name, argument.flags[0])
    for command in COMMANDS
    for argument in command.arguments
    if "metavar" in argument.settings and argument.flags[0] != "--aws-conn-id"
]


def test_every_command_is_tried_here() -> None:
    assert LINES.keys() == {command.name for command in COMMANDS}


@pytest.mark.parametrize(("command", "name"), NAMING)
@pytest.mark.parametrize("empty", ["", " "])
def test_an_empty_value_is_refused(run: Run, command: str, name: str, empty: str) -> None:
    named = [name, empty] if name.startswith("-") else {"app_id": [empty], "environment": [APP, empty]}[name]
    given = LINES[command] if name.startswith("-") else ()
    ended = run(command, *given, *named)
    assert (ended.status, ended.output) == (2, "")
    assert "the value is empty" in ended.errors


def test_an_empty_connection_means_boto3_s_own_credentials(
    run: Run, aws: LocalAmplifyBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws.endpoint_url)
    ended = run("doctor", "--aws-conn-id", "", "--region-name", "us-east-1")
    assert "boto3's own credentials are used" in ended.output


@pytest.mark.parametrize("command", ["inventory", "doctor"])
@pytest.mark.parametrize(
    ("redirection", "told"),
    [
        (">&-", "there is no standard output to write to"),
        (">/dev/full", "the output cannot be written: No space left on device"),
    ],
)
def test_an_output_that_cannot_be_written_is_one_line(
    run_process: Run, aws: LocalAmplifyBackend, command: str, redirection: str, told: str
) -> None:
    aws.control.seed_app(APP, "staging")
    ended = run_process(SCRIPT, command, redirection=redirection)
    assert (ended.status, ended.output, ended.errors) == (1, "", f"{command}: {told}\n")
