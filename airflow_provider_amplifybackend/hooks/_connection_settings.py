"""The settings in the extra of a connection, read before a client is made and in the same way in both modes.

The amazon provider hands ``config_kwargs`` to botocore as they are. What boto3 refuses there, aiobotocore
may take, and then it fails late, or in words that a wait takes for a hiccup.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from botocore.config import Config

from airflow_provider_amplifybackend.core.addresses import without_userinfo
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.client_config import as_client_config
from airflow_provider_amplifybackend.parameters.reading import shown

CONFIG_KWARGS = "config_kwargs"


def check_extra(connection: Any, connection_id: str) -> None:
    """Refuse an extra that cannot be read: Airflow takes one with a typo for an empty one, and only logs it.

    All that it sets would be dropped without a word: protected names, and the role and region that a task acts with.

    :raises BackendParameterError: names the connection; what the extra contains is not shown, as it can hold secrets.
    """
    if not _is_readable(connection.extra):
        raise BackendParameterError(
            f"the extra of the connection {connection_id!r} is not a JSON object, so nothing in it can be read: no "
            "region, role, endpoint or protected name. Correct it where the connection is defined; usual causes are "
            "a comma too many and a missing quotation mark"
        )


def _is_readable(extra: Any) -> bool:
    if extra is None or (isinstance(extra, str) and not extra.strip()):
        return True
    try:
        return isinstance(json.loads(extra), dict)
    except (ValueError, TypeError, RecursionError):
        return False


def read_config_kwargs(connection: Any) -> None:
    """Replace the ``config_kwargs`` of a connection by what they mean: JSON text is parsed, "7" is a number.

    Those that cannot be used stay; a task may have a ``botocore_config`` of its own instead.
    """
    extra = connection.extra_dejson
    try:
        read = _config_kwargs(extra)
    except BackendParameterError:
        return
    if read != extra.get(CONFIG_KWARGS):
        connection.extra = json.dumps({**extra, CONFIG_KWARGS: read})


def check_config_kwargs(extra: Any, connection_id: str) -> None:
    """Refuse ``config_kwargs`` that a client could not be made with.

    :raises BackendParameterError: names the option and the connection.
    """
    try:
        _config_kwargs(extra)
    except BackendParameterError as error:
        raise BackendParameterError(f"in the extra of the connection {connection_id!r}: {error}") from error.__cause__


def _config_kwargs(extra: Any) -> dict[str, Any] | None:
    options = extra.get(CONFIG_KWARGS) if isinstance(extra, Mapping) else None
    return as_client_config(CONFIG_KWARGS, options, may_hold_passwords=True)


def limited(config: Config, limits: Mapping[str, Any]) -> Config:
    """Return a configuration that keeps to limits; time-outs of its own stay where they are shorter."""
    own = {name: getattr(config, name) for name in ("connect_timeout", "read_timeout") if name in limits}
    shorter = {name: min(seconds, limits[name]) for name, seconds in own.items() if seconds is not None}
    return config.merge(Config(**{**limits, **shorter}))


def read_endpoint(url: Any, origin: str) -> str | None:
    """Return the address of an endpoint; None leaves it to boto3.

    :raises BackendParameterError: Nothing can be sent there.
    """
    if not url:
        return None
    if not isinstance(url, str):
        raise BackendParameterError(f"endpoint_url={shown(url)}{origin} must be a string")
    if problem := _address_problem(url):
        raise BackendParameterError(f"endpoint_url={shown(without_userinfo(url))}{origin} {problem}")
    return url


def _address_problem(url: str) -> str | None:
    wanted = "must be an address such as https://amplifybackend.example.com"
    try:
        parts = urlsplit(url)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError as error:
        return f"{wanted} ({error})"
    return None if is_usable else wanted
