"""Settings of TLS, read before a client is made.

botocore and aiobotocore read them differently and late: what fails at the first request in one is ignored by the other
until a connection needs it, and both report it like a network that is down.
"""

from __future__ import annotations

import ssl
from typing import Any

from botocore.config import Config

from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.reading import as_verify, shown


def read_verify(value: Any, origin: str = "") -> bool | str | None:
    """Return whether to verify certificates, or the path of a CA bundle; None leaves it to boto3.

    :param value: The setting, which may be text in the extra of a connection or a rendered template.
    :param origin: Where it comes from, for the error.
    :raises BackendParameterError: It is neither, or the CA bundle cannot be read.
    """
    read = as_verify(value)
    if isinstance(read, bool) or read is None:
        return read
    if not isinstance(read, str):
        raise BackendParameterError(f"verify={shown(value)}{origin} must be true, false or the path of a CA bundle")
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cafile=read)
    except (OSError, ValueError) as error:
        raise BackendParameterError(
            f"verify={shown(value)}{origin} cannot be read as a CA bundle ({error}). Put the file there on every "
            "worker and triggerer, or set verify to true or false."
        ) from error
    return read


def read_client_cert(config: Config, origin: str = "") -> Config:
    """Return a configuration whose client certificate, if there is one, can be used.

    :raises BackendParameterError: It cannot be read.
    """
    value = getattr(config, "client_cert", None)
    if value is None:
        return config
    files = (value,) if isinstance(value, str) else tuple(value) if isinstance(value, (list, tuple)) else ()
    if len(files) not in (1, 2) or not all(isinstance(file, str) for file in files):
        raise BackendParameterError(
            f"client_cert={_files_shown(value)}{origin} must be the path of a certificate with its key, or a pair of "
            "their paths"
        )
    try:
        # With a passphrase, because OpenSSL would ask for one on the terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(files[0], files[-1], password="")
    except (OSError, ValueError) as error:
        raise BackendParameterError(
            f"client_cert={_files_shown(value)}{origin} cannot be read as a certificate and an unencrypted key "
            f"({error}). Put the files there on every worker and triggerer."
        ) from error
    # A list, as JSON has it, is ignored by both libraries.
    return config.merge(Config(client_cert=files if len(files) == 2 else files[0]))


def _files_shown(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(shown, value))}]"
    return shown(value)
