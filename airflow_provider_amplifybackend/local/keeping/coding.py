"""The service's dataclasses as JSON and back, by the types of their fields: nothing else can be written or read.

An app, environment or resource that several values hold is one object again when it is read: the first that is written
has its fields and a number, the others have the number alone. A job may hold one that nothing else does any more.
"""

from __future__ import annotations

import collections.abc
import functools
import types
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, is_dataclass
from typing import Any, Union, get_args, get_origin, get_type_hints

from airflow_provider_amplifybackend.local.service import checks
from airflow_provider_amplifybackend.local.service.effect import Effect
from airflow_provider_amplifybackend.local.service.effects import EFFECTS
from airflow_provider_amplifybackend.local.service.ids import Ids
from airflow_provider_amplifybackend.local.service.store import App, Environment, Resource

Memo = dict[Any, Any]
"""When writing, the number of each shared object by its identity; when reading, the object of each number."""

_SHARED: tuple[type, ...] = (App, Environment, Resource)
# The years 69 to 3871: no clock of the service comes near, and every client can read what it is told.
_FARTHEST_SECONDS = 60_000_000_000
_NUMBER = "#"
_VARIANT = "effect"
_SCALARS: dict[Any, tuple[type, ...]] = {str: (str,), int: (int,), float: (int, float), bool: (bool,)}


class UnreadableError(ValueError):
    """A document that these types cannot have written: the message says where."""


@dataclass(frozen=True)
class Coder:
    """Writes and reads the values of one type."""

    encode: Callable[[Any, Memo], Any]
    decode: Callable[[Any, Memo, str], Any]


@functools.cache
def coder_of(hint: Any) -> Coder:
    if hint is Any:
        return Coder(lambda value, memo: value, lambda given, memo, where: given)
    if hint in _SCALARS:
        return _scalar(hint)
    if hint is Ids:
        return Coder(lambda value, memo: value.seed, lambda given, memo, where: Ids(_expect(given, str, where)))
    if hint is Effect:
        return _effect()
    if is_dataclass(hint):
        return _shared(hint) if hint in _SHARED else _structure(hint)
    return _container(hint)


def _expect(given: Any, kind: type | tuple[type, ...], where: str) -> Any:
    if not isinstance(given, kind) or (isinstance(given, bool) and kind is not bool and bool not in _several(kind)):
        raise UnreadableError(f"{where} is {checks.shown(given)}")
    return given


def _several(kind: type | tuple[type, ...]) -> tuple[type, ...]:
    return kind if isinstance(kind, tuple) else (kind,)


def _scalar(hint: Any) -> Coder:
    kinds = _SCALARS[hint]
    expect = _expect_seconds if hint is float else _expect
    return Coder(lambda value, memo: value, lambda given, memo, where: expect(given, kinds, where))


def _expect_seconds(given: Any, kinds: tuple[type, ...], where: str) -> Any:
    number = _expect(given, kinds, where)
    if -_FARTHEST_SECONDS <= number <= _FARTHEST_SECONDS:  # false for NaN
        return number
    raise UnreadableError(f"{where} is {checks.shown(given)}")


def _container(hint: Any) -> Coder:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        (one,) = [argument for argument in arguments if argument is not type(None)]
        return _optional(coder_of(one))
    if origin in (dict, collections.abc.Mapping):
        return _mapping(coder_of(arguments[1]))
    if origin is tuple and arguments[-1] is not Ellipsis:
        return _fixed([coder_of(argument) for argument in arguments])
    if origin in (list, tuple, frozenset):
        return _sequence(coder_of(arguments[0]), origin)
    raise TypeError(f"nothing is known of how to keep {hint}")


def _optional(one: Coder) -> Coder:
    return Coder(
        lambda value, memo: None if value is None else one.encode(value, memo),
        lambda given, memo, where: None if given is None else one.decode(given, memo, where),
    )


def _mapping(one: Coder) -> Coder:
    def decode(given: Any, memo: Memo, where: str) -> dict[str, Any]:
        return {key: one.decode(value, memo, f"{where}.{key}") for key, value in _expect(given, dict, where).items()}

    return Coder(lambda value, memo: {key: one.encode(each, memo) for key, each in value.items()}, decode)


def _sequence(one: Coder, kind: type) -> Coder:
    def encode(value: Any, memo: Memo) -> list[Any]:
        return [one.encode(each, memo) for each in (sorted(value) if kind is frozenset else value)]

    def decode(given: Any, memo: Memo, where: str) -> Any:
        listed = _expect(given, list, where)
        return kind(one.decode(each, memo, f"{where}[{index}]") for index, each in enumerate(listed))

    return Coder(encode, decode)


def _fixed(parts: list[Coder]) -> Coder:
    def encode(value: Any, memo: Memo) -> list[Any]:
        return [part.encode(each, memo) for part, each in zip(parts, value, strict=True)]

    def decode(given: Any, memo: Memo, where: str) -> Any:
        if len(_expect(given, list, where)) != len(parts):
            raise UnreadableError(f"{where} has {len(given)} entries")
        return tuple(part.decode(each, memo, where) for part, each in zip(parts, given, strict=True))

    return Coder(encode, decode)


def _structure(kind: Any) -> Coder:
    hints = get_type_hints(kind)
    coders = {entry.name: coder_of(hints[entry.name]) for entry in fields(kind)}
    required = {entry.name for entry in fields(kind) if entry.default is MISSING and entry.default_factory is MISSING}

    def encode(value: Any, memo: Memo) -> dict[str, Any]:
        return {name: coder.encode(getattr(value, name), memo) for name, coder in coders.items()}

    def decode(given: Any, memo: Memo, where: str) -> Any:
        names = set(_expect(given, dict, where))
        if wrong := sorted((required - names) | (names - set(coders))):
            raise UnreadableError(f"{where} has no {wrong[0]}" if wrong[0] in required else f"{where} has {wrong[0]}")
        return kind(**{name: coders[name].decode(value, memo, f"{where}.{name}") for name, value in given.items()})

    return Coder(encode, decode)


def _shared(kind: Any) -> Coder:
    whole = _structure(kind)

    def encode(value: Any, memo: Memo) -> dict[str, Any]:
        if id(value) in memo:
            return {_NUMBER: memo[id(value)]}
        number = memo[id(value)] = len(memo)
        return {_NUMBER: number, **whole.encode(value, memo)}

    def decode(given: Any, memo: Memo, where: str) -> Any:
        rest = dict(_expect(given, dict, where))
        number = _expect(rest.pop(_NUMBER, None), int, f"{where}.{_NUMBER}")
        if rest:
            memo[number] = whole.decode(rest, memo, where)
        return _expect(memo.get(number), kind, f"{where}.{_NUMBER}")

    return Coder(encode, decode)


def _effect() -> Coder:
    kinds = {kind.__name__: _structure(kind) for kind in EFFECTS}

    def encode(value: Any, memo: Memo) -> dict[str, Any]:
        name = type(value).__name__
        return {_VARIANT: name, **kinds[name].encode(value, memo)}

    def decode(given: Any, memo: Memo, where: str) -> Any:
        rest = dict(_expect(given, dict, where))
        name = rest.pop(_VARIANT, None)
        if name not in kinds:
            raise UnreadableError(f"{where} has the unknown effect {checks.shown(name)}")
        return kinds[name].decode(rest, memo, where)

    return Coder(encode, decode)
