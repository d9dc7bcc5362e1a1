"""Secrets that are written into a DAG file: Airflow stores them with the serialized DAG, readable for who sees DAGs.

Nothing that a task does can undo that, so the author is warned when the DAG is parsed, and ``validate_dag`` fails. A
``.json`` file is not read then and not stored with the DAG; ``validate_dag`` reads it and fails on a secret in it, too,
which whoever reads the file's repository can read.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_amplifybackend.core.secret_names import is_secret_name
from airflow_provider_amplifybackend.core.secrets import named_secrets
from airflow_provider_amplifybackend.parameters.reading import is_template
from airflow_provider_amplifybackend.parameters.secret_members import WAY_OUT, is_placeholder

_OWN_AND_AIRFLOWS = ("airflow.", "airflow_provider_amplifybackend.", "functools")


class LiteralSecretWarning(UserWarning):
    """A secret is written into a DAG file."""


def literal_secrets(parameters: Mapping[str, Any]) -> Iterator[str]:
    """Yield the path of each secret in parameters that is no template."""
    for name, value in parameters.items():
        if not (isinstance(value, str) and is_template(value) and is_secret_name(name)):
            for path, secret in named_secrets(value, name=name):
                if not is_template(secret) and not is_placeholder(secret):
                    yield path


def literal_problems(parameters: Mapping[str, Any]) -> list[str]:
    """Return a sentence for each secret in parameters that is no template."""
    return [
        f"{path} is a secret in clear, which everybody can read who can read the file: {WAY_OUT}"
        for path in dict.fromkeys(literal_secrets(parameters))
    ]


def warn_of_literal_secret(parameters: Mapping[str, Any], *, task_id: Any, dag_id: str | None) -> bool:
    """Warn of the first secret in parameters that is no template, and tell whether there is one."""
    path = next(literal_secrets(parameters), None)
    if path is None:
        return False
    message = (
        f"{f'DAG {dag_id}, ' if dag_id else ''}task {task_id}: {path} is a secret in clear, which Airflow "
        f"stores with the DAG, unencrypted: {WAY_OUT}"
    )
    file, line = _place_in_dag_file()
    warnings.warn_explicit(message, LiteralSecretWarning, file, line)
    return True


def _place_in_dag_file() -> tuple[str, int]:
    """Return the file and line that make the task: the first caller that is neither Airflow nor this package."""
    frame: Any = sys._getframe(1)
    while frame.f_back and f"{frame.f_globals.get('__name__', '')}.".startswith(_OWN_AND_AIRFLOWS):
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno
