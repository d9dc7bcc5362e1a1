"""Reading ``botocore_config``, the keyword arguments of botocore's ``Config``, as strictly as any other parameter.

A task may pass them on to the triggerer, and before that it has started its job. So what botocore would refuse, what it
would take and fail on later, and what cannot be stored with a trigger is refused before anything is sent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Any

from airflow_provider_amplifybackend.core.encodable import encodable_text
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.identity import as_region
from airflow_provider_amplifybackend.parameters.json_texts import read_json
from airflow_provider_amplifybackend.parameters.limits import LONGEST_WAIT, as_bounded, as_whole
from airflow_provider_amplifybackend.parameters.lookalikes import cut
from airflow_provider_amplifybackend.parameters.no_passwords import password_problems
from airflow_provider_amplifybackend.parameters.reading import EMPTY_RENDERINGS, as_choice, as_flag, shown

DEEPEST = 8  # levels of nesting; botocore's own options have two
UNSIGNED = "unsigned"
_SHORTEST_TIMEOUT = 0.001


def as_client_config(name: str, value: Any, *, may_hold_passwords: bool = False) -> dict[str, Any] | None:
    """Return the options as a dictionary that JSON can hold, from one, or from JSON text; None where there are none.

    :param may_hold_passwords: Whether an address may hold a password: it can in a connection, which is encrypted.
    :raises BackendParameterError: names the option.
    """
    if value is None or (isinstance(value, str) and value.strip() in EMPTY_RENDERINGS):
        return None
    options = _document(name, value) if isinstance(value, str) else value
    if not isinstance(options, Mapping):
        raise BackendParameterError(
            f"{name} is a {type(options).__name__}: pass the keyword arguments of botocore's Config as a dictionary, "
            f'e.g. {{"read_timeout": 60}}; they go to the triggerer too, which a Config cannot'
        )
    problems = [*_unstorable(name, options, DEEPEST)] or [*_unknown(name, options)]
    if not problems and not may_hold_passwords:
        problems = [*password_problems(name, options)]
    if problems:
        raise BackendParameterError("; ".join(problems))
    read = {option: _read(f"{name}.{option}", option, content) for option, content in options.items()}
    _try(name, read)
    return read


def for_botocore(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options for botocore, which takes a certificate and its key for a pair only if they are a tuple.

    What is not to be signed at all is a text here, as in the amazon provider's connections.
    """
    from botocore import UNSIGNED as NOT_SIGNED

    proxies = options.get("proxies_config")
    return {
        **options,
        **({"signature_version": NOT_SIGNED} if options.get("signature_version") == UNSIGNED else {}),
        **_paired(options, "client_cert"),
        **({"proxies_config": {**proxies, **_paired(proxies, "proxy_client_cert")}} if proxies else {}),
    }


def _paired(options: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {name: tuple(options[name])} if isinstance(options.get(name), list) else {}


def _document(name: str, text: str) -> Any:
    return read_json(name, text, "pass a dictionary")


def _unstorable(path: str, value: Any, levels: int) -> Iterator[str]:
    """Yield a sentence for each part that cannot be stored with a trigger."""
    if isinstance(value, Mapping | list | tuple):
        if not levels:
            yield f"{path} is nested more than {DEEPEST} levels deep"
        elif isinstance(value, Mapping):
            for key, member in value.items():
                if isinstance(key, str) and key == encodable_text(key):
                    yield from _unstorable(f"{path}.{key}", member, levels - 1)
                else:
                    yield f"{path} has a key that is not a string"
        else:
            for index, item in enumerate(value):
                yield from _unstorable(f"{path}[{index}]", item, levels - 1)
    elif isinstance(value, str):
        if value != encodable_text(value):
            yield f"{path} is a string that cannot be encoded"
    elif isinstance(value, float):
        if not abs(value) < float("inf"):
            yield f"{path}={value!r} must be a finite number"
    elif isinstance(value, int):
        if value.bit_length() > 63:
            yield f"{path} is a number of more than 64 bits"
    elif value is not None:
        yield f"{path} is a {type(value).__name__}, which cannot be stored with a trigger"


def _unknown(name: str, options: Mapping[str, Any]) -> Iterator[str]:
    from botocore.config import Config

    known = list(Config.OPTION_DEFAULTS)
    for option in options:
        if option not in known:
            similar = get_close_matches(option, known, n=1)
            hint = f"did you mean {similar[0]}?" if similar else f"it has: {', '.join(known)}"
            yield f"{name}.{cut(option)} is not an option of botocore's Config; {hint}"


def _read(path: str, option: str, value: Any) -> Any:
    """Return an option, whether it was rendered as text or not. None is botocore's own default."""
    read = _READERS.get(option)
    return _plain(value) if value is None or read is None else read(path, value)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(member) for key, member in value.items()}
    return [_plain(item) for item in value] if isinstance(value, list | tuple) else value


def _text(path: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BackendParameterError(f"{path} must be a string, not a {type(value).__name__}")
    return value


def _header(path: str, value: Any) -> str:
    """Return a text that goes into a header: a line end there would begin another one."""
    text = _text(path, value)
    if not text.isprintable():
        raise BackendParameterError(f"{path}={shown(text)} has characters that no header can have")
    return text


def _signature_version(path: str, value: Any) -> str:
    """Return a way to sign requests: botocore takes any text, and fails on the first request."""
    from botocore.auth import AUTH_TYPE_MAPS

    return as_choice(path, value, [*sorted(AUTH_TYPE_MAPS), UNSIGNED])


def _members(path: str, value: Any, *, readers: Mapping[str, Callable[[str, Any], Any]]) -> dict[str, Any]:
    if isinstance(value, str):
        value = _document(path, value)
    if not isinstance(value, Mapping):
        raise BackendParameterError(f"{path} must be a dictionary, not a {type(value).__name__}")
    plain = {key: _plain(member) for key, member in value.items()}
    known = {key: readers[key](f"{path}.{key}", member) for key, member in plain.items() if key in readers}
    return plain | {key: member for key, member in known.items() if plain[key] is not None}


def _proxies(path: str, value: Any) -> dict[str, Any]:
    members = _members(path, value, readers={})
    return {scheme: _text(f"{path}.{scheme}", address) for scheme, address in members.items()}


def _certificate(path: str, value: Any) -> str | list[str]:
    is_pair = isinstance(value, list | tuple) and len(value) == 2 and all(isinstance(item, str) for item in value)
    if not (is_pair or isinstance(value, str)):
        raise BackendParameterError(f"{path} must be the path of a file, or a list of two paths: certificate and key")
    return value if isinstance(value, str) else list(value)


def _try(name: str, options: Mapping[str, Any]) -> None:
    """Let botocore itself check the rest."""
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    try:
        Config(**for_botocore(options))
    except (AttributeError, TypeError, ValueError, BotoCoreError) as error:
        raise BackendParameterError(f"{name} is not accepted by botocore: {error}") from error


_SECONDS = partial(as_bounded, least=_SHORTEST_TIMEOUT, most=LONGEST_WAIT)
_READERS: dict[str, Callable[[str, Any], Any]] = {
    **dict.fromkeys(("connect_timeout", "read_timeout"), _SECONDS),
    **dict.fromkeys(
        (
            "parameter_validation",
            "inject_host_prefix",
            "use_dualstack_endpoint",
            "use_fips_endpoint",
            "ignore_configured_endpoint_urls",
            "tcp_keepalive",
            "disable_request_compression",
            "s3_disable_express_session_auth",
        ),
        as_flag,
    ),
    **dict.fromkeys(
        (
            "defaults_mode",
            "request_checksum_calculation",
            "response_checksum_validation",
            "account_id_endpoint_mode",
        ),
        _text,
    ),
    **dict.fromkeys(("user_agent", "user_agent_extra", "user_agent_appid"), _header),
    "region_name": as_region,
    "signature_version": _signature_version,
    "max_pool_connections": partial(as_whole, least=1),
    "request_min_compression_size_bytes": partial(as_whole, least=0),
    "client_cert": _certificate,
    "proxies": _proxies,
    "proxies_config": partial(
        _members,
        readers={
            "proxy_ca_bundle": _text,
            "proxy_client_cert": _certificate,
            "proxy_use_forwarding_for_https": as_flag,
        },
    ),
    "s3": partial(_members, readers={}),
    "client_context_params": partial(_members, readers={}),
    "retries": partial(
        _members,
        readers={
            "max_attempts": partial(as_whole, least=0),
            "total_max_attempts": partial(as_whole, least=1),
            "mode": _text,
        },
    ),
}
