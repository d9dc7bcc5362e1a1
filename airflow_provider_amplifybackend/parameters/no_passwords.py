"""The parameters that every task has are no place for a password: Airflow stores them with the DAG and with a trigger.

The place is the connection, which Airflow encrypts, and which worker and triggerer each look up themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

from airflow_provider_amplifybackend.core.addresses import PROXIES, has_password, has_userinfo, names_user
from airflow_provider_amplifybackend.core.secret_names import is_secret_name
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.identity import refuse_connection_itself
from airflow_provider_amplifybackend.parameters.json_texts import read_json
from airflow_provider_amplifybackend.parameters.reading import holds_template, is_template, problems_of

WAY_OUT = (
    "it is stored unencrypted with the DAG and with a deferred task: put it into the extra of the connection instead, "
    'as "config_kwargs": {...}, which the worker and the triggerer each read there'
)
_PLACE_WAY_OUT = (
    "it is stored unencrypted with the DAG and shown in logs: write the id of a connection there instead, which holds "
    "both"
)
# The parameters that are places of files.
PLACES = frozenset({"record", "path", "left", "right"})
_OF_ADDRESS = "the user or password of an address"


def password_problems(name: str, options: Any) -> Iterator[str]:
    """Yield a sentence for each part of the client's options that holds a password, never with its value."""
    for path, what in _found(name, options, is_proxy=False, levels=10):
        yield f"{path} holds {what}, and {WAY_OUT}"


def refused_passwords(name: str, value: Any) -> list[str]:
    """Return a sentence for each password in one of the parameters, also where it is written as a text."""
    if name == "aws_conn_id":
        return [] if is_template(value) else problems_of(refuse_connection_itself, name, value)
    if name in PLACES:
        return [f"{name} holds {_OF_ADDRESS}, and {_PLACE_WAY_OUT}"] if has_password(str(value)) else []
    if name != "botocore_config":
        return []
    if isinstance(value, str) and value.lstrip().startswith("{"):
        with suppress(BackendParameterError):  # then it is searched as a text
            value = read_json(name, value, "")
    return [*password_problems(name, value)]


def _found(path: str, value: Any, *, is_proxy: bool, levels: int) -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        if has_userinfo(value) or (is_proxy and names_user(value)):
            yield path, _OF_ADDRESS
    elif levels and isinstance(value, Mapping):
        for key, member in value.items():
            inside = f"{path}.{_shown_key(key)}"
            if is_secret_name(key) or "password" in str(key).lower() or "passphrase" in str(key).lower():
                if member and not holds_template(member):
                    yield inside, "a password"
            else:
                yield from _found(inside, member, is_proxy=is_proxy or key == PROXIES, levels=levels - 1)
    elif levels and isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _found(f"{path}[{index}]", item, is_proxy=is_proxy, levels=levels - 1)


def _shown_key(key: Any) -> str:
    """Return a key as messages name it: it can be an address itself."""
    return key if isinstance(key, str) and "@" not in key else "..."
