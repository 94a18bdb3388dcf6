"""A run saved in the middle: everything that its later steps depend on, and its record so far.

Arrays and plain values only, no pickle. `restore` needs a model built from the same scenario and seed by the same
version of the program; then the run goes on bit by bit as if it had never stopped.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from abm.model import CascadeModel

VERSION = 6


def snapshot(model: CascadeModel) -> dict[str, Any]:
    """Everything that a run needs to go on: arrays, numbers and texts, in dicts by name."""
    return {
        "version": VERSION,
        "seed": model.seed_number,
        "step": model.step_number,
        "now": model.now,
        "tables": model.state.arrays(),
        "minted": np.array(model.accounts.minted),
        "delay": np.array(model.gateway_delays),
        "withdrawals": np.array(model.withdrawals_open),
        "network": model.network.snapshot(),
        "loans": model.loans.snapshot(),
        "memory": {p.name: p.state() for p in model.participants},
        "heard": {name: np.array(me.heard()) for name, me in model.desks.items()},
        "heard_at": {name: np.array(me.heard_at()) for name, me in model.desks.items()},
        "reported": {k: np.array(v, np.float64) for k, v in model.datacollector.model_vars.items()},
        "record": {} if model.recorder is None else model.recorder.snapshot(),
    }


def restore(model: CascadeModel, saved: Mapping[str, Any]) -> None:
    """Take over a snapshot.

    Raises:
        ValueError: it is of another version, another seed, other participants, or has a record where the model keeps
            none.
    """
    if saved.get("version") != VERSION:
        raise ValueError(f"snapshot version {saved.get('version')!r}, {VERSION} expected")
    if saved["seed"] != model.seed_number:
        raise ValueError(f"snapshot of seed {saved['seed']}, {model.seed_number} expected")
    if set(saved["memory"]) != {p.name for p in model.participants}:
        raise ValueError("snapshot of other participants than the scenario's")
    if bool(saved["record"]) != (model.recorder is not None):
        raise ValueError("snapshot with a record for a model without, or the other way round")
    model.programme.restore(model, int(saved["now"]))
    model.state.load(saved["tables"])
    model.accounts.minted = np.array(saved["minted"])
    model.step_number = model.steps = int(saved["step"])
    model.gateway_delays = np.array(saved["delay"])
    model.withdrawals_open = np.array(saved["withdrawals"])
    model.network.restore(saved["network"])
    model.loans.restore(saved["loans"])
    for participant in model.participants:
        participant.restore(saved["memory"][participant.name])
    for name, me in model.desks.items():
        me.remember(saved["heard"][name], saved["heard_at"][name])
    for name, values in saved["reported"].items():
        model.datacollector.model_vars[name] = values.tolist()
    if model.recorder is not None:
        model.recorder.restore(saved["record"])
    model.forget_views()
