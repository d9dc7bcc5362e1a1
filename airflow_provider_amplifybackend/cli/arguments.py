"""The commands and their arguments, once for ``airflow amplifybackend`` and for ``airflow-amplifybackend``.

Plain data: Airflow imports this for each of its commands, so nothing heavy is imported here.
"""

from __future__ import annotations

from argparse import ArgumentTypeError
from dataclasses import dataclass
from typing import Any

PACKAGE = "airflow_provider_amplifybackend.cli"
GROUP = "amplifybackend"
GROUP_HELP = "Look at Amplify backend environments, and check the way to them"
PROGRAM = "airflow-amplifybackend"


@dataclass(frozen=True)
class Argument:
    """An argument, as ``argparse`` takes it."""

    flags: tuple[str, ...]
    settings: dict[str, Any]


@dataclass(frozen=True)
class Command:
    """A command: the function that runs it is imported when it is called."""

    name: str
    help: str
    description: str
    arguments: tuple[Argument, ...]

    @property
    def function(self) -> str:
        """The place of the function."""
        return f"{PACKAGE}.{self.name}.{self.name}"


def _filled(text: str) -> str:
    """Refuse a value that is empty: of a shell variable that is not set, most likely, and never what was meant."""
    if not text.strip():
        raise ArgumentTypeError("the value is empty")
    return text


def _argument(*flags: str, **settings: Any) -> Argument:
    return Argument(flags, {"type": _filled} | settings if "metavar" in settings else settings)


def _output(*kinds: str) -> Argument:
    return _argument(
        "--output", "-o", choices=kinds, default=kinds[0], help=f"form of the output (default: {kinds[0]})"
    )


_CONNECTION = _argument(
    "--aws-conn-id",
    metavar="ID",
    type=str,
    default="aws_default",
    help="Airflow connection; '' for boto3's own credentials (default: aws_default)",
)
_REGION = _argument("--region-name", metavar="REGION", help="AWS region (default: the connection's)")
_CONNECTIONS = _argument(
    "--aws-conn-id",
    metavar="ID",
    type=str,
    action="append",
    help="Airflow connection, repeatable; '' for boto3's own credentials (default: aws_default)",
)
_REGIONS = _argument(
    "--region-name", metavar="REGION", action="append", help="AWS region, repeatable (default: the connection's)"
)
_APPS = _argument(
    "--app-id", metavar="ID", action="append", help="only this app, repeatable (default: all apps of the account)"
)
_VERBOSE = _argument("--verbose", "-v", action="store_true", help="show log lines, too")

COMMANDS = (
    Command(
        "inventory",
        "List every environment: health, age, jobs, protection, migration",
        "List every environment of the account, or of some apps, with what needs attention. Only reads. "
        "The exit status is 1 if something could not be read.",
        (
            _CONNECTIONS,
            _REGIONS,
            _APPS,
            _argument(
                "--path", metavar="FOLDER", help="write environments.jsonl, environments.csv and report.html, too"
            ),
            _argument(
                "--requests-per-second", metavar="N", default="10", help="most requests in a second (default: 10)"
            ),
            _argument("--stuck-after", metavar="AGE", default="2h", help="a job is stuck after this (default: 2h)"),
            _argument(
                "--stale-after", metavar="AGE", default="90d", help="unchanged for long after this (default: 90d)"
            ),
            _output("table", "jsonl", "csv"),
            _VERBOSE,
        ),
    ),
    Command(
        "plan",
        "Show what a deletion would delete",
        "Show what the deletion of an environment, or of all environments of an app, would delete and what would stay, "
        "and whether the guard would let it through. Only reads. The exit status is 1 if that cannot be read.",
        (
            _argument("app_id", metavar="APP_ID", help="the app"),
            _argument(
                "environment", metavar="ENVIRONMENT", nargs="?", help="the environment (default: all of the app)"
            ),
            _argument("--clean-amplify-app", action="store_true", help="the app itself is to go, too"),
            _CONNECTION,
            _REGION,
            _output("markdown", "json"),
            _VERBOSE,
        ),
    ),
    Command(
        "reap",
        "Say what the reaper would delete and what it would keep, and why",
        "Say of each environment whether the reaper would delete it, and why. It only reads, unless --yes-delete is "
        "given. The exit status is 1 if something could not be read or deleted.",
        (
            _CONNECTION,
            _REGION,
            _APPS,
            _argument("--name", metavar="PATTERN", help="environments without a lease, by name: with * and ?"),
            _argument("--older-than", metavar="AGE", help="the age that these must have, such as 3d"),
            _argument("--dag-ids", metavar="PATTERN", default="*", help="DAGs whose leases count (default: all)"),
            _argument("--yes-delete", action="store_true", help="delete what is to go, one after the other"),
            _argument(
                "--timeout", metavar="AGE", default="1h", help="how long to wait for each deletion (default: 1h)"
            ),
            _output("text", "json"),
            _VERBOSE,
        ),
    ),
    Command(
        "doctor",
        "Check a connection: credentials, region, endpoint, permissions, guard, clock, triggerer",
        "Check a connection with reads that change nothing. The exit status is 1 if something is wrong.",
        (
            _CONNECTION,
            _REGION,
            _argument("--app-id", metavar="ID", help="the app to ask about (default: the account's first)"),
            _argument("--environment", metavar="NAME", help="the environment to ask about (default: the app's first)"),
            _output("text", "json"),
            _VERBOSE,
        ),
    ),
)
