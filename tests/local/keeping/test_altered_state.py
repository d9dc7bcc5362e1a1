"""A state that was altered, with a digest that fits: it is refused at the start, or nothing fails later."""

from __future__ import annotations

import contextlib
import copy
import hashlib
import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_amplifybackend.local.keeping.state_file import FORMAT, VERSION, StateFileError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.local.keeping.kept import clients, everything, stand_still

ODD: list[Any] = [None, True, -1, 0, 1e300, 1e15, "?", [], ["?"], [[]], {}, {"?": "?"}, {"?": {}}]
Place = tuple[Any, ...]


def written() -> Any:
    """A state with something of everything."""
    with tempfile.TemporaryDirectory() as folder:
        state = Path(folder) / "state"
        with LocalAmplifyBackend(state=state, job_seconds=100) as service:
            stand_still(service, 1)
            service.control.seed_app(
                "d",
                {"name": "staging", "auth": {"people": None}, "api": {"graph": None}, "storage": {"files": None}},
                {"name": "empty", "locked": True},
                variables={"A": "b"},
                tags={"a": "b"},
                branches=[{"name": "main", "jobs": [{}, {"status": "RUNNING", "seconds": 5}]}],
                jobs=[{"environment": "staging", "status": "FAILED", "error": "why"}],
                config={"BackendManagerAppId": "m"},
            )
            service.control.seed(stacks=["held"], buckets=["mine"])
            backend = clients(service)["amplifybackend"]
            backend.create_token(AppId="d")
            backend.clone_backend(AppId="d", BackendEnvironmentName="staging", TargetEnvironmentName="copy")
            names = {"AppId": "d", "BackendEnvironmentName": "empty"}
            backend.create_backend_storage(
                **names,
                ResourceName="more",
                ResourceConfig={"ServiceName": "S3", "Permissions": {"Authenticated": ["READ"]}},
            )
        return json.loads(state.read_bytes().partition(b"\n")[2])


STATE = written()


def places(value: Any, way: Place = ()) -> Iterator[Place]:
    if way:
        yield way
    for key, one in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(one, (*way, key))


def altered(place: Place, other: Any, *, remove: bool) -> Any:
    state = copy.deepcopy(STATE)
    holder = state
    for key in place[:-1]:
        holder = holder[key]
    if remove:
        del holder[place[-1]]
    else:
        holder[place[-1]] = other
    return state


@contextlib.contextmanager
def started(state: Any) -> Iterator[LocalAmplifyBackend | str]:
    """A service with this state, or why there is none."""
    body = json.dumps(state).encode()
    head = {"format": FORMAT, "version": VERSION, "sha256": hashlib.sha256(body).hexdigest()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "state"
        path.write_bytes(json.dumps(head).encode() + b"\n" + body + b"\n")
        service = LocalAmplifyBackend(state=path)
        try:
            service.start()
        except StateFileError as refusal:
            yield str(refusal)
            return
        try:
            yield service
        finally:
            service.stop()


def failures(service: LocalAmplifyBackend) -> list[Any]:
    """What is answered with a 500: the control interface raises then, the services' clients say so."""
    tokens = [token for store in service.control.state() for app in store["apps"] for token in app["tokens"]]
    return [
        (name, answer)
        for name, answer in everything(service, tokens).items()
        if isinstance(answer, tuple) and answer[0] in ("500", "InternalFailure", "InternalServerError")
    ]


@pytest.mark.parametrize(
    ("place", "other"),
    [
        (("stores", 0, "basis", "apps", 0, "environments", "staging", "provider"), {}),
        (("stores", 0, "basis", "apps", 0, "environments", "staging", "auth", "people", "config"), []),
        (("stores", 0, "basis", "apps", 0, "environments", "staging", "storage", "files", "outputs"), {}),
        (("stores", 0, "basis", "apps", 0, "hosting", "settings"), {"environmentVariables": 5}),
        (("stores", 0, "basis", "apps", 0, "hosting", "branches", "main", "updated"), 1e15),
        (("stores", 0, "stacks", 0, "created"), 1e15),
        (("rest", "clock", "now"), -1e15),
    ],
)
def test_values_that_the_service_would_not_have_stored_are_refused(place: Place, other: Any) -> None:
    with started(altered(place, other, remove=False)) as refusal:
        assert isinstance(refusal, str)
    assert "is damaged: " in refusal
    assert "Restore a copy of it, or move it away" in refusal


@settings(max_examples=80, deadline=None, derandomize=True, database=None)
@given(place=st.sampled_from(list(places(STATE))), other=st.sampled_from(ODD), remove=st.booleans())
def test_what_starts_answers_every_read_now_and_after_its_jobs(place: Place, other: Any, remove: bool) -> None:
    with started(altered(place, other, remove=remove)) as service:
        if isinstance(service, str):
            assert "is damaged: " in service
            return
        assert failures(service) == []
        service.control.set_clock(frozen=True)
        service.control.advance(3600)
        assert failures(service) == []
