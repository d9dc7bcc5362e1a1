"""The common part of all commands: where connections come from, what is printed, and how a command ends."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import signal
import sys
import threading
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TextIO

from airflow_provider_amplifybackend.core.addresses import without_userinfo
from airflow_provider_amplifybackend.core.encodable import printable
from airflow_provider_amplifybackend.core.secrets import redact_words

if TYPE_CHECKING:
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook


class OutputError(Exception):
    """The output of a command cannot be written."""


class Terminated(KeyboardInterrupt):
    """The command has got a SIGTERM, of which it makes the same as of Ctrl-C."""


OK, FAILED = 0, 1
_STDOUT, _STDERR = 1, 2
_stream: TextIO = sys.stdout
_CONTEXT = "_AIRFLOW_PROCESS_CONTEXT"


def command(run: Callable[[Namespace], int]) -> Callable[[Namespace], None]:
    """Return a command that ends with the exit status that a function returns; an error is one line."""

    @functools.wraps(run)
    def ending(options: Namespace) -> None:
        try:
            with _own_output(options.verbose), _airflow(is_verbose=options.verbose), _sigterm():
                status = run(options)
        except OutputError as error:
            raise SystemExit(f"{run.__name__}: {error}") from None
        except failures() as error:
            raise SystemExit(f"{run.__name__}: {told(error)}") from None
        except KeyboardInterrupt as stop:
            raise SystemExit(128 + (signal.SIGTERM if isinstance(stop, Terminated) else signal.SIGINT)) from None
        except BrokenPipeError:  # `| head`
            raise SystemExit(FAILED) from None
        raise SystemExit(status)

    return ending


def failures() -> tuple[type[Exception], ...]:
    """Return the errors that are told in one line; any other one is a fault of ours."""
    from botocore.exceptions import BotoCoreError, ClientError

    from airflow_provider_amplifybackend._compat import AirflowException
    from airflow_provider_amplifybackend.guard.protected import SettingError
    from airflow_provider_amplifybackend.guard.signs import UnreadableError
    from airflow_provider_amplifybackend.hooks._botocore_errors import ConnectionLookupError

    return (AirflowException, SettingError, UnreadableError, ConnectionLookupError, BotoCoreError, ClientError)


@contextlib.contextmanager
def _sigterm() -> Iterator[None]:
    """Raise at a SIGTERM, as Python does at Ctrl-C, so that a command can say what it has done: cron jobs get one."""

    def stop(*_: object) -> None:
        raise Terminated

    if threading.current_thread() is not threading.main_thread():  # where Python takes no handlers
        yield
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def _own_output(is_verbose: bool) -> Iterator[None]:
    """Keep the output for the command alone: Airflow's loggers write to it, too, each version in another way.

    :param is_verbose: Whether what they write goes to the errors; else it goes nowhere.
    """
    global _stream
    if sys.stdout is None:  # `>&-`, where another file may have got its number
        raise OutputError("there is no standard output to write to")
    sys.stdout.flush()
    with open(os.dup(_STDOUT), "w", encoding="utf-8", errors="replace") as _stream, open(os.devnull, "w") as nowhere:
        os.dup2(_STDERR if is_verbose else nowhere.fileno(), _STDOUT)
        try:
            with contextlib.redirect_stdout(sys.stderr if is_verbose else nowhere):
                yield
        finally:
            os.dup2(_stream.fileno(), _STDOUT)


@contextlib.contextmanager
def _airflow(*, is_verbose: bool) -> Iterator[None]:
    """Use Airflow as one of its own commands does."""
    # Only so are the connections of Airflow's database looked up outside of a task: `airflow connections` does it, too.
    context, level = os.environ.get(_CONTEXT), logging.root.manager.disable
    os.environ[_CONTEXT] = "server"
    try:
        with warnings.catch_warnings():
            if not is_verbose:
                logging.disable(logging.CRITICAL)
                warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(level)
        os.environ.pop(_CONTEXT)
        os.environ |= {} if context is None else {_CONTEXT: context}


def shown(text: str) -> str:
    """Return a text that may be shown: without secrets, and without what a terminal would act on."""
    return one_line(redact_words(text))


def one_line(text: str) -> str:
    """Return a text whose parts have no secrets, without the users of addresses and what a terminal would act on."""
    return printable(without_userinfo(text))


def told(error: Exception) -> str:
    """Return an error in words that may be shown.

    The service's words in an error of a request have no secrets any more. In the whole sentence, a word such as
    ExpiredToken would make one of what stands behind it.
    """
    from botocore.exceptions import ClientError

    from airflow_provider_amplifybackend.core.service_text import ServiceTexts
    from airflow_provider_amplifybackend.exceptions import BackendRequestError
    from airflow_provider_amplifybackend.hooks._botocore_errors import service_error

    if isinstance(error, ClientError):  # of the way to credentials: every other one is an error of a request
        refused = service_error("", error, ServiceTexts())
        return one_line(f"{refused.reason}: {refused.message}")
    return one_line(str(error)) if isinstance(error, BackendRequestError) else shown(str(error))


def write(text: str) -> None:
    """Print a text.

    :raises OutputError: It cannot be written: the disk is full.
    """
    try:
        _stream.write(text if text.endswith("\n") else f"{text}\n")
        _stream.flush()
    except OSError as error:
        _give_output_up()
        if isinstance(error, BrokenPipeError):
            raise
        raise OutputError(f"the output cannot be written: {error.strerror}") from error


def is_terminal() -> bool:
    """Tell whether the output goes to a terminal, and so to a person."""
    return _stream.isatty()


def _give_output_up() -> None:
    """Let what is still in the buffer go nowhere: it would fail once more when the output is closed."""
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), _stream.fileno())


def make_hook(options: Namespace) -> AmplifyBackendHook:
    """Return the hook of the connection that was named."""
    from airflow_provider_amplifybackend.hooks.amplify_backend import AmplifyBackendHook

    return AmplifyBackendHook(aws_conn_id=options.aws_conn_id or None, region_name=options.region_name)


def scopes(options: Namespace) -> list[tuple[str | None, str | None]]:
    """Return the connections and regions that were named."""
    connections: list[Any] = options.aws_conn_id or ["aws_default"]
    regions: list[Any] = options.region_name or [None]
    return [(connection or None, region) for connection in connections for region in regions]
