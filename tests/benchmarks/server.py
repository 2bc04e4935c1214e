"""A server in a process of its own, so that its work is not counted as the client's."""

from __future__ import annotations

import multiprocessing
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: Bytes to an HTTP chunk. Large, because parsing small ones would raise the floor as well as what
#: stands on it, and make the ratio look better than it is.
_HTTP_CHUNK = 16 * 1024


@contextmanager
def serving(bodies: dict[str, bytes], paces: dict[str, float] | None = None) -> Iterator[str]:
    """Serve each body at the path of its name; give the server's URL.

    Args:
        bodies: What to answer to a POST whose path ends with the name.
        paces: Events a second, for those that are to be sent event by event.
    """
    spawn = multiprocessing.get_context("spawn")
    mine, theirs = spawn.Pipe()
    process = spawn.Process(target=_serve, args=(theirs, bodies, paces or {}), daemon=True)
    process.start()
    try:
        yield f"http://127.0.0.1:{mine.recv()}"
    finally:
        process.terminate()
        process.join()
        mine.close()
        theirs.close()


def _serve(pipe: object, bodies: dict[str, bytes], paces: dict[str, float]) -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=512)
    pipe.send(listener.getsockname()[1])  # type: ignore[attr-defined]
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_answer, args=(connection, bodies, paces), daemon=True).start()


def _answer(connection: socket.socket, bodies: dict[str, bytes], paces: dict[str, float]) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        while True:
            path = _read_request(connection)
            name = next((name for name in bodies if path.startswith(f"/{name}")), None)
            if name is None:
                return
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                b"Transfer-Encoding: chunked\r\n\r\n"
            )
            body = bodies[name]
            if name in paces:
                _send_paced(connection, body, 1 / paces[name])
            else:
                for start in range(0, len(body), _HTTP_CHUNK):
                    _send_chunk(connection, body[start : start + _HTTP_CHUNK])
            connection.sendall(b"0\r\n\r\n")
    except OSError:
        return
    finally:
        connection.close()


def _send_chunk(connection: socket.socket, data: bytes) -> None:
    connection.sendall(b"%x\r\n%b\r\n" % (len(data), data))


def _send_paced(connection: socket.socket, body: bytes, seconds: float) -> None:
    due = time.monotonic()
    for event in body.split(b"\n\n")[:-1]:
        _send_chunk(connection, event + b"\n\n")
        due += seconds
        if (early := due - time.monotonic()) > 0:
            time.sleep(early)


def _read_request(connection: socket.socket) -> str:
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65536)
        if not more:
            raise ConnectionResetError
        data += more
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next(
        int(line.split(b":")[1])
        for line in head.lower().split(b"\r\n")
        if b"content-length:" in line
    )
    while len(rest) < length:
        rest += connection.recv(65536)
    return head.split(b" ")[1].decode()
