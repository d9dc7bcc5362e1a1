"""A text to render: where it stands, and what an error about it may say."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from jinja2 import TemplateError, TemplateSyntaxError

from airflow_provider_amplifybackend.core.secrets import is_masked_name, redact_words, secret_values
from airflow_provider_amplifybackend.exceptions import BackendParameterError

if TYPE_CHECKING:
    from jinja2 import Template


class FragmentError(BackendParameterError):
    """A member of a JSON text is no whole template."""


class TemplateText:
    """A text to render, and the facts for an error about it.

    :param path: The parameter, and the member in it.
    :param file: The file that it is the content of.
    :param within: The JSON text that it is a member of.
    :param graphql: Whether it is a schema.
    :param python: Whether what it renders is read as Python.
    :param keep_last_newline: Whether a line end at its end stays.
    """

    def __init__(
        self,
        content: str,
        path: str,
        *,
        file: str = "",
        within: TemplateText | None = None,
        graphql: bool = False,
        python: bool = False,
        keep_last_newline: bool = True,
    ) -> None:
        self.content = content
        self.path = path
        self.graphql = graphql
        self.python = python
        self.keep_last_newline = keep_last_newline
        self._file: str = file or (within._file if within else "")
        self._within = within

    def parsed_by_jinja(self, parse: Callable[[], Template]) -> Template:
        """Return the parsed template.

        :raises BackendParameterError: Jinja cannot parse it.
        """
        try:
            return parse()
        except TemplateSyntaxError as error:
            raise self._error(error, FragmentError if self._within else BackendParameterError) from None
        except RecursionError:
            raise BackendParameterError(self._problem("it is nested too deeply", None)) from None
        except (ValueError, ArithmeticError) as error:  # of a constant, which Jinja computes here
            raise BackendParameterError(self._problem(str(error), None)) from None

    def shown_by_jinja(self, render: Callable[[], Any]) -> Any:
        """Return the rendered template.

        :raises BackendParameterError: Jinja cannot render it.
        """
        try:
            return render()
        except TemplateError as error:
            raise self._error(error, BackendParameterError) from None  # its message may quote a secret
        except RecursionError:
            raise BackendParameterError(self._problem("it is nested too deeply", None)) from None
        except Exception as error:
            error.add_note(f"while {self._where(None)} was rendered")
            raise

    def _error(self, error: TemplateError, kind: type[BackendParameterError]) -> BackendParameterError:
        return kind(self._problem(error.message or type(error).__name__, _line_of(error, self.content)))

    def _problem(self, message: str, line: int | None) -> str:
        cause = f" ({message})" if self._may_be_quoted(message) else ""
        return (
            f"{self._where(line)}: Jinja cannot render it{cause}. "
            "Wrap what is not a template in {% raw %} and {% endraw %}."
        )

    def _where(self, line: int | None) -> str:
        if self._within:
            start = self._within.content.find(json.dumps(self.content, ensure_ascii=False)[1:-1])
            line = self._within.content.count("\n", 0, start) + 1 if start >= 0 else line
        return "".join(
            (redact_words(self.path), f" ({self._file})" if self._file else "", f", line {line}" if line else "")
        )

    def _may_be_quoted(self, message: str) -> bool:
        """Tell whether a message quotes no secret: Jinja quotes the words that it stumbles over."""
        member = re.split(r"[.\[]", self.path)[-1]
        secrets = [self.content] if is_masked_name(member) else [*secret_values(self.content)]
        in_clear = [secret for secret in secrets if not re.fullmatch(r"\s*\{[{%].*[%}]\}\s*", secret, re.DOTALL)]
        return not any(word in secret for word in re.findall("'(.+?)'", message) for secret in in_clear)


def _line_of(error: Exception, source: str) -> int | None:
    """Return the line of a template that raised an error."""
    if isinstance(error, TemplateSyntaxError):
        return _line_of_tag(source, error.lineno)
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        template = frame.f_globals.get("__jinja_template__")
        if template is not None:
            found: int = template.get_corresponding_lineno(line)
            return found
    # Rendered natively, an unknown name fails only once its value is used, outside of the template.
    unknown = re.match("'(.+?)' is undefined", str(error))
    lines = (number for number, line in enumerate(source.split("\n"), 1) if unknown and unknown[1] in line)
    return next(lines, None)


def _line_of_tag(source: str, line: int) -> int:
    """Return the line of the tag that an error is in; Jinja names the one in which it stumbles over its end."""
    before = "\n".join(source.split("\n")[: line - 1])
    start = max(before.rfind(mark) for mark in ("{{", "{%"))
    is_open = start >= 0 and not any(end in before[start:] for end in ("}}", "%}"))
    return before.count("\n", 0, start) + 1 if is_open else line
