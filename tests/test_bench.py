"""Claims about the measuring itself: what is compared does the same work, and a miss shows as a miss."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from tests.bench.book import Contest
from tests.bench.line import Line
from tests.bench.reference import Reference
from tests.bench.streams import CANCEL, LIMIT, MARKET, near_touch

compiler = pytest.mark.skipif(
    shutil.which("gcc") is None and shutil.which("cc") is None, reason="no C compiler"
)


@compiler
def test_the_c_reference_makes_the_engines_tape_and_accounts() -> None:
    contest = Contest(30_000, 500)
    s = contest.engine.model.state
    contest.batch()
    book = Reference(contest.engine.messages, s.count("rows"), len(s.refs), s.books[0], stp=True)
    book.process(0, len(contest.stream))
    tape = book.tape()
    ours = s.fills[: s.count("fills")]
    assert len(tape) > 3_000
    for field in ("price", "qty", "cause", "maker", "taker", "side"):
        assert np.array_equal(tape[field], ours[field]), field
    held = s.positions[: s.count("positions")]
    lots = [book.lib.book_lots(book.book, int(row)) for row in held["row"]]
    assert lots == held["qty"].tolist() and any(lots)
    opening = 10**12  # a million dollars each, in units
    for h in s.holdings[: s.count("holdings")]:
        if h["asset"] == 0 and h["row"] >= contest.engine.rows[0]:
            assert book.lib.book_cash(book.book, int(h["row"])) == int(h["amount"]) - opening
    book.close()


def test_one_order_a_call_and_a_batch_are_the_same_market() -> None:
    contest = Contest(20_000, 500)
    contest.batch()
    contest.one_by_one()
    contest.check()


def test_tapes_that_differ_stop_the_bench() -> None:
    contest = Contest(2_000, 500)
    contest.batch()
    contest.tapes["another"] = "another"
    with pytest.raises(AssertionError, match="tapes differ"):
        contest.check()


def test_the_stream_is_what_it_says() -> None:
    stream = near_touch(50_000, 1_000)[1_000:]
    shares = [np.mean(stream["op"] == op) for op in (LIMIT, CANCEL, MARKET)]
    assert np.allclose(shares, [0.5, 0.4, 0.1], atol=0.01)
    contest = Contest(50_000, 1_000)
    contest.batch()
    assert 700 < int(contest.engine.model.state.books["resting"][0]) < 1_300


def test_a_miss_shows_as_a_miss() -> None:
    assert Line("a", 9.0, least=10.0).verdict == "**MISS**"
    assert Line("a", 10.0, least=10.0).verdict == "pass"
    assert Line("a", 1.31, most=1.3).verdict == "**MISS**"
    assert Line("a", 3.0, least=0.5, most=2.0).verdict == "**MISS**"
    assert Line("a", None, least=10.0).verdict == "not measured"
