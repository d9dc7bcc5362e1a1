"""Airflow's masks, put on secrets in every form in which a log or a rendered field may have them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from airflow_provider_amplifybackend._compat import conf, mask_secret
from airflow_provider_amplifybackend.core.secret_forms import SHORTEST_MASKED
from airflow_provider_amplifybackend.core.secrets import is_masked_name, named_secrets, secret_values, written_forms

# Levels of a rendered field in which Airflow looks for masked texts, as its SecretsMasker.MAX_RECURSION_DEPTH says.
DEEPEST_MASKED = 5


def mask(value: Any) -> None:
    """Mask every secret in a value, known by its name."""
    mask_texts(secret_values(value))


def mask_texts(secrets: Iterable[str], *, as_given: bool = False) -> None:
    """Mask secrets that are known to be some.

    Airflow compiles all that it masks once more for each text that it is given. That is nothing for the secrets of one
    task; for those of a whole file it is their number by itself: half a minute for a hundred secrets in each form.

    :param as_given: Only as they are, in no other form.
    """
    shortest = None
    for secret in dict.fromkeys(secrets):
        forms: list[Any] = ([] if as_given else written_forms(secret)) or [secret]
        shortest = shortest or shortest_secret()
        if len(forms[-1]) >= shortest:
            mask_secret(forms)  # one message for all of them to the process that writes the log


def within_masks(value: Any) -> Any:
    """Return a configuration as it is, or as JSON text if a secret in it is nested deeper than Airflow's masker looks.

    No configuration of the API is that deep, so this is a file or a request of another tool, which is refused later.
    """
    if isinstance(value, str):  # a text is one level, whatever it holds
        return value
    if all(_levels(path) <= DEEPEST_MASKED for path, _ in named_secrets(value, is_masked_name)):
        return value
    try:
        return json.dumps(value, default=str)
    except (TypeError, ValueError, RecursionError):
        return value


def _levels(path: str) -> int:
    return len(re.split(r"[.\[]", path))


def shortest_secret() -> int:
    """Return how many characters Airflow's masker wants at least."""
    try:
        return max(int(conf.getint("logging", "min_length_masked_secret", fallback=SHORTEST_MASKED)), 1)
    except Exception:  # noqa: BLE001  # a setting that is no number: Airflow itself takes its default then
        return SHORTEST_MASKED
