"""The live dashboard: `cascade view`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from experiments.commands import kernels
from experiments.commands.app import DONE, BadInput, app
from experiments.commands.given import load, opened, outside, writable
from experiments.commands.options import LARGEST_SEED, Files, Number, Settings, bare

if TYPE_CHECKING:
    from experiments.dashboard.session import Session


@app.command
def view(
    what: str,
    /,
    *,
    seed: Number = 1,
    settings: Settings = (),
    files: Files = (),
    port: Number = 5006,
    show: Annotated[bool, bare("open it in the browser")] = False,
    out: Path = Path("runs/view"),
) -> int:
    """Watch a scenario live in the browser, on this machine alone: play, pause, change, branch, ask about accounts.

    Parameters
    ----------
    what
        A scenario (a name or a TOML file), or the folder of a finished run.
    seed
        Seed of all draws.
    port
        Where the page is served, http://127.0.0.1:PORT/; 0 takes any that is free.
    out
        Folder for exported scenarios and runs.
    """
    faults = [*outside(0, 65535, port=port), *outside(0, LARGEST_SEED, seed=seed)]
    if find_spec("panel") is None:
        faults.append("view needs Panel, which is not installed; pip install 'CascadeLab[view]' brings it")
    if faults:
        raise BadInput(faults)
    from experiments.dashboard.server import serve

    session = _session(what, seed, settings, files, out)

    def ready(address: str) -> None:
        print(f"{address}  (Ctrl-C ends it)", flush=True)
        if show:
            import webbrowser

            webbrowser.open(address)

    try:
        serve(session, port, ready)
    except OSError as error:
        raise BadInput([f"--port: {port} cannot be served on: {error.strerror}"]) from error
    except KeyboardInterrupt:
        print("", file=sys.stderr)
    finally:
        session.close()
    return DONE


def _session(what: str, seed: int, settings: Sequence[str], files: Sequence[Path], out: Path) -> Session:
    """A session of a scenario, or of the scenario of a finished run, which is there to be looked at."""
    folder = Path(what)
    if folder.is_dir():
        run = opened(folder)
        name, seed = run.name.replace(" ", "-"), run.seed
        scenario = load(str(run.folder / "config.toml"), settings, files)
        writable(out)
    else:
        run, name = None, folder.stem
        scenario = load(what, ("record.fills=true", *settings), files)
        writable(out)
        kernels.compiled()
    from experiments.dashboard.session import Session

    return Session(name, scenario, seed, tuple(files), out, run)
