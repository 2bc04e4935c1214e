"""What the command ``rxwizard`` takes."""

from __future__ import annotations

import argparse
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


def parser() -> argparse.ArgumentParser:
    """Make the parser; what it refuses is wrong use, exit code 2."""
    made = argparse.ArgumentParser(
        prog="rxwizard",
        description="Stream a model's answer to the terminal.",
        epilog="The model is --model, else WIZARD_MODEL, else the default model of the first "
        "provider with a key in the environment, else the built-in simulator.",
    )
    add = made.add_argument
    add("prompt", help='what to ask; "-" reads it from stdin; "providers" lists whom to ask')
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
    add("--json", action="store_true", help="write each chunk as one line of JSON")
    add("-q", "--quiet", action="store_true", help="nothing on stderr but errors")
    add("--version", action="version", version=f"rxwizard {_version()}")
    return made


def _version() -> str:
    try:
        return version("rxwizard")
    except PackageNotFoundError:  # a checkout that was never installed
        return "(not installed)"
