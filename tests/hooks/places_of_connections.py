"""A place of connections that a test can close, and a program that deletes with a connection that it may have.

It is a program because Airflow keeps the places that it has found for as long as the process lives.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

# The base class has another home in each Airflow.
try:
    from airflow.sdk.bases.secrets_backend import BaseSecretsBackend
except ImportError:
    from airflow.secrets import BaseSecretsBackend  # type: ignore[assignment]

FILE = "PLACE_OF_CONNECTIONS"
THROTTLED, EMPTY = "throttled", "empty"


class Place(BaseSecretsBackend):
    """What a file says: a connection, that there is none, or that there are too many who ask."""

    def get_conn_value(self, conn_id: str, *_: Any, **__: Any) -> str | None:
        file = Path(os.environ[FILE])
        content = file.read_text(encoding="utf-8")
        with file.with_suffix(".asked").open("a", encoding="utf-8") as asked:
            asked.write(f"{conn_id}\n")
        if content == THROTTLED:
            raise RuntimeError("ThrottlingException: password=hush-hush")
        return None if content == EMPTY else content


def main(app_id: str, *contents: str) -> None:
    """Delete an environment for each of these contents of the place, with one hook, and print what became of it."""
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

    hook = AmplifyBackendHook()
    for number, content in enumerate(contents):
        Path(os.environ[FILE]).write_text(content, encoding="utf-8")
        try:
            hook.call("DeleteBackend", {"AppId": app_id, "BackendEnvironmentName": f"env{number}"})
        except Exception as error:  # the test judges
            print(f"{type(error).__name__}: {error}")
        else:
            print("deleted")


if __name__ == "__main__":
    main(*sys.argv[1:])
