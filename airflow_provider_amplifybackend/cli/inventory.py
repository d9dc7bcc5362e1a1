"""``inventory``: the table of ``BackendInventoryOperator`` on a terminal."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_amplifybackend.cli._running import FAILED, OK, command, is_terminal, scopes, write


@command
def inventory(options: Namespace) -> int:
    """List the environments."""
    from airflow_provider_amplifybackend.core.turns import Turns
    from airflow_provider_amplifybackend.fleet.tables import summary
    from airflow_provider_amplifybackend.hooks._fleet import PacedHook, new_wishes, paced_hook, read_fleet
    from airflow_provider_amplifybackend.hooks._fleet_files import write_inventory
    from airflow_provider_amplifybackend.parameters.durations import as_duration
    from airflow_provider_amplifybackend.parameters.limits import as_bounded

    turns = Turns(as_bounded("--requests-per-second", options.requests_per_second, least=0.1, most=100))

    def make_hook(connection: str | None, region: str | None) -> PacedHook:
        return paced_hook(turns, aws_conn_id=connection, region_name=region)

    wishes = new_wishes(
        options.app_id,
        as_duration("--stuck-after", options.stuck_after),
        as_duration("--stale-after", options.stale_after),
    )
    rows, facts = read_fleet(scopes(options), make_hook, wishes, turns)
    found = summary(rows, facts)
    try:
        if options.path:
            connection = scopes(options)[0][0]
            found |= {"files": write_inventory(options.path, rows, facts, aws_conn_id=connection)}
    finally:  # minutes of reads are not lost because a folder cannot be written to
        write(_text(options.output, rows, found))
    return FAILED if found["errors"] else OK


def _text(output: str, rows: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> str:
    from airflow_provider_amplifybackend.fleet import tables

    if output == "csv":
        return tables.csv_text(rows, is_terminal=is_terminal())
    if output == "jsonl":
        return tables.json_lines(rows, is_terminal=is_terminal())
    counts = (
        f"environments: {found['environments']}, apps: {found['apps']}, requests: {found['requests']} in "
        f"{found['seconds']} s, could not be read: {found['errors']}"
    )
    files = [f"{kind}: {address}" for kind, address in found.get("files", {}).items()]
    return "\n".join([*tables.text_table(rows, is_terminal=is_terminal()), "", counts, *files]) + "\n"
