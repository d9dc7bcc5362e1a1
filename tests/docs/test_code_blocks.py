"""Every block of code of the documentation is what it says it is: it loads, parses, or names what exists.

Many blocks also run: those of docs/operators.md in test_examples, of docs/first-dag.md in tests/project, and those
that other modules here are named after.
"""

from __future__ import annotations

import ast
import configparser
import functools
import importlib.util
import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_amplifybackend.get_provider_info import get_provider_info
from scripts.docs import task_classes
from tests.pages import PAGES, ROOT, Block, blocks, commands

ALL = [block for page in PAGES for block in blocks(page)]
SCRIPTS = set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"])
LANGUAGES = {"python", "console", "json", "ini", "toml", "yaml", "dockerfile", "text"}
DIRECTIVES = {"{eval-rst}", "{toctree}", "{include}", "{literalinclude}"}
# What an example that is a part of a DAG file may take for granted, as docs/recipes.md and README.md do not.
AROUND = """
from datetime import datetime, timedelta

from airflow.providers.amazon.aws.notifications.sns import SnsNotifier
from airflow.sdk import DAG, Asset, AssetAlias, AssetWatcher, task
from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook
{operators}
APP = "d1a2b3c4d5"
"""


GROUPS = ("guarded_deletion", "ephemeral_environment", "reap_environments")


def of(*languages: str) -> pytest.MarkDecorator:
    return each([block for block in ALL if block.language in languages])


def each(found: list[Block]) -> pytest.MarkDecorator:
    assert found
    return pytest.mark.parametrize("block", found, ids=lambda block: block.where)


def makes_tasks(block: Block) -> bool:
    """Tell whether a block belongs into a DAG file; others are tests, or drive the local service."""
    tree = ast.parse(block.text)
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    names = {name.rpartition(".")[2] for name in calls} | {name.partition(".")[0] for name in calls}
    return any(name.endswith(("Operator", "Sensor")) or name in {"DAG", *GROUPS} for name in names) and not any(
        isinstance(node, ast.FunctionDef) and node.name.startswith("test_") for node in tree.body
    )


@each(ALL)
def test_a_block_says_what_it_is(block: Block) -> None:
    assert block.language in LANGUAGES | DIRECTIVES


@of("python")
def test_a_python_block_compiles_and_imports_what_there_is(block: Block) -> None:
    tree = ast.parse(block.text, block.where)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert [alias.name for alias in node.names if not hasattr(module, alias.name)] == []


# The blocks of operators.md are cut from one DAG file, which test_examples runs as a whole.
@each(
    [block for block in ALL if block.language == "python" and block.page.name != "operators.md" and makes_tasks(block)]
)
def test_a_block_that_makes_tasks_loads_as_a_dag(block: Block, dags: Any) -> None:
    if "import DAG" in block.text:  # a whole file
        assert dags.load_file(block.text, named_dag(block)).tasks
    elif "with DAG(" in block.text:
        around = block.text.replace("    ...", '    GetBackendOperator(task_id="look", app_id=APP)')
        assert dags.load_file(AROUND.format(operators=operator_imports()) + around, named_dag(block)).tasks
    else:
        assert dags.load(AROUND.format(operators=operator_imports()) + block.text).tasks


def named_dag(block: Block) -> str:
    (*_, name) = re.findall(r'with DAG\(\s*"(\w+)"', block.text)
    return str(name)


@functools.cache
def operator_imports() -> str:
    return "\n".join(
        f"from airflow_provider_amplifybackend.{module} import {', '.join(each.__name__ for each in classes)}"
        for module, classes in task_classes().items()
    )


@of("json", "toml", "yaml")
def test_a_document_parses(block: Block) -> None:
    if block.language == "yaml":
        yaml = importlib.import_module("yaml")
        assert yaml.safe_load(block.text)
    else:
        assert {"json": json.loads, "toml": tomllib.loads}[block.language](block.text)


@of("ini")
def test_a_setting_is_one_that_there_is(block: Block) -> None:
    from airflow.configuration import conf

    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(block.text)
    ours = get_provider_info()["config"]
    for section in parser.sections():
        for option in parser.options(section):
            known = ours[section]["options"] if section in ours else conf.configuration_description[section]["options"]
            assert option in known


@of("console")
def test_a_console_block_has_commands_that_exist(block: Block) -> None:
    found = commands(block)
    assert found
    for command in found:
        words = shlex.split(command.line, comments=True)
        if words[0] in ("export", ".", "cd"):
            continue
        words = [word for word in words if not re.fullmatch(r"[A-Z_]+=\S+|&", word)] if words[0] != "make" else words
        program = words[0]
        assert program in PROGRAMS, f"{block.where}: {program} is no program that these tests know"
        PROGRAMS[program](words[1:])


def check_make(words: list[str]) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    wanted = [word for word in words if "=" not in word]
    assert wanted
    assert set(wanted) <= targets


def check_python(words: list[str]) -> None:
    if words[0] == "-m":
        assert importlib.util.find_spec(words[1])
    else:
        assert (ROOT / words[0]).exists()


def check_local_service(words: list[str]) -> None:
    from airflow_provider_amplifybackend.local import cli

    cli._parser().parse_args(words)


def check_airflow(words: list[str]) -> None:
    from airflow.cli.cli_parser import get_parser

    get_parser().parse_args(words)


def check_aws(words: list[str]) -> None:
    """Compare a service, its operation and the options with botocore's models; `s3` is a part of the AWS CLI alone."""
    import botocore.session
    from botocore import xform_name

    service, operation, *options = words
    if service == "s3":
        assert operation in ("cp", "rm", "ls", "sync")
        return
    model = botocore.session.Session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    shape = model.operation_model(operations[operation]).input_shape
    assert shape
    known = {f"--{xform_name(name, '-')}" for name in shape.members} | {"--query", "--output", "--region", "--profile"}
    assert {option for option in options if option.startswith("--")} <= known


def check_nothing(words: list[str]) -> None:
    """For programs of others, whose arguments are theirs."""


PROGRAMS = {
    "make": check_make,
    "python": check_python,
    "python3": check_python,
    "amplifybackend-local": check_local_service,
    "airflow": check_airflow,
    "aws": check_aws,
    "pip": check_nothing,
    "pytest": check_nothing,
    "curl": check_nothing,
    "git": check_nothing,
    "pre-commit": check_nothing,
    "docker": check_nothing,
    "apt-get": check_nothing,
    # Every other command of this package; what it takes is compared with its page by its own tests.
    **dict.fromkeys(SCRIPTS - {"amplifybackend-local"}, check_nothing),
}


def test_every_makefile_target_that_the_pages_name_is_there() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for page in PAGES:
        named = re.findall(r"`make ([a-z][a-z-]*)", Path(page).read_text(encoding="utf-8"))
        assert set(named) <= targets, page.name
