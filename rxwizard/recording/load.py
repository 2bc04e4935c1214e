"""Reading the file of a recording."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError
from pydantic_core import from_json

from rxwizard.errors import ConfigError, DecodeError
from rxwizard.recording.exchange import Exchange, Read
from rxwizard.recording.lines import (
    FORMAT,
    VERSION,
    EndLine,
    Header,
    ReadLine,
    RequestLine,
    ResponseLine,
    kind_of,
)
from rxwizard.recording.recording import Recording

#: Characters of a damaged line that an error shows.
_SHOWN = 80


def load(path: str | os.PathLike[str]) -> Recording:
    """Read a recording. It is in memory as a whole then.

    A last line that breaks off is left out: the process was stopped while it recorded. Such an
    exchange ends as "interrupted".

    Raises:
        ConfigError: The file cannot be read, or a newer version made it.
        DecodeError: It is no recording, or is damaged; the message names the line.
    """
    full = Path(path)
    try:
        data = full.read_bytes()
    except (OSError, ValueError) as error:
        words = getattr(error, "strerror", None) or error
        raise ConfigError(f"The recording {full} cannot be read: {words}.") from error
    lines = _lines(data)
    header = _header(full, *next(lines, (1, 0, b"")))
    drafts: dict[int, _Draft] = {}
    for number, position, line in lines:
        try:
            _take(drafts, _fields(line))
        except ValueError as error:
            if position == len(data) and not line.endswith(b"\n"):
                break
            message = f"Line {number} of the recording {full} is damaged: {_words(error)}"
            raise _damaged(message, line, position) from None
    return Recording(full, header.begun, tuple(draft.build() for draft in drafts.values()))


def _lines(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Give the lines that are not empty: number from 1, bytes up to its end, the line itself."""
    position = 0
    for number, line in enumerate(data.splitlines(keepends=True), 1):
        position += len(line)
        if line.strip():
            yield number, position, line


def _header(path: Path, number: int, position: int, line: bytes) -> Header:
    try:
        fields = _fields(line)
    except ValueError:
        fields = {}
    if fields.get("format") != FORMAT:
        message = f"{path} is no recording of rxwizard: line {number} is not its header"
        raise _damaged(message, line, position)
    try:
        header = Header.model_validate(fields)
    except ValidationError as error:
        message = f"Line {number} of the recording {path} is damaged: {_words(error)}"
        raise _damaged(message, line, position) from None
    if header.version > VERSION:
        message = (
            f"The recording {path} has version {header.version}, and this rxwizard knows "
            f"{VERSION}: update it."
        )
        raise ConfigError(message)
    return header


def _fields(line: bytes) -> dict[str, Any]:
    fields = from_json(line)
    if not isinstance(fields, dict):
        raise ValueError("it is no JSON object")
    return cast("dict[str, Any]", fields)


def _take(drafts: dict[int, _Draft], fields: dict[str, Any]) -> None:
    line = kind_of(fields).model_validate(fields)
    if isinstance(line, RequestLine):
        if line.exchange in drafts:
            message = f"exchange {line.exchange} begins twice"
            raise ValueError(message)
        drafts[line.exchange] = _Draft(line)
    elif line.exchange in drafts:
        drafts[line.exchange].add(line)
    else:
        message = f"exchange {line.exchange} has no request"
        raise ValueError(message)


class _Draft:
    """An exchange of which not all lines were read."""

    def __init__(self, line: RequestLine) -> None:
        self._exchange: Exchange = Exchange(
            number=line.exchange,
            at=line.at,
            provider=line.provider,
            model=line.model,
            protocol=line.protocol,
            url=line.url,
            body=line.body,
        )
        self._reads: list[Read] = []

    def add(self, line: ResponseLine | ReadLine | EndLine) -> None:
        """Take the next line.

        Raises:
            ValueError: It cannot follow the ones before.
        """
        exchange: Exchange = self._exchange
        if exchange.end != "interrupted":
            message = f"exchange {line.exchange} has ended before"
            raise ValueError(message)
        match line:
            case ResponseLine():
                if exchange.status is not None:
                    message = f"exchange {line.exchange} has a response already"
                    raise ValueError(message)
                headers = {name.lower(): value for name, value in line.headers.items()}
                self._exchange = replace(
                    exchange, status=line.status, headers=headers, answered_at=line.at
                )
            case ReadLine():
                if exchange.status is None:
                    message = f"exchange {line.exchange} has no response"
                    raise ValueError(message)
                self._reads.append(Read(line.at, line.data))
            case EndLine():
                self._exchange = replace(exchange, end=line.end, ended_at=line.at, error=line.error)

    def build(self) -> Exchange:
        """Give it as far as it goes."""
        return replace(self._exchange, reads=tuple(self._reads))


def _damaged(message: str, line: bytes, position: int) -> DecodeError:
    shown = line[: 4 * _SHOWN].decode("utf-8", "replace").strip()
    return DecodeError(message, text=shown[:_SHOWN], position=position)


def _words(error: ValueError) -> str:
    if isinstance(error, ValidationError):
        problem = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return f"{'.'.join(map(str, problem['loc']))}: {problem['msg']}"
    return str(error)
