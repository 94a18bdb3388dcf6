"""The live dashboard: `cascade view`."""

from __future__ import annotations

import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated

from experiments.commands import kernels
from experiments.commands.app import DONE, BadInput, app
from experiments.commands.given import load, opened, writable
from experiments.commands.options import LARGEST_SEED, Files, Number, Settings, bare


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
    faults = []
    if not 0 <= port <= 65535:
        faults.append(f"--port: given {port}, expected a whole number between 0 and 65535")
    if not 0 <= seed <= LARGEST_SEED:
        faults.append(f"--seed: given {seed}, expected a whole number between 0 and {LARGEST_SEED}")
    if find_spec("panel") is None:
        faults.append("view needs Panel, which is not installed; pip install 'CascadeLab[view]' brings it")
    if faults:
        raise BadInput(faults)
    from experiments import run as runs

    folder = Path(what)
    run = None
    if folder.is_dir():
        run = opened(folder)
        name = run.name.replace(" ", "-")
        scenario, seed = load(str(run.folder / "config.toml"), settings, files), run.seed
        assert runs.is_run(run.folder)
    else:
        name = folder.stem
        scenario = load(what, ("record.fills=true", *settings), files)
    writable(out)
    if run is None:
        kernels.compiled()
    from experiments.dashboard.server import serve
    from experiments.dashboard.session import Session

    session = Session(name, scenario, seed, tuple(files), out, run)

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
