"""What the command ``rxwizard`` takes."""

from __future__ import annotations

import argparse
import math
from importlib.metadata import PackageNotFoundError, version


def _model(text: str) -> str:
    provider, _, name = text.partition(":")
    if not provider or not name:
        message = f"{text!r} is not of the form provider:model, such as openai:gpt-5.4-mini"
        raise argparse.ArgumentTypeError(message)
    return text


def _count(text: str) -> int:
    if not text.isdecimal() or not int(text):
        message = f"{text!r} is no number of 1 or more"
        raise argparse.ArgumentTypeError(message)
    return int(text)


def _temperature(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 2:
        message = f"{text!r} is no number from 0 to 2"
        raise argparse.ArgumentTypeError(message)
    return value


def _speed(text: str) -> float | None:
    if text == "max":
        return None
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        message = f"{text!r} is no number of 0 or more, nor max"
        raise argparse.ArgumentTypeError(message)
    return value or None


def parser() -> argparse.ArgumentParser:
    """Make the parser; what it refuses is wrong use, exit code 2."""
    made = argparse.ArgumentParser(
        prog="rxwizard",
        description="Stream a model's answer to the terminal.",
        epilog="The model is --model, else WIZARD_MODEL, else the default model of the first "
        "provider with a key in the environment, else the built-in simulator.",
    )
    add = made.add_argument
    add(
        "prompt",
        help='what to ask; "-" reads it from stdin; "providers" lists whom to ask; "replay FILE" '
        "shows what was recorded",
    )
    add(
        "-m",
        "--model",
        type=_model,
        metavar="PROVIDER:MODEL",
        help="whom to ask: openai:gpt-5.4-mini",
    )
    add("-s", "--system", metavar="TEXT", help="instructions that stand above the prompt")
    add("--max-tokens", type=_count, metavar="N", help="most tokens the answer may have")
    add("--temperature", type=_temperature, metavar="T", help="sampling temperature, 0 to 2")
    add("--record", metavar="FILE", help="write down all that the provider sends, for replay")
    _add_common(made)
    add("--version", action="version", version=f"rxwizard {_version()}")
    return made


def replay_parser() -> argparse.ArgumentParser:
    """Make the parser of what follows ``replay``."""
    made = argparse.ArgumentParser(
        prog="rxwizard replay",
        description="Show an answer that was recorded with --record, as it came.",
    )
    add = made.add_argument
    add("file", metavar="FILE", help="the recording")
    add(
        "--exchange",
        type=int,
        metavar="N",
        help="which request, from 0, of a recording of several; else the last one answered",
    )
    add(
        "--speed",
        type=_speed,
        default=1.0,
        metavar="X",
        help="how many times as fast as it came; 0 or max: at once",
    )
    add("--split", type=_count, metavar="BYTES", help="cut the body into slices of this size")
    _add_common(made)
    return made


def _add_common(made: argparse.ArgumentParser) -> None:
    add = made.add_argument
    add("--json", action="store_true", help="write each chunk as one line of JSON")
    add("-q", "--quiet", action="store_true", help="nothing on stderr but errors")


def _version() -> str:
    try:
        return version("rxwizard")
    except PackageNotFoundError:  # a checkout that was never installed
        return "(not installed)"
