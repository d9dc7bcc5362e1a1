"""``airflow-amplifybackend``: the same commands on every Airflow, also on those that take none from a provider."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from importlib import import_module

from airflow_provider_amplifybackend import __version__
from airflow_provider_amplifybackend.cli.arguments import COMMANDS, GROUP_HELP, PROGRAM


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command."""
    options = _parser().parse_args(arguments)
    if not options.verbose:
        # Airflow logs while it is imported, before anything could tell it not to.
        os.environ.setdefault("AIRFLOW__LOGGING__LOGGING_LEVEL", "ERROR")
    module, _, name = options.function.rpartition(".")
    getattr(import_module(module), name)(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=PROGRAM, description=GROUP_HELP + ".")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        own = commands.add_parser(command.name, help=command.help, description=command.description)
        own.set_defaults(function=command.function)
        for argument in command.arguments:
            own.add_argument(*argument.flags, **argument.settings)
    return parser


if __name__ == "__main__":
    main()
