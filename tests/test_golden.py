"""Three small markets give today what they gave when somebody last looked: to the bit with the same libraries, and
with any libraries twice the same.

A change of behaviour that is meant is confirmed by `make golden`, which says what has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests import golden

HAPPENS = {
    "calm": {"news": 1},
    "cascade": {"news": 1, "liquidation": 100, "takeover": 20, "adl": 100, "bankruptcy": 10, "deficit": 1},
    "money": {
        "news": 2, "transfer_sent": 50, "transfer_arrived": 50, "withdrawals_stopped": 1, "withdrawals_opened": 1,
        "funding": 2, "liquidation": 5, "takeover": 5,
    },
}  # fmt: skip


def test_every_scenario_of_the_folder_is_kept_and_asked_for_something() -> None:
    assert golden.NAMES == sorted(HAPPENS) == sorted(golden.kept()["scenarios"])


@pytest.mark.parametrize("name", golden.NAMES)
def test_a_small_market_is_what_it_was(name: str) -> None:
    now, kept = golden.run(name), golden.kept()
    short = {kind: least for kind, least in HAPPENS[name].items() if now["events"].get(kind, 0) < least}
    assert short == {}, f"too little happens in {name} to prove anything"
    if golden.here() != kept["made with"]:  # other libraries round otherwise: then only twice the same
        kept = {"scenarios": {name: golden.run(name)}}
    assert golden.changes(kept["scenarios"][name], now) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", golden.NAMES)
def test_checking_conservation_after_every_phase_changes_nothing(name: str) -> None:
    assert golden.changes(golden.run(name), golden.run(name, check=True)) == []


def test_renewing_says_what_has_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.setattr(golden, "FILE", tmp_path / "digests.json")
    monkeypatch.setattr(golden, "NAMES", ["one"])
    results = results_of_a_change()
    monkeypatch.setattr(golden, "run", lambda name: next(results))
    assert "one: new" in golden.renew()
    assert golden.renew() == []
    assert golden.renew() == [
        "one: events: adl 0 -> 3",
        "one: columns: 1 of 2 differ: steps/books.last",
        "one: digest: aaaa -> bbbb",
    ]


def results_of_a_change() -> Iterator[dict[str, Any]]:
    first: dict[str, Any] = {
        "digest": "aaaa", "state": "ssss", "events": {"news": 1}, "marks at the end": {"alpha:BTC-PERP": 1.5},
        "columns": {"steps/books.last": "1", "steps/books.bid": "2"},
    }  # fmt: skip
    yield first
    yield first
    columns = first["columns"] | {"steps/books.last": "3"}
    yield first | {"digest": "bbbb", "events": {"news": 1, "adl": 3}, "columns": columns}
