"""A JupyterLab of its own, and a notebook that a browser has opened in it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from browser import Page

#: Seconds in which what is waited for must come true.
PATIENCE = 60
# Seconds after which a look at the page begins anew: the driver gives up a script after thirty.
_LOOK = 10

# Nothing is asked of the network or of a person, and no cell is left out for not being in sight.
_CONFIG = {
    "ServerApp": {
        "ip": "127.0.0.1",
        "open_browser": False,
        "terminals_enabled": False,
        "jpserver_extensions": {"jupyter_lsp": False, "jupyter_server_terminals": False},
    },
    "LabApp": {
        "expose_app_in_browser": True,
        "extension_manager": "readonly",
        "news_url": None,
    },
}
_SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "notebook-extension/tracker": {"windowingMode": "none"},
}

_FIND = "const cell = document.querySelectorAll('.jp-CodeCell')[%d];"

# Looks again whenever anything in the page changes.
_UNTIL = """
return new Promise(resolve => {
    const holds = () => Boolean((() => { %s })());
    if (holds()) return resolve(true);
    const end = () => { seen.disconnect(); clearTimeout(timer); resolve(holds()); };
    const seen = new MutationObserver(() => holds() && end());
    const timer = setTimeout(end, %d);
    seen.observe(document, {
        subtree: true, childList: true, characterData: true, attributes: true,
    });
});
"""

_RECORD = """
window.shown = [];
new MutationObserver(() => {
    const answer = cell.querySelector('.jp-RenderedHTMLCommon');
    const text = answer ? answer.textContent : '';
    if (text !== window.shown.at(-1)) window.shown.push(text);
}).observe(cell, {subtree: true, childList: true, characterData: true});
"""


class Notebook:
    """A notebook in the page; its code cells are counted from 0."""

    def __init__(self, page: Page) -> None:
        self._page = page

    async def open(self, url: str) -> None:
        """Open it, and wait until its kernel answers."""
        await self._page.open(url)
        await self._until(
            "return window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel"
        )
        # What is run before the kernel is there brings up a dialog.
        await self._page.run(
            "const context = window.jupyterapp.shell.currentWidget.sessionContext;"
            "return context.ready.then(() => context.session.kernel.info).then(() => true);"
        )

    async def clear(self) -> None:
        """Take all outputs away."""
        await self._command("notebook:clear-all-cell-outputs")

    async def run(self, cell: int) -> None:
        """Run one cell; this does not wait for its end."""
        await self._page.run(
            "const content = window.jupyterapp.shell.currentWidget.content;"
            f"{_FIND % cell}"
            "content.activeCellIndex = content.widgets.findIndex(one => one.node === cell);"
        )
        await self._command("notebook:run-cell")

    async def run_all(self) -> None:
        """Run all cells; this does not wait for their end."""
        await self._command("notebook:run-all-cells")

    async def _command(self, name: str) -> None:
        await self._page.run(f"window.jupyterapp.commands.execute('{name}');")

    async def record(self, cell: int) -> None:
        """Record each text of the answer below a cell that was there to be painted."""
        await self._page.run(_FIND % cell + _RECORD)

    async def recorded(self) -> list[str]:
        shown: list[str] = await self._page.run("return window.shown;")
        return shown

    async def output(self, cell: int) -> str:
        """Give all text below a cell."""
        text: str = await self._page.run(
            _FIND % cell + "return cell.querySelector('.jp-Cell-outputWrapper').textContent;"
        )
        return text

    async def errors(self) -> list[str]:
        """Give the errors that stand below cells."""
        errors: list[str] = await self._page.run(
            "const kind = '[data-mime-type=\"application/vnd.jupyter.error\"]';"
            "return [...document.querySelectorAll(kind)].map(error => error.textContent);"
        )
        return errors

    async def until_shown(self, cell: int, text: str) -> None:
        """Wait until a text stands below a cell."""
        look = f"return cell.textContent.includes({text!r});"
        await self._until(_FIND % cell + look)

    async def until_run(self, cell: int) -> None:
        """Wait until a cell has come to its end."""
        look = "return /\\d/.test(cell.querySelector('.jp-InputPrompt').textContent);"
        await self._until(_FIND % cell + look)

    async def press_stop(self, cell: int) -> None:
        """Press the button below a cell as soon as there is one."""
        button = "cell.querySelector('.jp-OutputArea button.jupyter-button:not([disabled])')"
        await self._until(f"{_FIND % cell} return {button};")
        await self._page.run(f"{_FIND % cell} {button}.click();")

    async def _until(self, look: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                while not await self._page.run(_UNTIL % (look, _LOOK * 1000)):
                    pass
        except TimeoutError:
            text = await self._page.run("return document.body.innerText;")
            pytest.fail(f"the page does not come to {look}; it shows:\n{text}")


@asynccontextmanager
async def jupyter_lab(books: Path, home: Path, **environment: str) -> AsyncIterator[str]:
    """Serve notebooks on loopback; give the address, in which "{}" is the path of one.

    Args:
        books: The folder with the notebooks.
        home: An empty folder for all that JupyterLab reads and writes: nothing of the person's own
            is used.
        environment: More variables, for the kernels too.
    """
    for module in ("jupyterlab", "ipywidgets"):
        pytest.importorskip(module, reason=f"this test needs JupyterLab: pip install {module}")
    token = secrets.token_hex(16)
    server = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "jupyterlab", "--port=0", "--allow-root"),
        cwd=books,
        env={**os.environ, **_folders(home), "JUPYTER_TOKEN": token, **environment},
        stderr=asyncio.subprocess.PIPE,
    )
    assert server.stderr is not None
    try:
        port = await _port(server.stderr)
        # What it says later has to be read, or it would wait for that.
        reading = asyncio.create_task(server.stderr.read())
        yield f"http://127.0.0.1:{port}/doc/tree/{{}}?token={token}"
    finally:
        server.terminate()  # it ends its kernels before itself
        async with asyncio.timeout(PATIENCE):
            await server.wait()
    await reading


def _folders(home: Path) -> dict[str, str]:
    names = ("CONFIG", "DATA", "RUNTIME")
    folders = {f"JUPYTER_{name}_DIR": home / name.lower() for name in names}
    folders |= {
        f"JUPYTERLAB_{name}_DIR": home / name.lower() for name in ("SETTINGS", "WORKSPACES")
    }
    _write(folders["JUPYTER_CONFIG_DIR"] / "jupyter_server_config.json", _CONFIG)
    for name, settings in _SETTINGS.items():
        path = folders["JUPYTERLAB_SETTINGS_DIR"] / f"@jupyterlab/{name}.jupyterlab-settings"
        _write(path, settings)
    return {name: str(path) for name, path in folders.items()} | {"IPYTHONDIR": str(home)}


def _write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


async def _port(log: asyncio.StreamReader) -> str:
    """Wait until it says where it listens."""
    lines: list[str] = []
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            async for line in log:
                lines.append(line.decode())
                if found := re.search(r"http://127\.0\.0\.1:(\d+)/", lines[-1]):
                    return found[1]
    pytest.fail(f"JupyterLab does not listen: {''.join(lines)}")
