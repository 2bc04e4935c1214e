"""Where there is no notebook: text on the standard output."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rxwizard.notebook.page import Bundle


class Printed:
    """Writes what is new since it was shown last; what is written cannot be taken back.

    Where something else is shown than what was only longer, a line says so.
    """

    def __init__(self) -> None:
        self._written = ""

    def show(self, bundles: Sequence[Bundle], /) -> int:
        """Show the text of these, one below the other; give the characters that were written."""
        text = "".join(bundle["text/plain"] for bundle in bundles)
        if text.startswith(self._written):
            new = text[len(self._written) :]
        else:
            new = f"\n(starting anew; the above no longer counts)\n{text}"
        self._written = text
        if new:
            sys.stdout.write(new)
            sys.stdout.flush()
        return len(new)
