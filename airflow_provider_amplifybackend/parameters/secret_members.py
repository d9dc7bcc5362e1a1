"""Refusal, before anything is sent, of texts that are no secret or could not be kept one."""

from __future__ import annotations

import re

from airflow_provider_amplifybackend._masking import shortest_secret
from airflow_provider_amplifybackend.core.secrets import REDACTED

WAY_OUT = "read the secret from an Airflow connection, variable or secrets backend, e.g. {{ conn.google.password }}"
# As a whole, or in place of a line of a key.
_MARK = re.compile(r"^[ \t\"']*\*{3,}[ \t\"']*$|<redaction-failed>", re.MULTILINE)


def is_placeholder(text: str) -> bool:
    """Tell whether a text is what stands in place of a secret, as a whole or for a line of it."""
    return _MARK.search(text) is not None


def secret_problem(path: str, text: str) -> str | None:
    """Return a sentence about a text that cannot be a member's secret; None for one that can."""
    if is_placeholder(text):
        return (
            f"{path}={REDACTED} is the placeholder of a Get operator for a secret, or a mask of Airflow, and would "
            f"replace the secret that is set: pass the secret itself ({WAY_OUT})"
        )
    shortest = shortest_secret()
    if 0 < len(text) < shortest:
        return (
            f"{path}={REDACTED} is shorter than {shortest} characters, and Airflow masks no text that short "
            f"([logging] min_length_masked_secret): pass the whole secret ({WAY_OUT})"
        )
    return None
