"""Reading what decides as whom and where a task acts: connections and regions.

Nothing at all means something there: boto3's own identity, or the connection's region. So only a None that somebody has
written does; what a template or another task has left empty must not lead to another account.
"""

from __future__ import annotations

import re
from typing import Any

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.reading import refuse_missing, shown

# As botocore has it: a label of a host name, and not digits alone.
_is_region = re.compile(r"(?![0-9]+$)(?!-)[a-zA-Z0-9-]{1,63}(?<!-)").fullmatch


def refuse_connection_itself(name: str, value: Any) -> None:
    """Refuse a connection itself, as a URI or JSON, in the place of its id.

    :raises BackendParameterError: names the parameter and not its value, which can hold a password.
    """
    if isinstance(value, str) and ("://" in value or "@" in value or value.lstrip().startswith("{")):
        raise BackendParameterError(
            f"{name} is a connection itself and not the id of one; its value is not shown, because it can hold a "
            "password. Create the connection in Airflow (UI, CLI, AIRFLOW_CONN_... or a secrets backend), and name "
            "its id"
        )


def as_named_connection(name: str, value: Any, *, instead: str = "") -> str:
    """Return the id of a connection.

    :param instead: What to pass where no connection is meant.
    :raises BackendParameterError: It is none, or is missing.
    """
    refuse_connection_itself(name, value)
    refuse_missing(name, "None" if value is None else value, instead=instead)
    if not isinstance(value, str):
        raise BackendParameterError(f"{name}={shown(value)} must be the id of a connection, as a string{instead}")
    return str.__str__(value)


def as_optional_connection(name: str, value: Any) -> str | None:
    """Return the id of a connection; None where there is none."""
    return None if value is None else as_named_connection(name, value)


def as_connection_id(name: str, value: Any) -> str | None:
    """Return the id of the connection to act with; None, and nothing else, is boto3's own credential chain."""
    return (
        None if value is None else as_named_connection(name, value, instead="; for boto3's own credentials pass None")
    )


def as_named_region(name: str, value: Any, origin: str = "") -> str:
    """Return the name of a region.

    :param origin: Where it comes from, if that is no parameter.
    """
    refuse_missing(name, "None" if value is None else value)
    if not isinstance(value, str) or not _is_region(value):
        raise BackendParameterError(
            f"{name}={shown(value)}{origin} must be the name of an AWS region, such as 'us-east-1'"
        )
    return str.__str__(value)


def as_region(name: str, value: Any, origin: str = "") -> str | None:
    """Return the name of a region; None is the connection's."""
    return None if value is None else as_named_region(name, value, origin)
