"""The AWS SDK for JavaScript, which nobody here wrote: `make test-js` installs it and runs this."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from tests.samples import APP

HERE = Path(__file__).parent / "js"

pytestmark = [
    pytest.mark.js,
    pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed"),
    pytest.mark.skipif(
        not (HERE / "node_modules").exists(), reason="the JavaScript SDK is not installed: make test-js"
    ),
]


def test_the_life_of_an_environment_and_each_modelled_error(backend: LocalAmplifyBackend) -> None:
    done = subprocess.run(
        ["node", "life.mjs", backend.endpoint_url, APP],
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)

    life = seen["life"]
    assert (life["clone"], life["auth"], life["delete"]) == ("COMPLETED",) * 3
    assert life["config"]["UserPoolConfigs"]["UserPoolName"] == "people"
    assert set(life["meta"]["auth"]) == {"main", "more"}
    assert set(life["operations"]) == {"CloneBackend", "CreateBackendAuth"}
    assert life["left"] == ["staging"]

    errors = seen["errors"]
    assert all(error["typed"] and error["message"] for error in errors.values()), errors
    assert {name: error["status"] for name, error in errors.items()} == {
        "BadRequestException": 400,
        "NotFoundException": 404,
        "TooManyRequestsException": 429,
        "GatewayTimeoutException": 504,
    }
    assert errors["NotFoundException"]["resourceType"] == "App"
    assert errors["TooManyRequestsException"]["limitType"]
