"""The file itself: whole, private, of one process, refused in words where it cannot be used; and what a kill leaves."""

from __future__ import annotations

import asyncio
import functools
import itertools
import json
import os
import random
import shutil
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from airflow_provider_amplifybackend.local.keeping.keeper import Keeper
from airflow_provider_amplifybackend.local.keeping.state_file import FORMAT, VERSION, StateFileError
from airflow_provider_amplifybackend.local.server import LocalAmplifyBackend
from airflow_provider_amplifybackend.local.service.service import Service
from tests.local.keeping.kept import answer, clients, clients_of
from tests.local.test_cli import refusal, running

GOLDEN = Path(__file__).with_name("state_v1.json")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def filled(state: Path) -> bytes:
    with LocalAmplifyBackend(state=state) as service:
        service.control.seed_app("d", {"name": "dev", "auth": {"people": None}})
    return state.read_bytes()


def start_refused(state: Path) -> str:
    with pytest.raises(StateFileError) as refusal:
        LocalAmplifyBackend(state=state).start()
    return str(refusal.value)


def refused(state: Path) -> str:
    """The refusal, which leaves the file and everything beside it as they were."""
    before = {path.name: path.read_bytes() for path in state.parent.glob("*") if path.is_file()}
    message = start_refused(state)
    assert {path.name: path.read_bytes() for path in state.parent.glob("*") if path.is_file()} == before
    assert str(state) in message
    return message


def lengths(content: bytes) -> Iterator[int]:
    head = content.index(b"\n")
    yield from (0, 1, head - 1, head, head + 1, (head + len(content)) // 2, len(content) - 2)


def test_a_file_that_was_cut_off_is_refused(state: Path) -> None:
    content = filled(state)
    for length in lengths(content):
        state.write_bytes(content[:length])
        assert "damaged" in refused(state)


def test_a_file_of_which_a_byte_is_another_is_refused(state: Path) -> None:
    content = filled(state)
    chance = random.Random(3)
    body = content.index(b"\n") + 1
    for _ in range(20):
        place = chance.randrange(body, len(content) - 1)
        other = bytes([content[place] ^ 1])
        state.write_bytes(content[:place] + other + content[place + 1 :])
        assert "move it away" in refused(state)


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]\n", b"[project]\nname = 'mine'\n", b"\xff\x00", b"[" * 100_000])
def test_another_file_is_refused_and_left_alone(state: Path, content: bytes) -> None:
    state.write_bytes(content)
    assert "no state file of amplifybackend-local" in refused(state)


def test_a_newer_format_is_refused_with_what_to_do(state: Path) -> None:
    head = {"format": FORMAT, "version": VERSION + 1, "written_by": "9.9.9"}
    state.write_text(json.dumps(head) + "\n{}\n")
    message = refused(state)
    assert f"format {VERSION + 1}, written by version 9.9.9" in message
    assert "update the package" in message


def test_a_state_that_these_types_cannot_have_written_is_refused(state: Path) -> None:
    """With a digest that fits: made by hand, or by another version under the same number."""
    import hashlib

    content = filled(state)
    for old, new in (
        (b'"app_id":"d"', b'"app_id":7'),
        (b'"stacks":', b'"stocks":'),
        (b'"known_apps"', b'"other"'),
        (b'"gone_environment":"NotFoundException"', b'"gone_environment":"?"'),
        (b'"#":0,', b'"#":null,'),
        (b'"skew_seconds":0.0', b'"skew_seconds":NaN'),
        (b'"skew_seconds":0.0', b'"skew_seconds":1e300'),
        (b'"ahead":0.0', b'"ahead":1' + b"0" * 400),
    ):
        assert old in content
        body = content.partition(b"\n")[2].replace(old, new).removesuffix(b"\n")
        head = {"format": FORMAT, "version": VERSION, "sha256": hashlib.sha256(body).hexdigest()}
        state.write_bytes(json.dumps(head).encode() + b"\n" + body + b"\n")
        assert "is damaged" in refused(state)


def test_places_where_no_file_can_be_are_refused(tmp_path: Path) -> None:
    assert "is a folder" in refused(tmp_path)
    assert "No such file" in refused(tmp_path / "nowhere" / "state")


def test_a_pipe_is_refused_by_the_command_which_does_not_wait_for_a_writer(state: Path) -> None:
    os.mkfifo(state)
    assert "is a named pipe: give the name of a file" in refusal("--state", str(state))
    assert [path.name for path in state.parent.iterdir()] == ["state"]


def test_a_socket_is_refused(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(state.parent)  # a socket's address is short
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("state")
        assert "is a socket" in refused(state)
    assert [path.name for path in state.parent.iterdir()] == ["state"]


def test_a_device_is_refused_through_a_link_too(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(os.devnull)
    for path in (Path(os.devnull), link):
        assert f"the state file {os.devnull} is a device" in start_refused(path)
    assert not Path(f"{os.devnull}.lock").exists()


def test_it_is_for_its_owner_alone_whatever_the_umask_and_the_file_before_it(state: Path) -> None:
    old = os.umask(0)
    try:
        filled(state)
        assert stat.S_IMODE(state.stat().st_mode) == 0o600
        state.chmod(0o666)
        with LocalAmplifyBackend(state=state):
            assert stat.S_IMODE(state.stat().st_mode) == 0o600
            assert stat.S_IMODE(state.with_name("state.lock").stat().st_mode) == 0o600
    finally:
        os.umask(old)
    assert [path.name for path in state.parent.iterdir()] == ["state"]


def test_what_a_kill_in_the_middle_of_writing_leaves_is_in_nobodys_way(state: Path, tmp_path: Path) -> None:
    content = filled(state)
    state.with_name("state.tmp").write_bytes(content[: len(content) // 2])
    state.with_name("state.lock").write_bytes(b"12345")
    with LocalAmplifyBackend(state=state) as service:
        assert [app["app_id"] for store in service.control.state() for app in store["apps"]] == ["d"]
    precious = tmp_path / "precious"
    precious.write_bytes(b"mine")
    state.with_name("state.tmp").symlink_to(precious)
    filled(state)
    assert precious.read_bytes() == b"mine"


def test_a_link_stays_one(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "elsewhere" / "state")
    filled(link)
    assert link.is_symlink()
    with LocalAmplifyBackend(state=tmp_path / "elsewhere" / "state"):
        assert "in use" in start_refused(link)


def test_one_file_is_of_one_service_at_a_time(state: Path) -> None:
    with running("--state", str(state)) as (process, control):
        control.seed_app("d", "dev")
        for again in (
            refusal("--state", str(state)),
            start_refused(state),
        ):
            assert f"in use by another amplifybackend-local (process {process.pid})" in again
            assert str(state) in again
        control.seed_app("d", "next")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    with LocalAmplifyBackend(state=state) as service:
        assert service.client().get_backend(AppId="d")["BackendEnvironmentList"] == ["dev", "next"]
        # In one process, too.
        assert "in use" in start_refused(state)


def test_a_service_that_cannot_listen_leaves_the_file_to_others(state: Path) -> None:
    with LocalAmplifyBackend() as other:
        port = int(other.endpoint_url.rpartition(":")[2])
        with pytest.raises(OSError, match="in use"):
            LocalAmplifyBackend(port=port, state=state).start()
    filled(state)


def test_with_moto_there_is_none(state: Path) -> None:
    with pytest.raises(ValueError, match="moto keeps what it has in memory only"):
        LocalAmplifyBackend(state=state, with_moto=True)
    assert "mutually exclusive" in refusal("--with-moto", "--state", str(state))


def test_the_command_says_in_words_what_is_wrong(state: Path) -> None:
    state.write_bytes(b"x")
    assert "no state file of amplifybackend-local" in refusal("--state", str(state))


def test_what_cannot_be_written_is_not_answered_as_done(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    with LocalAmplifyBackend(state=folder / "state") as service:
        client = clients(service)["amplifybackend"]
        shutil.rmtree(folder)
        with pytest.raises(ClientError, match=r"cannot be written \(No such file or directory\)") as failure:
            client.create_backend(AppId="d", AppName="a", BackendEnvironmentName="dev")
        assert failure.value.response["Error"]["Code"] == "InternalFailure"
        folder.mkdir()
        client.create_token(AppId="d")
    with LocalAmplifyBackend(state=folder / "state") as service:
        assert service.client().get_backend(AppId="d")["BackendEnvironmentList"] == ["dev"]


def test_a_writing_that_failed_is_tried_again_for_whoever_came_while_it_was_under_way(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    service = Service(apps=["first"])
    keeper = Keeper(folder / "state", service, {})
    keeper.open()

    async def two_at_once() -> tuple[BaseException | None, ...]:
        loop = asyncio.get_running_loop()
        # The first writing, the repair, the next writing: in this order, whatever else the machine does.
        loop.set_default_executor(ThreadPoolExecutor(1))
        service.touch()
        first = asyncio.ensure_future(keeper.keep())
        while keeper._writing is None:
            await asyncio.sleep(0)
        await asyncio.sleep(0)
        repair = loop.run_in_executor(None, folder.mkdir)
        service.known_apps = ("first", "second")
        service.touch()
        return await asyncio.gather(first, keeper.keep(), repair, return_exceptions=True)

    shutil.rmtree(folder)
    outcomes = asyncio.run(two_at_once())
    assert [type(outcome) for outcome in outcomes] == [FileNotFoundError, type(None), type(None)]
    assert "second" in (folder / "state").read_text()


def test_reads_are_answered_without_a_writing(state: Path) -> None:
    with LocalAmplifyBackend(state=state) as service:
        service.control.set_clock(frozen=True)
        service.control.seed_app("d", "dev")
        before = state.stat().st_ino
        client = clients(service)["amplifybackend"]
        client.get_backend(AppId="d")
        service.control.state()
        assert state.stat().st_ino == before
        client.create_token(AppId="d")
        assert state.stat().st_ino != before


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_service_that_is_killed_has_forgotten_nothing_that_it_answered(state: Path, seed: int) -> None:
    chance = random.Random(seed)
    answered: list[str] = []
    with running("--state", str(state), "--job-seconds", "0") as (process, control):
        client = clients_of(control.endpoint_url)["amplifybackend"]
        enough = chance.randrange(1, 150)

        def create(number: int) -> None:
            try:
                client.create_backend(AppId="d", AppName="a", BackendEnvironmentName=f"e{number}")
            except Exception:  # the end of the service, in whatever form
                return
            answered.append(f"e{number}")
            if len(answered) >= enough:
                process.kill()

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(create, range(400)))
        assert process.wait(20) == -signal.SIGKILL
    with LocalAmplifyBackend(state=state) as service:
        kept = set(service.client().get_backend(AppId="d")["BackendEnvironmentList"])
    assert len(answered) >= enough
    assert set(answered) <= kept
    # At most what was under way in each thread, too.
    assert len(kept - set(answered)) <= 4


def test_a_file_of_this_format_from_an_earlier_commit_is_read_and_its_jobs_end(state: Path) -> None:
    """Written by the first version that had state files. A new format takes a new number, and goes on to read this."""
    shutil.copy(GOLDEN, state)
    with LocalAmplifyBackend(state=state) as service:
        assert {job["Status"] for job in service.control.jobs()} == {"COMPLETED", "FAILED", "RUNNING"}
        service.control.advance(3600)
        assert {job["Operation"]: job["Status"] for job in service.control.jobs()} == {
            "CreateBackend": "COMPLETED",
            "CloneBackend": "COMPLETED",
            "UpdateBackendAuth": "COMPLETED",
            "CreateBackendStorage": "FAILED",
            "GenerateBackendAPIModels": "RUNNING",  # stuck, by script
        }
        (store,) = service.control.state()
        (app,) = store["apps"]
        environments = {one["name"]: one for one in app["environments"]}
        assert list(environments) == ["staging", "models", "empty", "copy"]
        assert environments["copy"]["auth"]["people"]["config"]["UserPoolConfigs"]["SignInMethod"] == "EMAIL"
        assert environments["staging"]["auth"]["people"]["config"]["UserPoolConfigs"]["Mfa"]["MFAMode"] == "OPTIONAL"


def test_a_disk_that_is_full_leaves_what_was_written_before(state: Path) -> None:
    """The limit of a file's size stands for it: a writing that breaks off in the middle."""
    limited = [
        sys.executable,
        "-c",
        "import resource, runpy; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000)); "
        "runpy.run_module('airflow_provider_amplifybackend.local', run_name='__main__')",
        *("--state", str(state)),
    ]
    process = subprocess.Popen(limited, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        client = clients_of(process.stdout.readline().strip())["amplifybackend"]
        names = (f"e{number}" for number in range(1000))
        create = functools.partial(answer, client.create_backend, AppId="d", AppName="a")
        answers = ((name, create(BackendEnvironmentName=name)) for name in names)
        answered = [name for name, _ in itertools.takewhile(lambda one: isinstance(one[1], dict), answers)]
        assert 1 < len(answered) < 1000
    finally:
        process.kill()
        _, errors = process.communicate()
    assert "cannot be written (File too large)" in errors
    with LocalAmplifyBackend(state=state) as service:
        assert service.client().get_backend(AppId="d")["BackendEnvironmentList"] == answered


def test_a_child_process_that_was_forked_does_not_keep_the_file(state: Path) -> None:
    script = """
import os, sys, time
from airflow_provider_amplifybackend.local.keeping.state_file import StateFile
file = StateFile(sys.argv[1])
file.open()
child = os.fork()
if not child:
    time.sleep(60)
    os._exit(0)
file.close()
StateFile(sys.argv[1]).open()
print("free")
os.kill(child, 9)
os.waitpid(child, 0)
"""
    assert subprocess.check_output([sys.executable, "-c", script, str(state)], text=True, timeout=60) == "free\n"
