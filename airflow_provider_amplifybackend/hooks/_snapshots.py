"""Taking and loading snapshots: the reads of an environment, the key of its digests, and the file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_amplifybackend._compat import conf
from airflow_provider_amplifybackend._masking import mask_texts
from airflow_provider_amplifybackend.exceptions import BackendRequestError
from airflow_provider_amplifybackend.fleet.snapshot import (
    SHORTEST_KEY,
    Key,
    SnapshotError,
    Subject,
    parsed,
    read_snapshot,
)
from airflow_provider_amplifybackend.guard.conditions import utc_now
from airflow_provider_amplifybackend.hooks._records import StorageError, StoredFile
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

KEY_OPTION = ("amplifybackend", "snapshot_key")


class KeyProblemError(Exception):
    """A key that cannot be used; the text never has it."""


class SnapshotUnreadableError(Exception):
    """A snapshot that cannot be loaded; the text says which, and why."""


def find_key(conn_id: str | None) -> Key | None:
    """Return the key of digests: the password of a connection, or the deployment's; None if there is none.

    :raises KeyProblemError: It is too short to keep a secret, or the connection has none.
    """
    if conn_id is None:
        name, text = "[amplifybackend] snapshot_key", conf.get(*KEY_OPTION, fallback="") or ""
        if not text:
            return None
    else:
        name = f"the password of the connection {conn_id!r}"
        text = AmplifyBackendHook.get_connection(conn_id).password or ""
    mask_texts([text])
    if len(text) < SHORTEST_KEY:
        raise KeyProblemError(f"{name} is no key for digests of secrets: it needs at least {SHORTEST_KEY} characters")
    return Key(name, text.encode())


def take(hook: AmplifyBackendHook, app_id: str, environment: str, now: float, key: Key | None) -> dict[str, Any]:
    """Return a snapshot of an environment.

    :raises BackendRequestError: There is no such environment.
    """
    subject = Subject(app_id, environment, hook.conn_region_name or "")
    snapshot = hook.guard.read(read_snapshot(subject, utc_now(now), key))
    if snapshot is None:
        raise BackendRequestError(f"GetBackend: there is no environment {environment} in app {app_id}")
    return snapshot


def load(path: Any, *, aws_conn_id: str | None) -> Mapping[str, Any]:
    """Return the snapshot that a file has.

    :raises SnapshotUnreadableError: There is no such file, or it has none.
    """
    file = StoredFile.at(path, aws_conn_id=aws_conn_id)
    try:
        content = file.read_bytes()
        if content is None:
            raise SnapshotUnreadableError(f"there is no snapshot {file}")
        return parsed(content)
    except (StorageError, SnapshotError) as error:
        raise SnapshotUnreadableError(f"{file} cannot be read: {error}") from error
