"""The examples in the operators' docstrings do what they show."""

from __future__ import annotations

import asyncio
import doctest
import inspect
from typing import TYPE_CHECKING

import pytest
import reactivex
from reactivex import operators as rx

import rxwizard
from rxwizard import operators as ops

if TYPE_CHECKING:
    from collections.abc import Callable

PUBLIC = {
    name: value
    for name, value in vars(ops).items()
    if not name.startswith("_") and inspect.isfunction(value)
}

#: What an example may use without saying where it comes from.
NAMES = {
    **{name: value for name, value in vars(rxwizard).items() if not name.startswith("_")},
    "asyncio": asyncio,
    "ops": ops,
    "reactivex": reactivex,
    "rx": rx,
    "rxwizard": rxwizard,
}


@pytest.mark.parametrize("operator", PUBLIC.values(), ids=PUBLIC)
def test_the_examples_run(operator: Callable[..., object]) -> None:
    words = inspect.getdoc(operator) or ""
    test = doctest.DocTestParser().get_doctest(words, dict(NAMES), operator.__name__, None, 0)
    said: list[str] = []
    failures, tried = doctest.DocTestRunner(verbose=False).run(test, out=said.append)

    assert tried, "it has no example"
    assert not failures, "".join(said)
