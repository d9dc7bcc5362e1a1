"""Rendering of parameters: a value without template marks arrives as it was written, and a template as text.

Airflow renders every text of every templated parameter with Jinja, which eats what it takes for its comments, and with
``render_template_as_native_obj`` it reads what comes out as Python: ``1e3`` becomes ``1000.0``. Here

- a text without template marks is not given to Jinja at all;
- a template becomes text in either mode, as the service's model reads it. Rendered natively, a template that is one
  expression can also give a dictionary, a list or None;
- a member of a configuration for which a template or another task gives None is refused, in either mode: its text is
  no value, and without the member it would be another configuration;
- only a parameter that is a configuration can name a ``.json`` file, and only its ``TransformSchema`` a ``.graphql``
  file. Both are read to the byte, from where Airflow looks for template files;
- what has been rendered is not rendered again.
"""

from __future__ import annotations

import ast
import copy
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateNotFound
from jinja2.nativetypes import NativeEnvironment, native_concat

from airflow_provider_amplifybackend.core.encodable import shortened
from airflow_provider_amplifybackend.core.secrets import redact_words
from airflow_provider_amplifybackend.exceptions import BackendParameterError
from airflow_provider_amplifybackend.parameters.exact_templates import exact
from airflow_provider_amplifybackend.parameters.json_texts import CONFIGURATION_ADVICE, read_json
from airflow_provider_amplifybackend.parameters.reading import is_template, refuse_missing, shown, without_code_places
from airflow_provider_amplifybackend.parameters.template_texts import FragmentError, TemplateText

if TYPE_CHECKING:
    from jinja2 import Environment, Template

    from airflow_provider_amplifybackend._compat import Context

CONFIGURATION_FILE = ".json"
SCHEMA = "TransformSchema"
SCHEMA_FILE = ".graphql"
_LONGEST_CAUSE = 500  # characters
_SCHEMA_IN_JSON = re.compile(rf'"{SCHEMA}"\s*:\s*"((?:[^"\\]|\\.)*)"', re.DOTALL)


def names_file(text: Any, extension: str) -> bool:
    """Tell whether a text is the name of a file and not a content that happens to end like one."""
    return isinstance(text, str) and text.endswith(extension) and not any(sign in text for sign in "{\n\r")


def read_file(environment: Environment, name: str, where: str) -> str:
    """Return the content of a template file as it is, which Jinja's own loader reads with its line ends changed.

    :param where: The parameter that names the file.
    """
    if environment.loader is None:
        raise BackendParameterError(f"{where}={shown(name)} cannot be read, because the task has no DAG")
    try:
        content, path, _ = environment.loader.get_source(environment, name)
        if path and os.path.isfile(path):
            content = Path(path).read_bytes().decode(getattr(environment.loader, "encoding", "utf-8"))
    except TemplateNotFound as error:
        cause = shortened(redact_words(error.message or ""), _LONGEST_CAUSE)
        raise BackendParameterError(f"{where}={shown(name)} cannot be found: {cause}") from error
    except OSError as error:
        raise BackendParameterError(f"{where}={shown(name)} cannot be read: {error.strerror}") from error
    except UnicodeError as error:
        raise BackendParameterError(f"{where}={shown(name)} is not a UTF-8 file ({error})") from error
    return content


def configuration_text(text: str) -> str:
    """Return a configuration file's content without the byte order mark that JSON does not allow."""
    return text.removeprefix("\ufeff")


def as_document(text: str) -> dict[str, Any] | list[Any] | None:
    """Return what a JSON text holds, or None if it is none or its member names have templates."""
    try:
        document = read_json("", text, "")
    except BackendParameterError:
        return None
    return document if isinstance(document, dict | list) else None


def unrendered(environment: Environment | None, name: str, value: Any) -> Any:
    """Return a configuration with the files that it names, as far as it can be read before it is rendered."""
    if environment is None:
        return value
    if names_file(value, CONFIGURATION_FILE) and not is_template(value):
        file, value = value, configuration_text(read_file(environment, value, name))
        if not is_template(value):
            read_json(name, value, CONFIGURATION_ADVICE, file=file)
    document = as_document(value) if isinstance(value, str) and is_template(value) else value
    schema = document.get(SCHEMA) if isinstance(document, Mapping) else None
    if isinstance(schema, str) and names_file(schema, SCHEMA_FILE) and not is_template(schema):
        read_file(environment, schema, f"{name}.{SCHEMA}")
    return value if document is None else document


class Renderer:
    """Renders the parameters of one task instance.

    :param resolve: How Airflow renders what is no text and no plain container: XComArgs and the like.
    :param native: Whether the DAG renders native objects.
    """

    def __init__(
        self, environment: Environment, context: Context, *, resolve: Callable[[Any], Any], native: bool
    ) -> None:
        self._environment = environment
        self._context = context
        self._resolve = resolve
        self._native = native
        self._marks = tuple(
            mark
            for mark in (
                environment.block_start_string,
                environment.variable_start_string,
                environment.comment_start_string,
                environment.line_statement_prefix,
                environment.line_comment_prefix,
            )
            if mark
        )

    def parameter(self, name: str, value: Any) -> Any:
        """Return a parameter that is no configuration; a text in it is never a file."""

        def kept(rendered: Any, path: str) -> Any:
            # Inside of a parameter None would be as if it had not been given.
            return "None" if rendered is None and path != name else rendered

        return self._each(
            value,
            name,
            lambda text, path: kept(self._text(TemplateText(text, path, keep_last_newline=False)), path),
            lambda later, path: kept(self._resolve(later), path),
        )

    def settings(self, name: str, value: Any) -> Any:
        """Return a dictionary of settings that are no API's, so that natively rendered numbers stay numbers."""
        return self._each(value, name, lambda text, path: self._text(TemplateText(text, path, python=self._native)))

    def configuration(self, name: str, value: Any, *, is_rendered: bool = False) -> Any:
        """Return a configuration: a dictionary, a JSON text, or the content of a ``.json`` file.

        :param is_rendered: Whether it comes from another task as it is; files that it names are read all the same.
        """
        if _is_literal(value):
            return self._resolve(value)
        if is_rendered:
            rendered = self._content(value, name) if names_file(value, CONFIGURATION_FILE) else value
        else:
            rendered = self._document(value, name) if isinstance(value, str) else self._members(value, name)
        return self._with_schema(rendered, name)

    # ------------------------------------------------------------------------------------------------ configurations

    def _document(self, text: str, name: str) -> Any:
        if names_file(text, CONFIGURATION_FILE) and not self._has_marks(text):
            return self._content(text, name)
        rendered = self._document_text(TemplateText(text, name))
        if names_file(rendered, CONFIGURATION_FILE):
            return self._content(rendered, name)
        return rendered

    def _content(self, file: str, name: str) -> Any:
        content = configuration_text(read_file(self._environment, file, name))
        rendered = self._document_text(TemplateText(content, name, file=file))
        if isinstance(rendered, str):
            read_json(name, rendered, CONFIGURATION_ADVICE, file=file)  # here, where the file is known
        return rendered

    def _document_text(self, text: TemplateText) -> Any:
        """Render a JSON text: member by member if it is JSON before it is rendered, else as a whole."""
        document = as_document(text.content) if self._has_marks(text.content) else None
        if document is None or self._has_marks("".join(_keys(document))):
            return self._whole(text)
        try:
            return self._members(document, text.path, within=text)
        except FragmentError as fragment:
            try:
                return self._whole(text)  # a template may begin in one member and end in another
            except BackendParameterError:
                raise fragment from None

    def _whole(self, text: TemplateText) -> Any:
        text.graphql = _has_brace_and_comment_in_schema(text.content)
        return self._text(text)

    def _members(self, value: Any, path: str, *, within: TemplateText | None = None) -> Any:
        def render(text: str, place: str) -> Any:
            if place == f"{path}.{SCHEMA}":
                rendered = self._schema(text, place, within)
            else:
                rendered = self._text(TemplateText(text, place, within=within))
            return _given(rendered, place) if self._has_marks(text) else rendered

        return self._each(value, path, render, lambda later, place: _given(self._resolve(later), place))

    def _schema(self, text: str, path: str, within: TemplateText | None = None) -> Any:
        if names_file(text, SCHEMA_FILE) and not self._has_marks(text):
            text_of_file = read_file(self._environment, text, path)
            return self._text(TemplateText(text_of_file, path, file=text, graphql=True))
        rendered = self._text(TemplateText(text, path, graphql=True, within=within))
        return self._schema(rendered, path) if names_file(rendered, SCHEMA_FILE) and rendered != text else rendered

    def _with_schema(self, configuration: Any, name: str) -> Any:
        """Put in the schema that a configuration names which is not the DAG author's own dictionary."""
        document = as_document(configuration) if isinstance(configuration, str) else configuration
        file = document.get(SCHEMA) if isinstance(document, Mapping) else None
        if isinstance(document, Mapping) and isinstance(file, str) and names_file(file, SCHEMA_FILE):
            return {**document, SCHEMA: self._schema(file, f"{name}.{SCHEMA}")}
        return configuration

    # ---------------------------------------------------------------------------------------------------- any value

    def _each(
        self,
        value: Any,
        path: str,
        render: Callable[[str, str], Any],
        resolve: Callable[[Any, str], Any] | None = None,
    ) -> Any:
        """Return a copy of a value with every text in it rendered.

        :param resolve: Resolves what is no text and no plain container. Default: as Airflow does.
        """
        if isinstance(value, str):
            return render(value, path)
        if isinstance(value, dict):
            return {key: self._each(member, f"{path}.{key}", render, resolve) for key, member in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._each(item, f"{path}[{index}]", render, resolve) for index, item in enumerate(value)]
        if value is None or isinstance(value, bool | int | float):
            return value
        return resolve(value, path) if resolve else self._resolve(value)

    def _has_marks(self, text: str) -> bool:
        rest = without_code_places(text)
        return any(mark in rest for mark in self._marks)

    def _text(self, text: TemplateText) -> Any:
        """Return a text rendered: as text, or natively as the dictionary, list or None that its one expression is."""
        if not self._has_marks(text.content):
            return text.content
        parts = self._parts(text)
        if text.python:
            return native_concat(parts)
        if self._native and not text.graphql:
            expressions = [part for part in parts if not (isinstance(part, str) and part.isspace())]
            if len(expressions) == 1 and not isinstance(expression := expressions[0], str | bytes):
                if expression is None or isinstance(expression, Mapping):
                    return expression
                if isinstance(expression, Sequence):
                    return list(expression)
        rendered = text.shown_by_jinja(lambda: "".join(map(str, parts)))
        return _python_container(rendered) if self._native and not text.graphql else rendered

    def _parts(self, text: TemplateText) -> list[Any]:
        """Return what a template consists of, once it is rendered."""
        environment = exact(
            self._environment, graphql=text.graphql, keep_last_newline=text.keep_last_newline and not text.python
        )
        template = text.parsed_by_jinja(lambda: environment.from_string(text.content))
        parts: list[Any] = text.shown_by_jinja(lambda: _render(template, self._context))
        return parts


def _given(value: Any, path: str) -> Any:
    """Return a member that a template or another task has given.

    :raises BackendParameterError: It gave None: neither its text nor a member that is left out is what was meant.
    """
    if value is None or (isinstance(value, str) and value.strip() == "None"):
        refuse_missing(redact_words(path), "None")
    return value


def _render(template: Template, context: Context) -> list[Any]:
    environment = template.environment
    # A copy as it is: turning a context into a plain dictionary looks up every value in it.
    names: Any = copy.copy(context)
    names.update({name: value for name, value in template.globals.items() if name not in names})
    return list(
        template.root_render_func(environment.context_class(environment, names, template.name, template.blocks))
    )


def _python_container(text: str) -> Any:
    """Return the dictionary or the list that a text is in Python's spelling, which native rendering makes of it."""
    if not text.lstrip().startswith(("{", "[")) or as_document(text) is not None:
        return text
    try:
        value = ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return text
    return value if isinstance(value, dict | list) else text


def _has_brace_and_comment_in_schema(document: str) -> bool:
    return any("{#" in match[1] for match in _SCHEMA_IN_JSON.finditer(document))


def _keys(document: Any) -> Iterator[str]:
    if isinstance(document, dict):
        for key, member in document.items():
            yield key
            yield from _keys(member)
    elif isinstance(document, list):
        for item in document:
            yield from _keys(item)


def _is_literal(value: Any) -> bool:
    """Tell whether a value is a literal for Airflow; the class has no public home on all versions."""
    return type(value).__name__ == "LiteralValue"


def is_native(environment: Environment) -> bool:
    """Tell whether an environment renders native objects."""
    return isinstance(environment, NativeEnvironment)
