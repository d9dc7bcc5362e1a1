"""The control: submit, then wait, with boto3 as it is, which is how the amazon provider's operators do it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore import xform_name

from tests.faults.chaos import Chaos, sleep


class NaiveOperator:
    """Starts a job of any operation and waits for it; each try starts from nothing."""

    def __init__(self, operation: str, request: Mapping[str, Any], client: Any) -> None:
        self.operation = operation
        self.request = request
        self.client = client

    def execute(self, context: Any, **_: Any) -> dict[str, Any]:
        Chaos.current().at("before start")
        answer = getattr(self.client, xform_name(self.operation))(**self.request)
        Chaos.current().at("after start")
        environment = answer.get("BackendEnvironmentName") or self.request["BackendEnvironmentName"]
        names = {"AppId": self.request["AppId"], "BackendEnvironmentName": environment, "JobId": answer["JobId"]}
        for _try in range(200):
            job: dict[str, Any] = self.client.get_backend_job(**names)
            if job.get("Status") == "COMPLETED":
                return {"JobId": answer["JobId"], "Status": "COMPLETED", "outcome": "started"}
            if job.get("Status") == "FAILED":
                raise RuntimeError(f"The job failed: {job.get('Error')}")
            sleep(0.1)
        raise RuntimeError("The job did not end")
