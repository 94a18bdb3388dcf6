"""A run that was saved and goes on elsewhere is bit by bit the run that never stopped."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from abm.model import CascadeModel
from abm.saving import VERSION
from experiments import config
from experiments.build import build
from tests.twins.market import state_hash

CALM, CASCADE, LATER = (
    150,
    536,
    600,
)  # steps of two_venues, burn-in included; accounts are liquidated at 512 to 603


def market(seed: int = 1) -> CascadeModel:
    return build(config.load("two_venues"), seed, record=False)


def to_bytes(saved: Mapping[str, Any]) -> tuple[bytes, str]:
    """A snapshot as it may lie on a disk: an archive of plain arrays, and JSON for the rest."""
    arrays: dict[str, np.ndarray] = {}

    def plain(value: Any, path: str) -> Any:
        if isinstance(value, Mapping):
            return {name: plain(item, f"{path}/{name}") for name, item in value.items()}
        if isinstance(value, np.ndarray):
            arrays[path] = value
            return {"array": path}
        assert value is None or type(value) in (bool, int, float, str), f"{path} is neither an array nor JSON"
        return value

    text = json.dumps(plain(saved, ""))
    file = io.BytesIO()
    np.savez(file, allow_pickle=False, **arrays)
    return file.getvalue(), text


def from_bytes(archive: bytes, text: str) -> dict[str, Any]:
    arrays = np.load(io.BytesIO(archive), allow_pickle=False)

    def full(value: Any) -> Any:
        if isinstance(value, dict):
            return (
                arrays[value["array"]] if set(value) == {"array"} else {k: full(v) for k, v in value.items()}
            )
        return value

    result: dict[str, Any] = full(json.loads(text))
    return result


def values(archive: bytes, kept: str = "") -> dict[str, bytes]:
    """What the arrays say, field by field: the padding between fields is nobody's."""
    out = {}
    with np.load(io.BytesIO(archive), allow_pickle=False) as arrays:
        for name in arrays.files:
            table = arrays[name]
            if not name.startswith(f"/{kept}"):
                continue
            for field in table.dtype.names or [""]:
                out[f"{name}.{field}"] = (table[field] if field else table).tobytes()
    return out


@pytest.fixture(scope="module")
def through() -> dict[int, tuple[str, tuple[bytes, str]]]:
    """Of a run that never stops: hash and snapshot at three times; taking them changes nothing (`untouched`)."""
    model = market()
    seen = {}
    for step in (CALM, CASCADE, LATER):
        model.run(step - model.step_number)
        seen[step] = state_hash(model.state), to_bytes(model.snapshot())
    assert model.now > 0
    return seen


def test_taking_a_snapshot_changes_nothing(through: dict[int, Any]) -> None:
    untouched = market()
    untouched.run(LATER)
    assert state_hash(untouched.state) == through[LATER][0]


@pytest.mark.parametrize("start", [CALM, CASCADE])
def test_a_run_goes_on_in_another_model_as_if_it_had_never_stopped(
    start: int, through: dict[int, Any]
) -> None:
    model = market()
    model.run(3)  # a model that has been somewhere else
    model.restore(from_bytes(*through[start][1]))
    assert state_hash(model.state) == through[start][0]
    model.run(LATER - start)
    assert state_hash(model.state) == through[LATER][0]
    archive, text = to_bytes(model.snapshot())
    assert text == through[LATER][1][1]
    for what in ("memory", "heard", "network", "delay", "withdrawals", "minted"):
        assert values(archive, what) == values(through[LATER][1][0], what), what


def test_the_snapshot_in_the_cascade_is_one_in_which_accounts_are_failing(through: dict[int, Any]) -> None:
    model = market()
    model.restore(from_bytes(*through[CASCADE][1]))
    total = 0.0
    for _ in range(20):
        model.step()
        total += model.liquidated
    assert total > 1e5, "US dollars liquidated in the 20 seconds after it"


def test_two_models_of_one_seed_have_one_snapshot_and_it_knows_no_address() -> None:
    one, two = market(), market()
    for model in (one, two):
        model.run(20)
    assert one.state.address != two.state.address
    tables = [model.state.arrays() for model in (one, two)]
    assert tables[0]["meta"].tobytes() == tables[1]["meta"].tobytes()
    (first, text), (second, same_text) = (to_bytes(model.snapshot()) for model in (one, two))
    assert text == same_text
    told, again = values(first), values(second)
    assert [name for name in told if told[name] != again[name]] == []


def test_another_seed_is_another_market() -> None:
    one, two = market(1), market(2)
    assert state_hash(one.state) != state_hash(two.state)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ({"version": 0}, f"snapshot version 0, {VERSION} expected"),
        ({"seed": 7}, "snapshot of seed 7, 1 expected"),
        ({"memory": {}}, "snapshot of other participants than the scenario's"),
        ({"record": {"steps": np.zeros(1)}}, "snapshot with a record for a model without"),
    ],
)
def test_a_snapshot_of_something_else_is_refused_and_changes_nothing(
    wrong: dict[str, Any], told: str
) -> None:
    model = market()
    before = state_hash(model.state)
    with pytest.raises(ValueError, match=told):
        model.restore(model.snapshot() | wrong)
    assert state_hash(model.state) == before
