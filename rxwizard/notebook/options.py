"""The options that all ways to show a stream have in common."""

from __future__ import annotations

import math
from importlib.util import find_spec

from rxwizard.errors import ConfigError
from rxwizard.notebook.page import REASONINGS

#: What a page in a notebook is made with.
_NEEDED = ("IPython", "markdown_it", "mdit_py_plugins", "latex2mathml")


def check(*, rate: float, reasoning: str) -> None:
    """Check options.

    Raises:
        ConfigError: One of them cannot work.
    """
    if not 0 < rate < math.inf:
        message = f"rate is a number of updates a second, above 0, not {rate!r}"
        raise ConfigError(message)
    if reasoning not in REASONINGS:
        message = f"reasoning is one of {', '.join(REASONINGS)}, not {reasoning!r}"
        raise ConfigError(message)


def is_installed() -> bool:
    """Tell whether all is there that a page in a notebook is made with."""
    return all(find_spec(name) is not None for name in _NEEDED)


def check_installed() -> None:
    """Check that the extra is installed.

    Raises:
        ConfigError: It is not.
    """
    if not is_installed():
        message = "showing streams in a notebook needs: pip install 'rxwizard[notebook]'"
        raise ConfigError(message)
