"""Write docs/operators.md from the operators, sensors and docs/examples, and docs/settings.md from the provider info.

python scripts/docs.py            writes the files
python scripts/docs.py --check    exits with 1 if one is not current
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import pkgutil
import re
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import docstring_parser
from botocore.model import StructureShape

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the classes of this checkout, whichever is installed
DOCS = ROOT / "docs"
EXAMPLES = DOCS / "examples"
PACKAGE = "airflow_provider_amplifybackend"

INTRODUCTION = """\
<!-- Made by scripts/docs.py from the docstrings and from docs/examples. Do not edit: run `python scripts/docs.py`. -->

# Operators and sensors

Every operation of the service is an operator. The members of the API are its parameters, in snake_case; what is nested
in them keeps boto3's spelling. Every example below is a part of one DAG,
[docs/examples/operators.py](examples/operators.py), which the tests run against the [local AmplifyBackend](local.md);
they also check the IAM actions and the results that are given here. `APP` is an app id.

*Templated* parameters take Jinja templates and XComs, at every depth of a configuration. What a template renders is
text, also with `render_template_as_native_obj`: it becomes the number, the boolean or the structure that the API
wants. A list or a dictionary needs `| tojson`, unless the DAG renders native objects. What is no template arrives as
it was written: Cognito's `{####}` and `{##text##}` are no Jinja comments here, and in a `TransformSchema` `{#` is
none either. Other text that looks like a template goes between `{% raw %}` and `{% endraw %}`. Only a configuration
can be a `.json` file, and only its `TransformSchema` a `.graphql` file; they are searched where Airflow searches for
template files, and read when the task runs. Parameters are checked before anything is sent. A name or an id that a
template or another task leaves empty is refused, also where it is optional: without it, something else or all of them
would be meant. An optional filter or setting that comes out empty is left out. A member of a configuration for which a
template or another task gives None is refused.

[IAM policies](iam.md) has the actions as policies, [Waiting](waiting.md) explains how a wait ends, and
[Errors](errors.md) what the exceptions mean.
"""


SETTINGS = """\
<!-- Made by scripts/docs.py from the provider info. Do not edit: run `python scripts/docs.py`. -->

# Settings

In `airflow.cfg`, or as `AIRFLOW__AMPLIFYBACKEND__<OPTION>`, on every component: scheduler, workers, triggerer,
API server. All are optional. What can be set for one connection is on the page [The connection](connection.md),
and for one task in [its parameters](operators.md).
"""


@dataclass(frozen=True)
class Docstring:
    """A docstring in its parts."""

    summary: str
    links: str
    parameters: dict[str, str]
    returns: str


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file is not current")
    options = parser.parse_args()
    pages = {DOCS / "operators.md": render_page(), DOCS / "settings.md": render_settings()}
    if not options.check:
        for path, text in pages.items():
            path.write_text(text, encoding="utf-8")
        return 0
    stale = [path.name for path, text in pages.items() if not (path.exists() and path.read_text("utf-8") == text)]
    for name in stale:
        print(f"docs/{name} is not current: run `python scripts/docs.py`", file=sys.stderr)
    return 1 if stale else 0


# ------------------------------------------------------------------------------------------------------- the classes


def task_classes() -> dict[str, list[type]]:
    """Return every operator and sensor by the name of its module, in the order in which they are documented."""
    from airflow_provider_amplifybackend.get_provider_info import OPERATOR_MODULES

    operators = {f"operators.{name}": _operators(f"{PACKAGE}.operators.{name}") for name in OPERATOR_MODULES}
    package = importlib.import_module(f"{PACKAGE}.sensors")
    names = [module.name for module in pkgutil.iter_modules(package.__path__)]
    sensors = {f"sensors.{name}": _sensors(f"{package.__name__}.{name}") for name in names}
    return {name: classes for name, classes in (operators | sensors).items() if classes}


def _operators(module: str) -> list[type]:
    """Return the operators that people use: those of one operation, and those that say to which they belong."""
    from airflow_provider_amplifybackend._compat import BaseOperator

    classes = [each for each in _own_classes(module) if issubclass(each, BaseOperator)]
    return [each for each in classes if "api_operation" in vars(each) or ".. seealso::" in (each.__doc__ or "")]


def _sensors(module: str) -> list[type]:
    """Return the sensors that people use: a base class says nowhere to which operation it belongs."""
    from airflow_provider_amplifybackend._compat import BaseSensorOperator

    classes = [each for each in _own_classes(module) if issubclass(each, BaseSensorOperator)]
    return [each for each in classes if ".. seealso::" in (each.__doc__ or "")]


def _own_classes(name: str) -> list[type]:
    module = importlib.import_module(name)
    return [each for each in vars(module).values() if inspect.isclass(each) and each.__module__ == name]


def result_keys(task_class: type[Any]) -> tuple[str, ...]:
    """Return the keys of what an operator returns: those of every member that the answer can have."""
    from airflow_provider_amplifybackend.operators._job_base import AmplifyBackendJobOperator
    from airflow_provider_amplifybackend.parameters import service_model

    if issubclass(task_class, AmplifyBackendJobOperator):
        return job_keys()
    shape = service_model.service_model().operation_model(task_class.api_operation).output_shape
    assert isinstance(shape, StructureShape)
    answer = {name: [] if member.type_name == "list" else "" for name, member in shape.members.items()}
    required = {parameter.name: "an example" for parameter in _own_parameters(task_class) if _is_required(parameter)}
    return tuple(task_class(task_id="example", **required).present(answer))


def job_keys() -> tuple[str, ...]:
    """Return the keys of what every job operator returns."""
    from airflow_provider_amplifybackend.core.job import Job, Outcome

    return tuple(Job("app", "environment", "id").to_xcom(Outcome.STARTED))


def _own_parameters(task_class: type[Any]) -> list[inspect.Parameter]:
    return [
        each for each in inspect.signature(task_class.__init__).parameters.values() if each.kind is each.KEYWORD_ONLY
    ]


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty


def _shared_classes() -> dict[type, str]:
    """Return the bases whose parameters are described once, with their chapters."""
    from airflow_provider_amplifybackend.operators._job_base import AmplifyBackendJobOperator
    from airflow_provider_amplifybackend.tasks.aws_parameters import AwsParameters

    return {AmplifyBackendJobOperator: "Parameters of waiting", AwsParameters: "Parameters of AWS"}


def table_parameters(task_class: type, *, only_own: bool = False) -> dict[str, tuple[inspect.Parameter, str]]:
    """Return the parameters of a class by name, with their descriptions; without those that are described once.

    :raises LookupError: A parameter has no description.
    """
    shared = _shared_classes()
    classes = [task_class] if only_own else [each for each in task_class.__mro__ if each not in shared]
    ours = [each for each in classes if each.__module__.startswith(PACKAGE)]
    descriptions: dict[str, str] = {}
    for each in ours:
        descriptions = read_docstring(each).parameters | descriptions
    signature: dict[str, inspect.Parameter] = {}
    for each in task_class.__mro__:
        if "__init__" in vars(each):
            signature = {parameter.name: parameter for parameter in _own_parameters(each)} | signature
    explicit = [parameter.name for each in ours if "__init__" in vars(each) for parameter in _own_parameters(each)]
    for name in explicit:
        if name not in descriptions:
            raise LookupError(f"{task_class.__name__}: the docstring does not describe {name}")
    names = dict.fromkeys((*(name for name in _described(task_class)), *explicit))
    return {name: (signature[name], descriptions[name]) for name in names}


def _described(task_class: type) -> Iterator[str]:
    yield from read_docstring(task_class).parameters


# ------------------------------------------------------------------------------------------------------ reading


def read_docstring(task_class: type) -> Docstring:
    """Read a docstring in the form that all classes of this package have."""
    parsed = docstring_parser.parse(vars(task_class).get("__doc__") or "", docstring_parser.DocstringStyle.REST)
    body, _, links = (parsed.description or "").partition(".. seealso::")
    parameters = {each.arg_name: _markdown(each.description or "") for each in parsed.params}
    returns = _markdown(parsed.returns.description or "") if parsed.returns else ""
    return Docstring(_markdown(body.strip().split("\n\n")[0]), _markdown(links), parameters, returns)


def _markdown(text: str) -> str:
    text = " ".join(text.split())
    text = re.sub(r"`([^`<]+?) <([^>]+)>`__?", r"[\1](\2)", text)
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)
    return re.sub(r"``(.+?)``", r"`\1`", text)


def examples() -> dict[str, str]:
    """Return what stands between ``# [Name]`` and ``# [end]`` in the examples, by name."""
    found = {}
    for path in sorted(EXAMPLES.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        for name, example in re.findall(r"^ *# \[(\w+)\]\n(.*?)^ *# \[end\]$", text, re.DOTALL | re.MULTILINE):
            found[name] = textwrap.dedent(example).rstrip()
    return found


# ------------------------------------------------------------------------------------------------------- writing


def render_page() -> str:
    snippets = examples()
    parts = [INTRODUCTION, *_contents(), *_shared_chapters()]
    for module, classes in task_classes().items():
        parts += _chapter(module, classes, snippets)
    return "\n".join(parts).rstrip() + "\n"


def render_settings() -> str:
    """Return the page of all settings, one chapter for each."""
    from airflow_provider_amplifybackend.get_provider_info import get_provider_info

    parts = [SETTINGS]
    for section, content in get_provider_info()["config"].items():
        for name, option in content["options"].items():
            shown = f"{name} = {option.get('example') or option['default']}".rstrip()
            parts.append(f"## {name}\n\n```ini\n[{section}]\n{shown}\n```\n")
            parts.append(_markdown(option["description"]).replace("*", r"\*") + "\n")
            default = f"`{option['default']}`" if option["default"] else "empty"
            parts.append(f"Type: {option['type']}. Default: {default}. Since {option['version_added']}.\n")
    return "\n".join(parts).rstrip() + "\n"


def _contents() -> Iterator[str]:
    yield "| module | operators and sensors |\n|---|---|"
    for module, classes in task_classes().items():
        names = ", ".join(f"[{each.__name__}](#{each.__name__.lower()})" for each in classes)
        yield f"| `{module}` | {names} |"
    yield ""


def _shared_chapters() -> Iterator[str]:
    intros = {
        "Parameters of waiting": "Taken by every operator that starts a job. [Waiting](waiting.md) says what they do.",
        "Parameters of AWS": "Taken by every operator and sensor.",
    }
    for shared, title in _shared_classes().items():
        yield f"## {title}\n\n{intros[title]}\n"
        yield _table(shared, table_parameters(shared, only_own=True))
    yield "## The result of a job\n"
    yield "What every operator returns that starts a job, whether it waited on the worker, deferred, or did not wait."
    yield "The keys are always the same:"
    yield f"{_codes(job_keys())}.\n"
    job_operator = next(iter(_shared_classes()))
    yield f"{read_docstring(job_operator).returns}\n"


def _chapter(module: str, classes: list[type], snippets: dict[str, str]) -> Iterator[str]:
    kind, name = module.split(".")
    documentation = inspect.cleandoc(importlib.import_module(f"{PACKAGE}.{module}").__doc__ or "")
    yield f"## {name.capitalize() if kind == 'operators' else f'Sensors: {name}'}\n"
    yield f"{_markdown(documentation)} Module `{PACKAGE}.{module}`.\n"
    if kind == "operators" and name in snippets:
        yield f"The examples use:\n\n```python\n{snippets[name]}\n```\n"
    for each in classes:
        if each.__name__ not in snippets:
            raise LookupError(
                f"docs/examples has no example for {each.__name__}: put one between # [{each.__name__}] and # [end]"
            )
        yield from _entry(each, snippets[each.__name__])


def _entry(task_class: type, example: str) -> Iterator[str]:
    docstring = read_docstring(task_class)
    yield f"### {task_class.__name__}\n\n{docstring.summary} API: {docstring.links}.\n"
    yield f"```python\n{example}\n```\n"
    yield _table(task_class, table_parameters(task_class))
    shared = [
        f"[{title}](#{title.lower().replace(' ', '-')})"
        for each, title in _shared_classes().items()
        if issubclass(task_class, each)
    ]
    yield f"Besides: {', '.join(shared)}.\n"
    yield _needs(task_class)
    yield _returns(task_class, docstring)


def _table(task_class: type[Any], parameters: dict[str, tuple[inspect.Parameter, str]]) -> str:
    rows = ["| parameter | required | templated | meaning |", "|---|---|---|---|"]
    for name, (parameter, description) in parameters.items():
        description = description.removesuffix("(templated)").strip()
        if not _is_required(parameter) and parameter.default is not None and "Default" not in description:
            description += f" Default: `{_literal(parameter.default)}`."
        cells = (
            f"`{name}`",
            "yes" if _is_required(parameter) else "no",
            "yes" if name in task_class.template_fields else "no",
            description.replace("|", "\\|"),
        )
        rows.append(f"| {' | '.join(cells)} |")
    return "\n".join(rows) + "\n"


def _needs(task_class: type) -> str:
    from airflow_provider_amplifybackend.core.permissions import iam_actions, needed_operations

    calls = needed_operations(task_class)
    text = f"**IAM**: {_codes(iam_actions(calls.always))}"
    if calls.after_trouble:
        text += (
            f"; after a start that was refused, or whose answer was lost: {_codes(iam_actions(calls.after_trouble))}"
        )
    for option, operations in calls.with_option.items():
        text += f"; with `{option}`: {_codes(iam_actions(operations))}"
    if calls.chapter:
        text += f"; of other services [what it reads](iam.md#{calls.chapter})"
    return f"{text}.\n"


def _returns(task_class: type, docstring: Docstring) -> str:
    from airflow_provider_amplifybackend.operators._job_base import AmplifyBackendJobOperator

    if issubclass(task_class, AmplifyBackendJobOperator):
        return "**Returns** [the result of a job](#the-result-of-a-job).\n"
    if not hasattr(task_class, "api_operation"):
        return f"**Returns**: {docstring.returns}\n"
    return f"**Returns** {_codes(result_keys(task_class))}. {docstring.returns}\n"


def _literal(value: object) -> str:
    return json.dumps(value) if isinstance(value, str) else repr(value)


def _codes(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    sys.exit(main())
