"""The server of the dashboard: one session, as many tabs as there are, on this machine alone."""

from __future__ import annotations

import socket
from collections.abc import Callable

import panel as pn
from tornado.ioloop import IOLoop

from experiments.dashboard.page import EVERY, Page
from experiments.dashboard.session import Session

LOCAL = "127.0.0.1"


def serve(session: Session, port: int, ready: Callable[[str], None]) -> None:
    """Serve pages until the process is interrupted.

    Args:
        session: what they show.
        port: 0 = any that is free.
        ready: told the address when pages can be opened.

    Raises OSError where the port is taken.
    """
    pn.extension(notifications=False)

    def page() -> pn.Template:
        asked = pn.state.session_args.get("look", [b"light"])
        made = Page(session, asked[0] == b"dark")
        # only what is drawn may be changed: a control put in the place of one that a browser is just building is
        # not seen, and what is typed into the old one is heard by nobody
        pn.state.onload(lambda: pn.state.add_periodic_callback(made.look, period=EVERY))
        return made.document()

    port = port or _free()
    server = pn.serve(
        {"/": page}, port=port, address=LOCAL, show=False, start=False, title="CascadeLab", admin=False, verbose=False,
        websocket_origin=[f"{LOCAL}:{port}", f"localhost:{port}"], session_token_expiration=86400,
    )  # fmt: skip
    server.start()
    IOLoop.current().add_callback(ready, f"http://{LOCAL}:{port}/")
    try:
        server.io_loop.start()
    finally:
        server.stop()


def _free() -> int:
    """A port that nobody listens on: pages may speak to it alone, so it must be known before there is a server."""
    with socket.socket() as one:
        one.bind((LOCAL, 0))
        port: int = one.getsockname()[1]
        return port
