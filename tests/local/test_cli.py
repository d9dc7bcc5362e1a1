"""`amplifybackend-local` as a process."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from airflow_provider_amplifybackend import __version__
from airflow_provider_amplifybackend.local import command
from airflow_provider_amplifybackend.local.control import LocalControl
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend

COMMAND = [sys.executable, "-m", "airflow_provider_amplifybackend.local"]


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], LocalControl]]:
    process = subprocess.Popen([*COMMAND, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, LocalControl(process.stdout.readline().strip())
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_prints_its_endpoint_and_ends_cleanly(number: signal.Signals) -> None:
    with running("--port", "0") as (process, control):
        assert control.endpoint_url.startswith("http://127.0.0.1:")
        assert control.health()["status"] == "ok"
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
        assert (process.returncode, output, errors) == (0, "", "")


def test_it_says_its_version() -> None:
    done = subprocess.run([*COMMAND, "--version"], capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (0, f"amplifybackend-local {__version__}\n")


def test_options_reach_the_service() -> None:
    options = ("--job-seconds", "7", "--job-seconds", "CloneBackend=9", "--strict-apps", "--app", "dmine")
    with running(*options) as (_, control):
        seconds = control.settings()["job_seconds"]
        assert (seconds["CloneBackend"], seconds["DeleteBackend"]) == (9, 7)


def test_more_hosts_can_be_allowed_and_the_refusal_names_the_option() -> None:
    with running("--allow-host", "amplify", "--allow-host", "*.shop.example") as (_, control):
        for host in ("amplify", "AMPLIFY:4577", "one.shop.example", "localhost"):
            assert health(control, host) == 200
        with pytest.raises(urllib.error.HTTPError, match="403") as foreign:
            health(control, "evil.example")
        assert "--allow-host NAME" in foreign.value.read().decode()


def test_a_command_runs_against_all_three_services_and_its_status_is_ours() -> None:
    script = (
        "import os, sys, boto3\n"
        "options = dict(region_name='us-east-1', aws_access_key_id='x', aws_secret_access_key='y')\n"
        "client = lambda name: boto3.client(name, **options)\n"
        "client('amplifybackend').create_backend(AppId='d1', AppName='a', BackendEnvironmentName='dev')\n"
        "stacks = client('cloudformation').describe_stacks()['Stacks']\n"
        "print(client('amplify').get_app(appId='d1')['app']['name'], stacks[0]['StackName'])\n"
        "sys.exit(7)"
    )
    arguments = ("--job-seconds", "0", "--", sys.executable, "-c", script)
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 7, done.stderr
    assert done.stdout.startswith("a amplify-a-dev-")


def test_a_command_that_is_not_there_is_said_plainly() -> None:
    assert "cannot run no-such-command" in refusal("--", "no-such-command")


def test_a_command_ends_with_the_service() -> None:
    waits = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3)); "
        "print('up', flush=True); time.sleep(60)"
    )
    with running_command(waits) as process:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
        assert process.returncode == 3


# Cleans up for a moment when it is interrupted; another signal meanwhile would end it.
CLEANS_UP = """
import os, sys, time
try:
    print("up", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)
    print("clean", flush=True)
    sys.exit(5)
"""


@contextmanager
def running_command(script: str) -> Iterator[subprocess.Popen[str]]:
    """A command that is up, in a process group of its own together with the service."""
    process = subprocess.Popen(
        [*COMMAND, "--", sys.executable, "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_ctrl_c_lets_a_command_clean_up_and_its_status_is_ours() -> None:
    terminal = "import os, pty, sys; sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))"
    process = subprocess.Popen(
        [sys.executable, "-c", terminal, *COMMAND, "--", sys.executable, "-c", CLEANS_UP],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "up\n"
        output, errors = process.communicate("\x03", timeout=30)
        assert (process.returncode, output.removeprefix("^C"), errors) == (5, "clean\n", "")
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("send", [os.killpg, os.kill], ids=["whole group", "service alone"])
def test_a_command_hears_an_interrupt_once_whoever_else_gets_it(send: Callable[[int, int], None]) -> None:
    with running_command(CLEANS_UP) as process:
        send(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=30)
        assert (process.returncode, output, errors) == (5, "clean\n", "")


def test_a_command_in_a_group_of_its_own_hears_an_interrupt_of_ours() -> None:
    with running_command(f"import os; os.setsid(){CLEANS_UP}") as process:
        os.killpg(process.pid, signal.SIGINT)
        output, errors = process.communicate(timeout=30)
        assert (process.returncode, output, errors) == (5, "clean\n", "")


@pytest.mark.parametrize("second", [signal.SIGINT, signal.SIGTERM])
def test_a_command_that_goes_on_when_it_is_interrupted_is_terminated_by_the_next_signal(
    second: signal.Signals,
) -> None:
    goes_on = (
        "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))\n"
        "signal.signal(signal.SIGINT, lambda *_: print('heard', flush=True))\n"
        "print('up', flush=True); time.sleep(60)"
    )
    with running_command(goes_on) as process:
        assert process.stdout is not None
        process.send_signal(signal.SIGINT)
        assert process.stdout.readline() == "heard\n"
        process.send_signal(second)
        process.communicate(timeout=30)
        assert process.returncode == 3


def test_a_command_is_not_run_once_the_start_of_the_service_has_been_interrupted() -> None:
    signals = command.Signals()
    signals.put(signal.SIGINT)
    assert command.run(["no-such-command"], {}, signals) == 128 + signal.SIGINT


def health(control: LocalControl, host: str) -> int:
    request = urllib.request.Request(f"{control.endpoint_url}/_amplifybackend/health", headers={"Host": host})
    with urllib.request.urlopen(request, timeout=10) as answer:
        status: int = answer.status
        return status


def refusal(*arguments: str) -> str:
    done = subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_wrong_options_are_refused_in_words() -> None:
    assert "'soon' is not a number" in refusal("--job-seconds", "soon")
    assert "no job operation is called GetBackend" in refusal("--job-seconds", "GetBackend=1")
    assert "must be a number" in refusal("--job-seconds", "nan")
    assert "is not a host" in refusal("--allow-host", "http://amplify:80")


@pytest.mark.parametrize("port", ["99999", "65536", "-1"])
def test_a_port_that_cannot_be_is_refused_in_words(port: str) -> None:
    assert refusal("--port", port) == f"port must be a whole number from 0 to 65535, not {port}\n"


@pytest.mark.parametrize("port", [99_999, -1, True, "80", None, 8080.0])
def test_a_port_that_cannot_be_is_refused_before_anything_listens(port: Any) -> None:
    with pytest.raises(ValueError, match="port must be a whole number from 0 to 65535"):
        LocalAmplifyBackend(port=port)


@pytest.mark.parametrize("host", ["", " ", "\t\n"])
def test_an_empty_host_does_not_listen_on_all_interfaces(host: str) -> None:
    with pytest.raises(ValueError, match=r"host must be an address to listen on, not '.*0\.0\.0\.0 for all"):
        LocalAmplifyBackend(host=host)
    assert "host must be an address to listen on" in refusal("--host", host)


def test_a_host_that_is_no_text_is_refused() -> None:
    nothing: Any = None
    with pytest.raises(ValueError, match="host must be a string, not None"):
        LocalAmplifyBackend(host=nothing)


def test_a_host_that_no_system_can_look_up_is_refused_in_words() -> None:
    assert "is not a host" in refusal("--host", "a" * 64)
    assert "cannot listen on" in refusal("--host", "no-such-host.invalid")


def test_a_port_in_use_is_said_plainly() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        assert f"cannot listen on 127.0.0.1 port {port}" in refusal("--port", port)


def test_without_its_extra_it_names_it() -> None:
    script = (
        "import sys; sys.modules['uvicorn'] = None\n"
        "from airflow_provider_amplifybackend.local.cli import main; main(['--port', '0'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert 'pip install "airflow-provider-amplifybackend[local]"' in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("address", ["http://shop:hush@127.0.0.1", "shop:hu/sh@127.0.0.1", "hush@127.0.0.1"])
def test_what_it_prints_has_no_password_of_an_address(address: str) -> None:
    for option in ("--host", "--allow-host"):
        printed = refusal(option, address)
        assert "hush" not in printed
        assert "hu/sh" not in printed
        assert "127.0.0.1" in printed


def test_resets_are_real_with_plain_uvicorn_too() -> None:
    """The `local` extra brings neither httptools nor uvloop; where they are installed, all other tests use them."""
    script = """
import sys
sys.modules["httptools"] = sys.modules["uvloop"] = None
import urllib.request
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
with LocalAmplifyBackend() as service:
    service.control.add_fault(kind="reset_before", times=1)
    try:
        urllib.request.urlopen(service.endpoint_url + "/backend/d1/job/dev/1")
    except ConnectionResetError:
        print("reset")
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
    assert (done.stdout, done.stderr) == ("reset\n", "")
