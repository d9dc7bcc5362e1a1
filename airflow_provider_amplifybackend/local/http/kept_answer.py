"""An answer that is sent once the state file has what it says."""

from __future__ import annotations

import logging

from airflow_provider_amplifybackend.local.http.asgi import Message, Send, send_json
from airflow_provider_amplifybackend.local.keeping.keeper import Keeper

_CODE = "InternalFailure"
_log = logging.getLogger(__name__)


class KeptAnswer:
    """The answer to one request; an error instead, where the file cannot be written."""

    def __init__(self, keeper: Keeper, send: Send) -> None:
        self._keeper = keeper
        self._send = send
        self._begun = False
        self._refused = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            failure = await self._keep()
            if failure is not None:
                self._refused = True
                content = {"__type": _CODE, "message": failure, "error": failure}
                await send_json(self._send, 500, content, [(b"x-amzn-errortype", _CODE.encode())])
        if not self._refused:
            await self._send(message)

    async def end(self) -> None:
        """Keep what was changed without an answer, as by a scripted reset."""
        if not self._begun:
            await self._keep()

    async def _keep(self) -> str | None:
        """Bring all changes into the file; return why that cannot be."""
        try:
            await self._keeper.keep()
        except OSError as error:
            failure = f"the state file {self._keeper.path} cannot be written ({error.strerror}): this is in memory only"
            _log.error("amplifybackend-local: %s", failure)
            return failure
        return None
