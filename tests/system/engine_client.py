"""The part of Airflow's REST API that tests need, patient with a server that is busy or being restarted."""

from __future__ import annotations

import time
import uuid
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import quote

import httpx

from tests.system.engine_processes import EngineError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence
    from datetime import datetime

T = TypeVar("T")

ENDED = ("success", "failed")
_PAGE = 100


class ApiError(EngineError):
    """An answer that asking again would not change."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        request = response.request
        super().__init__(f"{request.method} {request.url}: {response.status_code} {response.text[:2000]}")


class WaitTimeoutError(EngineError):
    """What was waited for did not come."""


def wait_until(look: Callable[[], T | None], timeout: float, what: Callable[[], str] | str, every: float = 0.25) -> T:
    """The first true value that `look` returns."""
    deadline = time.monotonic() + timeout
    while True:
        if found := look():
            return found
        if time.monotonic() > deadline:
            raise WaitTimeoutError(f"after {timeout:g} s still no {what if isinstance(what, str) else what()}")
        time.sleep(every)


class AirflowClient:
    """Runs, task instances and what they leave behind, over REST."""

    def __init__(self, api_url: str, patience: float = 60, login: tuple[str, str] | None = None) -> None:
        self.api_url = api_url
        # The user and the password, where not everybody is an administrator.
        self.login = login
        self._patience = patience
        # Not the environment's proxies: the server is on this machine.
        self._http = httpx.Client(base_url=api_url, timeout=30, trust_env=False)

    def close(self) -> None:
        self._http.close()

    def call(
        self,
        method: str,
        path: str,
        *,
        params: dict[str, Any] | None = None,
        body: Any = None,
        again: bool | None = None,
        patience: float | None = None,
    ) -> Any:
        """One request below /api/v2. `again`: whether it may be repeated after it may have taken effect."""
        again = method == "GET" if again is None else again
        deadline = time.monotonic() + (self._patience if patience is None else patience)
        while True:
            try:
                response = self._send(method, path, params, body)
                if response.is_success:
                    return response.json() if response.content else None
                if not (response.status_code in (401, 429) or (again and response.status_code >= 500)):
                    raise ApiError(response)
                if response.status_code == 401:
                    self._http.headers.pop("Authorization", None)
                problem: Exception = ApiError(response)
            except httpx.TransportError as error:
                if not again and not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout):
                    raise EngineError(f"{method} {path}: {error!r}") from error
                problem = error
            if time.monotonic() > deadline:
                raise EngineError(f"{method} {path}: {problem!r}") from problem
            time.sleep(0.3)

    def _send(self, method: str, path: str, params: dict[str, Any] | None, body: Any) -> httpx.Response:
        if "Authorization" not in self._http.headers:
            answer = self._log_in()
            if not answer.is_success:
                return answer
            self._http.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"
        return self._http.request(method, f"/api/v2{path}", params=params, json=body)

    def _log_in(self) -> httpx.Response:
        if self.login is None:
            return self._http.get("/auth/token")
        username, password = self.login
        return self._http.post("/auth/token", json={"username": username, "password": password})

    def trigger(
        self,
        dag_id: str,
        conf: dict[str, Any] | None = None,
        run_id: str | None = None,
        logical_date: datetime | None = None,
    ) -> str:
        """Start a DAG run and return its id."""
        run_id = run_id or f"test-{uuid.uuid4().hex[:12]}"
        date = logical_date.isoformat() if logical_date else None
        body = {"dag_run_id": run_id, "logical_date": date, "conf": conf or {}}
        try:
            # The id is ours, so a request that is sent twice finds the first one's run.
            self.call("POST", f"/dags/{_q(dag_id)}/dagRuns", body=body, again=True)
        except ApiError as error:
            if error.status != 409:
                raise
        return run_id

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.call("GET", _run(dag_id, run_id))
        return answer

    def wait_run(
        self,
        dag_id: str,
        run_id: str,
        timeout: float = 120,
        states: Collection[str] = ENDED,
        every: float = 0.5,
    ) -> str:
        """The run's state once it is one of `states`."""

        def look() -> str | None:
            state = self.run(dag_id, run_id)["state"]
            return state if state in states else None

        return wait_until(look, timeout, lambda: f"{'/'.join(states)}: {self.story(dag_id, run_id)}", every)

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Every task instance, mapped ones too."""
        return list(self._pages(f"{_run(dag_id, run_id)}/taskInstances", "task_instances", order_by="id"))

    def task(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        path = _task(dag_id, run_id, task_id)
        answer: dict[str, Any] = self.call("GET", path if map_index < 0 else f"{path}/{map_index}")
        return answer

    def wait_task(
        self,
        dag_id: str,
        run_id: str,
        task_id: str,
        states: Collection[str],
        timeout: float = 60,
        map_index: int = -1,
        every: float = 0.25,
    ) -> dict[str, Any]:
        """The task instance once its state is one of `states`."""

        def look() -> dict[str, Any] | None:
            task = self.task(dag_id, run_id, task_id, map_index)
            return task if task["state"] in states else None

        what = f"{task_id}[{map_index}] {'/'.join(states)}"
        return wait_until(look, timeout, lambda: f"{what}: {self.story(dag_id, run_id)}", every)

    def tries(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> list[dict[str, Any]]:
        path = _task(dag_id, run_id, task_id)
        path = path if map_index < 0 else f"{path}/{map_index}"
        answer: list[dict[str, Any]] = self.call("GET", f"{path}/tries")["task_instances"]
        return answer

    def story(self, dag_id: str, run_id: str) -> str:
        """Where a run is, in one line, for messages."""
        tasks = [
            f"{task['task_id']}[{task['map_index']}] {task['state']} try {task['try_number']}"
            for task in self.tasks(dag_id, run_id)
        ]
        return f"{dag_id} {run_id} is {self.run(dag_id, run_id)['state']} ({', '.join(tasks)})"

    def xcom(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        path = f"{_task(dag_id, run_id, task_id)}/xcomEntries/{_q(key)}"
        return self.call("GET", path, params={"map_index": map_index, "stringify": False})["value"]

    def logs(
        self, dag_id: str, run_id: str, task_id: str, try_number: int = 1, map_index: int = -1
    ) -> list[dict[str, Any]]:
        """The structured lines of one try, from worker and triggerer; `event` is the message."""
        path = f"{_task(dag_id, run_id, task_id)}/logs/{try_number}"
        params = {"map_index": map_index, "full_content": True}
        content = self.call("GET", path, params=params)["content"]
        return [line if isinstance(line, dict) else {"event": line} for line in content]

    def links(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, str | None]:
        path = f"{_task(dag_id, run_id, task_id)}/links"
        answer: dict[str, str | None] = self.call("GET", path, params={"map_index": map_index})["extra_links"]
        return answer

    def state_store(self, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> dict[str, Any]:
        path = f"{_task(dag_id, run_id, task_id)}/state-store"
        rows = self._pages(path, "task_state_store", map_index=map_index)
        return {row["key"]: row["value"] for row in rows}

    def clear(
        self,
        dag_id: str,
        run_id: str,
        task_ids: Sequence[str | tuple[str, int]] | None = None,
        *,
        only_failed: bool = False,
        **options: Any,
    ) -> list[dict[str, Any]]:
        """Clear tasks of a run (all of them by default); `options` are members of the API's request."""
        body = {"dry_run": False, "dag_run_id": run_id, "only_failed": only_failed, **options}
        if task_ids:
            body["task_ids"] = list(task_ids)
        answer: list[dict[str, Any]] = self.call("POST", f"/dags/{_q(dag_id)}/clearTaskInstances", body=body)[
            "task_instances"
        ]
        return answer

    def set_state(self, dag_id: str, run_id: str, task_id: str, state: str, map_index: int = -1) -> None:
        """Mark a task instance as success, failed or skipped."""
        path = _task(dag_id, run_id, task_id)
        path = path if map_index < 0 else f"{path}/{map_index}"
        self.call("PATCH", path, body={"new_state": state}, again=True)

    def set_run_state(self, dag_id: str, run_id: str, state: str) -> None:
        self.call("PATCH", _run(dag_id, run_id), body={"state": state}, again=True)

    def health(self) -> dict[str, dict[str, Any]]:
        """Fails at once, unlike the rest, where the API server is not there."""
        answer: dict[str, dict[str, Any]] = self.call("GET", "/monitor/health", patience=0)
        return answer

    def has_dag(self, dag_id: str) -> bool:
        try:
            self.call("GET", f"/dags/{_q(dag_id)}")
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    def import_errors(self) -> list[str]:
        rows = self._pages("/importErrors", "import_errors")
        return [f"{row['filename']}: {row['stack_trace']}" for row in rows]

    def living_jobs(self, job_type: str) -> int:
        params = {"job_type": job_type, "is_alive": True, "job_state": "running"}
        return int(self.call("GET", "/jobs", params=params)["total_entries"])

    def _pages(self, path: str, key: str, **params: Any) -> Iterator[dict[str, Any]]:
        offset = 0
        while True:
            page = self.call("GET", path, params={"limit": _PAGE, "offset": offset, **params})
            yield from page[key]
            offset += len(page[key])
            if not page[key] or offset >= page["total_entries"]:
                return


def _q(part: str) -> str:
    return quote(part, safe="")


def _run(dag_id: str, run_id: str) -> str:
    return f"/dags/{_q(dag_id)}/dagRuns/{_q(run_id)}"


def _task(dag_id: str, run_id: str, task_id: str) -> str:
    return f"{_run(dag_id, run_id)}/taskInstances/{_q(task_id)}"
