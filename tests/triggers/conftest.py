from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from botocore import handlers

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.triggers import _poller as poller

Run = Callable[[Coroutine[Any, Any, Any]], Any]


@pytest.fixture(autouse=True)
def _no_delays(pace: Callable[..., None]) -> None:
    """Without the delays that real triggerers and services need."""
    pace(earliest_event=0.0, first_check=0.05, client_pause=0.1, tick=0.02)


@pytest.fixture(autouse=True, params=["lean", "slow"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Both ways of a status check: with a request of our own, and through aiobotocore.

    moto, which other tests import, puts a handler of its own before every request of the process from then on; and
    somebody else's handler takes all requests the slow way.
    """
    ours = [entry for entry in handlers.BUILTIN_HANDLERS if "moto" not in type(entry[1]).__module__]
    monkeypatch.setattr(handlers, "BUILTIN_HANDLERS", ours)
    monkeypatch.setenv("AIRFLOW__AMPLIFYBACKEND__LEAN_STATUS_CHECKS", str(request.param == "lean"))
    way: str = request.param
    return way


@pytest.fixture
def run(service: LocalAmplifyBackend) -> Run:
    """Runs a coroutine as a triggerer would, and checks that nothing of it is left afterwards."""

    async def watched(coroutine: Coroutine[Any, Any, Any], complaints: list[Any]) -> Any:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context["message"]))
        result = await coroutine
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert not left, f"still running: {left}"
        return result

    def run_it(coroutine: Coroutine[Any, Any, Any]) -> Any:
        complaints: list[Any] = []
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ResourceWarning)
            result = asyncio.run(watched(coroutine, complaints))
            gc.collect()
        unclosed = [str(warning.message) for warning in caught if "nclosed client" in str(warning.message)]
        unclosed += [str(warning.message) for warning in caught if "nclosed connector" in str(warning.message)]
        assert not complaints + unclosed
        assert not any(poller._pollers.values())
        return result

    return run_it
