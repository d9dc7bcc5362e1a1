"""Keeps a service's state in a file: what has changed is written before it is answered.

Requests that change something at the same time share one writing. A request that changes nothing waits for none.
"""

from __future__ import annotations

import asyncio
import copy
import os
from typing import Any

from airflow_provider_amplifybackend.local.keeping.coding import UnreadableError
from airflow_provider_amplifybackend.local.keeping.rehearsal import Answering, rehearse
from airflow_provider_amplifybackend.local.keeping.snapshot import Snapshots, restore
from airflow_provider_amplifybackend.local.keeping.state_file import StateFile, StateFileError
from airflow_provider_amplifybackend.local.service.service import Service


class Keeper:
    """The state file of a service while it runs.

    :param initial_settings: what the service was started with, which wins over what the file says.
    :param answering: makes of a result what a caller gets, for trying out what was read.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        service: Service,
        initial_settings: dict[str, Any],
        answering: Answering = lambda operation, result: None,
    ) -> None:
        self._file = StateFile(path)
        self._service = service
        self._initial_settings = initial_settings
        self._answering = answering
        self._snapshots = Snapshots(service)
        self._kept = -1
        self._writing: asyncio.Future[None] | None = None

    def open(self) -> None:
        """Take the file, let the service know what is in it, and write it: so that one that cannot be is seen now.

        :raises StateFileError: The file cannot be used.
        """
        state = self._file.open()
        try:
            if state is not None:
                self._try_out(copy.deepcopy(state))
                restore(self._service, state, self._initial_settings)
            self._write(durable=True)
        except UnreadableError as failure:
            self._file.close()
            raise self._file.damaged(str(failure)) from None
        except OSError as failure:
            self._file.close()
            raise StateFileError(f"cannot write the state file {self._file.path}: {failure.strerror}") from None

    def _try_out(self, state: Any) -> None:
        service = Service(apps=self._service.known_apps)
        restore(service, state, self._initial_settings)
        rehearse(service, self._answering)

    def close(self) -> None:
        """Write what time has changed since, and leave the file to others.

        :raises StateFileError: It cannot be written; what was written last is still there.
        """
        try:
            self._service.settle()
            self._write(durable=True)
        except OSError as failure:
            raise StateFileError(f"cannot write the state file {self._file.path}: {failure.strerror}") from None
        finally:
            self._file.close()

    async def keep(self) -> None:
        """Wait until everything that has changed by now is in the file.

        :raises OSError: It cannot be written. The next call tries again.
        """
        wanted, under_way = self._service.changes, self._writing
        while self._kept < wanted:
            writing = self._writing
            if writing is None:
                writing = self._writing = asyncio.ensure_future(self._write_beside())
            try:
                # Shared with other requests: one that is cancelled must not end it for all.
                await asyncio.shield(writing)
            except OSError:
                # One that was begun for others, before this call, says nothing of what can be written now.
                if writing is not under_way:
                    raise

    async def _write_beside(self) -> None:
        try:
            changes, state = self._service.changes, self._snapshots.take()
            await asyncio.get_running_loop().run_in_executor(None, self._file.write, state)
            self._kept = changes
        finally:
            self._writing = None

    def _write(self, *, durable: bool) -> None:
        changes, state = self._service.changes, self._snapshots.take()
        self._file.write(state, durable=durable)
        self._kept = changes

    @property
    def path(self) -> str:
        return str(self._file.path)
