"""The short form of the hunt for secrets, and the rules by which it searches and judges."""

from __future__ import annotations

import base64
import gzip
import html
import json
import pickle
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from cryptography.fernet import Fernet

from airflow_provider_amplifybackend.core.secrets import MASKED_MEMBERS
from airflow_provider_amplifybackend.parameters.service_model import service_model
from tests.system import secret_hunt
from tests.system.secret_forms import Search, core, new_mark
from tests.system.secret_hunt import NAME, SINKS, Judge, Report
from tests.system.secret_not_covered import NOT_COVERED, excuse
from tests.system.secret_plants import CONTROL, PLANTS, SESSIONS, Planted
from tests.system.secret_sinks import Piece, by_origin, unpacked


@pytest.mark.system
def test_nothing_that_was_planted_is_found_and_the_control_is_in_every_sink(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = secret_hunt.main(["--short", "--folder", str(tmp_path)])
    printed = capsys.readouterr().out
    print(printed)
    assert printed.splitlines()[-1] == (
        f"planted {len(PLANTS) + len(SESSIONS)} · sinks {len(SINKS)} · found 0 · "
        f"control found {len(SINKS)} of {len(SINKS)}"
    )
    assert code == 0


MARK = new_mark()
CORES = {f"plant{number}": core(MARK, number) for number in range(90)}
SECRET = CORES["plant73"]
SIGNS = f"""{SECRET}'<&>"\\ü{SECRET}"""
WRITTEN: dict[str, Callable[[str], str | bytes]] = {
    "as it is": str,
    "in a longer text": lambda text: f"it was {text}, and more",
    "JSON": json.dumps,
    "JSON within JSON": lambda text: json.dumps(json.dumps({"member": text})),
    "repr": repr,
    "repr of bytes": lambda text: repr(text.encode()),
    "URL": lambda text: quote(text, safe=""),
    "HTML": html.escape,
    "UTF-16": lambda text: text.encode("utf-16-le"),
    "UTF-16 of another machine": lambda text: text.encode("utf-16-be"),
    "hexadecimal": lambda text: text.encode().hex(),
    "base64": lambda text: base64.b64encode(text.encode()),
    "base64, one character later": lambda text: base64.b64encode(b"1" + text.encode()),
    "base64, two characters later": lambda text: base64.b64encode(b"12" + text.encode() + b"345"),
    "base64 for URLs": lambda text: base64.urlsafe_b64encode(b"\xff\xfe" + text.encode() + b"\xff"),
}


@pytest.mark.parametrize("how", WRITTEN)
@pytest.mark.parametrize("secret", [SECRET, SIGNS], ids=["letters", "signs"])
def test_a_secret_is_found_and_named_however_it_is_written(how: str, secret: str) -> None:
    search = Search(MARK, CORES, {})
    assert search.names(WRITTEN[how](secret)) == {"plant73"}
    assert search.names(WRITTEN[how]("nothing of the kind")) == set()


@pytest.mark.parametrize("how", WRITTEN)
def test_a_secret_without_letters_and_digits_is_found(how: str) -> None:
    search = Search(MARK, CORES, {"short": "ꔁꔂꔃ", "number": "918273645546372819"})
    if how != "repr of bytes":
        assert search.names(WRITTEN[how]("ꔁꔂꔃ")) == {"short"}
    assert search.names(WRITTEN[how]("918273645546372819")) == {"number"}


def test_a_secret_that_is_cut_is_found() -> None:
    assert Search(MARK, CORES, {}).names(f"... {SECRET[: len(MARK) + 3]}") == {"?"}


FERNET = Fernet(Fernet.generate_key())
PACKED: dict[str, Callable[[bytes], bytes]] = {
    "Fernet": FERNET.encrypt,
    "zlib": zlib.compress,
    "gzip": gzip.compress,
    "pickle": lambda secret: pickle.dumps({"member": secret.decode()}),
    "pickle of bytes": pickle.dumps,
    "zlib in base64 in JSON": lambda secret: json.dumps(base64.b64encode(zlib.compress(secret * 9)).decode()).encode(),
    "Fernet in JSON in zlib": lambda secret: zlib.compress(json.dumps([FERNET.encrypt(secret).decode()]).encode()),
}


@pytest.mark.parametrize("how", PACKED)
def test_what_airflow_packs_is_unpacked(how: str) -> None:
    search = Search(MARK, CORES, {})
    assert {name for each in unpacked(PACKED[how](SECRET.encode()), FERNET) for name in search.names(each)} == {
        "plant73"
    }


def test_records_of_a_log_are_told_apart_by_level_and_logger() -> None:
    log = (
        b"a line of somebody's\n"
        b"2026-11-28T20:41:20.138394Z [debug    ] Response body:\nb'of many lines' [botocore.parsers] loc=parsers.py\n"
        b"2026-11-28 20:41:22.933282+00:00 [error    ] Task failed     [task] dag_id=shop\n"
    )
    found = by_origin(log)
    assert set(found) == {"output", "debug botocore.parsers", "error task"}
    assert b"of many lines" in found["debug botocore.parsers"][0]


def test_a_find_is_excused_in_its_place_only() -> None:
    assert excuse("from_xcom_google", "table xcom: xcom.value")
    assert not excuse("from_xcom_google", "table trigger: trigger.kwargs")
    assert not excuse("json_text_google", "table xcom: xcom.value")
    assert excuse("json_text_google", "scheduler.log: debug botocore.parsers")
    assert not excuse("json_text_google", "scheduler.log: error task")
    assert not excuse("json_text_google", "scheduler.log: debug airflow_provider_amplifybackend.hooks._client_log")


def judged(*pieces: tuple[str, str]) -> tuple[Planted, Report]:
    """Return the report of a search of (sink, name of the secret in it)."""
    planted = Planted(more=[NAME])
    report = Report(planted=len(PLANTS))
    Judge(planted, report).look(Piece(sink, "here", planted.values[name].encode()) for sink, name in pieces)
    return planted, report


def test_a_hunt_fails_if_it_finds_something_misses_its_control_or_was_led_astray() -> None:
    controls = [(sink, CONTROL) for sink in SINKS]
    _, clean = judged(*controls)
    assert clean.is_clean
    assert str(clean).endswith(f"found 0 · control found {len(SINKS)} of {len(SINKS)}")
    _, blind = judged(*controls[1:])
    assert not blind.is_clean
    _, leaking = judged(*controls, (SINKS[0], "dictionary_google"))
    assert not leaking.is_clean
    assert " · found 1 · " in str(leaking)
    clean.astray.append("a task")
    assert not clean.is_clean


def test_a_road_that_nobody_took_is_noticed() -> None:
    planted = Planted()
    assert "dictionary_google has not reached the service" in planted.astray([], [], [])
    sent = [{"parameters": {"ClientSecret": planted.values["fails_cut_google"]}}]
    assert "fails_cut_google has reached the service" in planted.astray(sent, [], [])


def test_every_secret_is_new_in_each_run_and_like_no_other() -> None:
    first, second = Planted(), Planted()
    assert len({*first.values.values(), *second.values.values()}) == 2 * len(first.values)
    assert len(PLANTS) >= 60
    assert all(len(plant.shape) and len(first.values[plant.name]) >= 12 for plant in PLANTS if plant.shape != "short")


def test_every_exception_is_of_use() -> None:
    names = {plant.name for plant in PLANTS} | SESSIONS
    for exception in NOT_COVERED:
        assert any(exception.covers(name, place) for name in names for place in exception.examples), exception.what


def test_every_operator_that_meets_a_secret_of_the_api_is_in_the_hunt() -> None:
    model = service_model()
    names = {name for name in model.operation_names if secret_members(model.operation_model(name))}
    assert {"CreateToken", "UpdateBackendAuth", "GetBackendAuth"} <= names
    dags = (secret_hunt.DAGS / "secret_dags.py").read_text(encoding="utf-8")
    assert {name for name in names | {"GetBackend", "GetBackendJob"} if f"{name}Operator" not in dags} == set()


def secret_members(operation: Any) -> set[str]:
    found: set[str] = set()
    shapes = [operation.input_shape, operation.output_shape]
    while shapes:
        members = getattr(shapes.pop(), "members", {})
        found |= MASKED_MEMBERS & set(members)
        shapes += members.values()
    return found
