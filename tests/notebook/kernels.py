"""A real kernel, and a front end that sees what its cells show."""

from __future__ import annotations

import time
from contextlib import contextmanager
from pathlib import Path
from queue import Empty
from typing import TYPE_CHECKING, Any

from jupyter_client.manager import start_new_kernel

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from jupyter_client.blocking.client import BlockingKernelClient
    from jupyter_client.manager import KernelManager

ROOT = Path(__file__).parent.parent.parent
#: Seconds after which a kernel that says nothing is given up.
PATIENCE = 30

WIDGET = "application/vnd.jupyter.widget-view+json"


class Cell:
    """What stands below a cell: its outputs, in their order, as they are now."""

    def __init__(self, message_id: str) -> None:
        self.id = message_id
        self.outputs: dict[str, dict[str, Any]] = {}
        #: The text of all outputs, after each message that changed one.
        self.history: list[str] = []
        self.printed = ""
        self.error = ""
        self.is_done = False
        #: Comms of buttons that are open.
        self.buttons: list[str] = []

    @property
    def html(self) -> str:
        return "".join(data.get("text/html", "") for data in self.outputs.values())

    def take(self, kind: str, content: dict[str, Any]) -> None:
        if kind in ("display_data", "update_display_data", "execute_result"):
            self.outputs[content.get("transient", {}).get("display_id", "")] = content["data"]
            self.history.append(self.html)
        elif kind == "stream":
            self.printed += content["text"]
        elif kind == "error":
            self.error = content["ename"]
        elif kind == "comm_open" and content["data"]["state"].get("_model_name") == "ButtonModel":
            self.buttons.append(content["comm_id"])
        elif kind == "comm_close" and content["comm_id"] in self.buttons:
            self.buttons.remove(content["comm_id"])
        elif kind == "status" and content["execution_state"] == "idle":
            self.is_done = True


class FrontEnd:
    """Runs cells, and does what a person at a browser would."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self._manager = manager
        self._client = client

    def start(self, code: str) -> Cell:
        return Cell(self._client.execute(code))

    def run(self, code: str) -> Cell:
        cell = self.start(code)
        self.until(cell, lambda: cell.is_done)
        return cell

    def until(self, cell: Cell, condition: Callable[[], object]) -> None:
        """Take messages until something is true of a cell."""
        deadline = time.monotonic() + PATIENCE
        while not condition():
            try:
                message = self._client.get_iopub_msg(timeout=deadline - time.monotonic())
            except Empty:
                raise AssertionError(f"it does not come to that: {cell.html}") from None
            if message["parent_header"].get("msg_id") == cell.id:
                cell.take(message["msg_type"], message["content"])

    def click(self, cell: Cell, *, subshell: str | None = None) -> None:
        data = {"method": "custom", "content": {"event": "click"}}
        message = self._client.session.msg("comm_msg", {"comm_id": cell.buttons[-1], "data": data})
        if subshell is not None:
            message["header"]["subshell_id"] = subshell
        self._client.shell_channel.send(message)

    def subshell(self) -> str:
        """Make a subshell, as JupyterLab does for the messages of widgets."""
        message = self._client.session.msg("create_subshell_request", {})
        self._client.control_channel.send(message)
        subshell: str = self._client.get_control_msg(timeout=PATIENCE)["content"]["subshell_id"]
        return subshell

    def interrupt(self) -> None:
        self._manager.interrupt_kernel()


@contextmanager
def front_end() -> Iterator[FrontEnd]:
    manager, client = start_new_kernel(cwd=str(ROOT / "tests"), kernel_name="python3")
    try:
        yield FrontEnd(manager, client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
