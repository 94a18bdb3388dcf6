"""The command line. Its verbs are in `experiments.commands`.

Every verb takes --json (one JSON document on stdout, nothing else) and --quiet (nothing but errors).
Exit codes: 0 done, 1 failed, 2 bad input (every fault one line on stderr), 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError

from experiments.commands import (  # noqa: F401  most name their verbs
    calibrate,
    evidence,
    looking,
    network,
    october,
    output,
    reading,
    run,
    scenario,
    sweep,
    validate,
    venues,
    view,
    year,
)
from experiments.commands.app import BAD_INPUT, DONE, FAILED, INTERRUPTED, BadInput, app


def main(arguments: Sequence[str] | None = None) -> None:
    """Entry point of the command `cascade`."""
    sys.exit(answer(sys.argv[1:] if arguments is None else arguments))


def answer(arguments: Sequence[str]) -> int:
    """Run one command line; its exit code."""
    words, as_json, quiet = output.switches(arguments)
    try:
        with output.spoken(as_json, quiet):
            return _answer(words)
    except BrokenPipeError:  # the reader of a pipe has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE


def _answer(words: Sequence[str]) -> int:
    try:
        code = app(list(words), exit_on_error=False, print_error=False, result_action="return_value")
        sys.stdout.flush()
        return code if isinstance(code, int) else DONE
    except KeyboardInterrupt:
        output.fault("interrupted; what was finished is kept and is not run again")
        return INTERRUPTED
    except CycloptsError as error:
        verb = " ".join(["cascade", *(error.command_chain or ())])
        output.fault(f"{' '.join(str(error).split())} (see {verb} --help)")
        return BAD_INPUT
    except BadInput as error:
        for fault in error.faults:
            output.fault(fault)
        return BAD_INPUT
    except BrokenPipeError:
        raise
    except OSError as error:
        output.fault(str(error))
        return FAILED


if __name__ == "__main__":
    main()
