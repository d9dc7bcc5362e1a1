"""Refusal, before anything is sent, of texts that are no secret or could not be kept one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from airflow_provider_amplifybackend._masking import shortest_secret
from airflow_provider_amplifybackend.core.secrets import REDACTED, is_secret_name, named_secrets

_FROM_AIRFLOW = "read the secret from an Airflow connection, variable or secrets backend, e.g."
WAY_OUT = f"{_FROM_AIRFLOW} {{{{ conn.google.password }}}}"
WAY_OUT_IN_PYTHON = f'{_FROM_AIRFLOW} BaseHook.get_connection("google").password'
# As a whole, or in place of a line of a key.
_MARK = re.compile(r"^[ \t\"']*\*{3,}[ \t\"']*$|<redaction-failed>", re.MULTILINE)


def is_placeholder(text: str) -> bool:
    """Tell whether a text is what stands in place of a secret, as a whole or for a line of it."""
    return _MARK.search(text) is not None


def member_of(path: str) -> str:
    """Return the name of the member that a path leads to."""
    return path.rsplit(".", 1)[-1].partition("[")[0]


def problems_in_request(request: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each secret of a request in Python that cannot be one."""
    for path, text in named_secrets(request):
        # What stands in a text in words is no member.
        if is_secret_name(member_of(path)) and (problem := secret_problem(path, text, WAY_OUT_IN_PYTHON)):
            yield problem


def secret_problem(path: str, text: str, way_out: str = WAY_OUT) -> str | None:
    """Return a sentence about a text that cannot be a member's secret; None for one that can."""
    if is_placeholder(text):
        return (
            f"{path}={REDACTED} is the placeholder of a Get operator for a secret, or a mask of Airflow, and would "
            f"replace the secret that is set: pass the secret itself ({way_out})"
        )
    shortest = shortest_secret()
    if 0 < len(text) < shortest:
        return (
            f"{path}={REDACTED} is shorter than {shortest} characters, and Airflow masks no text that short "
            f"([logging] min_length_masked_secret): pass the whole secret ({way_out})"
        )
    return None
