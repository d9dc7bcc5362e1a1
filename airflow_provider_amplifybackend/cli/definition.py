"""``airflow amplifybackend``: the commands as Airflow takes them, from 3.2 on."""

from __future__ import annotations

from typing import Any

from airflow_provider_amplifybackend.cli.arguments import COMMANDS, GROUP, GROUP_HELP, Command


def get_cli_commands() -> list[Any]:
    """Return the commands; the provider info names this function."""
    from airflow.cli.cli_config import GroupCommand

    return [GroupCommand(name=GROUP, help=GROUP_HELP, subcommands=[_action(command) for command in COMMANDS])]


def _action(command: Command) -> Any:
    from airflow.cli import cli_config

    config: Any = cli_config  # which has no types
    return config.ActionCommand(
        name=command.name,
        help=command.help,
        description=command.description,
        func=config.lazy_load_command(command.function),
        args=[config.Arg(argument.flags, **argument.settings) for argument in command.arguments],
    )
