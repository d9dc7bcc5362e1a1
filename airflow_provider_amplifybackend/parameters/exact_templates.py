"""Jinja that changes nothing but what is a template.

Jinja takes Cognito's place for a code, ``{####}`` or ``{##a link's text##}``, for a comment, and so it does with what
GraphQL writes as ``{# a comment``. It also turns every line end into a line feed and drops the last one. So before
Jinja parses a text it is taken apart by Jinja's own lexer, with those marks put aside, and whatever is no template is
handed to Jinja as a string constant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jinja2.ext import Extension

from airflow_provider_amplifybackend.parameters.reading import CODE_PLACE

if TYPE_CHECKING:
    from jinja2 import Environment

_COMMENT_START = re.compile(r"(\{#)")
_PRIVATE = [chr(code) for code in range(0xE000, 0xF8FF)]
# What Jinja takes for white space, so that `-%}` still trims it, but not for a line end.
_BLANKS = ["\x1c", "\x1d", "\x1e", "\x1f", "\x0b", "\x0c", "\x85", "\xa0", "\u2028", "\u2029"]


def exact(environment: Environment, *, graphql: bool = False, keep_last_newline: bool = True) -> Environment:
    """Return an environment whose templates change nothing but what is a template.

    :param graphql: In this language ``{#`` is a brace and a comment of its own, and so no comment of Jinja's.
    :param keep_last_newline: Whether a line end at the end of a text stays, which Jinja drops.
    """
    keep = keep_last_newline or environment.keep_trailing_newline
    extension = GraphQLTemplates if graphql else ExactTemplates
    return environment.overlay(extensions=[extension], keep_trailing_newline=keep)


class ExactTemplates(Extension):
    """Hands the parts of a text that are no template to Jinja as constants. It sees included templates too."""

    no_comments = False

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:
        """Return a template that renders what `source` says, to the last character."""
        return _Source(self.environment, source, no_comments=self.no_comments).as_constants(name, filename)


class GraphQLTemplates(ExactTemplates):
    """The same for GraphQL."""

    no_comments = True


class _Source:
    """A text on its way through Jinja's lexer."""

    def __init__(self, environment: Environment, source: str, *, no_comments: bool) -> None:
        self._environment = environment
        self._set_aside: list[str] = []
        self._mark = next(sign for sign in _PRIVATE if sign not in source)
        self._carriage_return = next((sign for sign in _BLANKS if sign not in source), "\r")
        if not environment.keep_trailing_newline and source.endswith("\r\n"):
            source = source.removesuffix("\r\n")
        text = CODE_PLACE.sub(self._put_aside_place, source)
        if no_comments:
            text = _COMMENT_START.sub(lambda match: self._put_aside(match[1]), text)
        self._text = text.replace("\r", self._carriage_return)

    def as_constants(self, name: str | None, filename: str | None) -> str:
        return "".join(self._pieces(name, filename))

    def _pieces(self, name: str | None, filename: str | None) -> Iterator[str]:
        jinja = self._environment
        trimmed = False
        for _, kind, value in jinja.lex(self._text, name, filename):
            if kind == "data":
                yield self._constant(value.removeprefix(self._carriage_return + "\n") if trimmed else value)
            elif kind.startswith("raw_") or "comment" in kind:
                # Only its lines are kept, so that an error names the right one.
                yield f"{jinja.comment_start_string}{_lines(value)}{jinja.comment_end_string}"
            elif kind == "linestatement_begin":
                yield jinja.block_start_string
            elif kind == "linestatement_end":
                yield jinja.block_end_string
            else:
                yield self._restored(value)
            trimmed = jinja.trim_blocks and kind in ("block_end", "comment_end", "raw_end")

    def _constant(self, data: str) -> str:
        jinja = self._environment
        safe = "|safe" if jinja.autoescape else ""
        return f"{jinja.variable_start_string} {self._restored(data)!r}{safe}{_lines(data)} {jinja.variable_end_string}"

    def _put_aside_place(self, match: re.Match[str]) -> str:
        whole, start, text, end = match.groups()
        return self._put_aside(whole) if whole else self._put_aside(start) + text + self._put_aside(end)

    def _put_aside(self, text: str) -> str:
        self._set_aside.append(text)
        return f"{self._mark}{len(self._set_aside) - 1}{self._mark}"

    def _restored(self, text: str) -> str:
        text = text.replace(self._carriage_return, "\r")
        return re.sub(f"{self._mark}([0-9]+){self._mark}", lambda match: self._set_aside[int(match[1])], text)


def _lines(text: Any) -> str:
    return "\n" * str(text).count("\n")
