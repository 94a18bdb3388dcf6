"""The README's picture of the dashboard: two_venues, branched with a fund for beta, played out, an account asked.

python -m tests.view_picture [PICTURE]      default: docs/img/look_view.png
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.browser import CHROMIUM, browser
from tests.test_dashboard_page import ROOT, play_out, ready, serving

PICTURE = ROOT / "docs" / "img" / "look_view.png"
WIDE, HIGH = 1680, 1880  # pixels of the window: all of the page, so that no chart is drawn in another size
RULE, BRANCHED = "venues.beta.fund.rule", "20:05:00"


def take(picture: Path) -> None:
    """Do with the mouse what README's caption says, and write what is seen."""
    with (
        tempfile.TemporaryDirectory() as home,
        serving(Path(home), "two_venues") as server,
        browser(Path(home) / "profile", WIDE, HIGH) as new,
    ):
        one = new()
        one.open(server.address)
        ready(one)
        play_out(one)
        one.type(".filter >>> input", RULE)
        one.choose(".at-venues-beta-fund-rule >>> select", "unlimited")
        one.wait("(text('.pending') || '').includes('unlimited')")
        one.choose(".moment >>> select", BRANCHED)
        one.click(".branch >>> button")
        one.wait(f"text('.clock') === '{BRANCHED}' && (text('.beside') || '').includes('unlimited')")
        play_out(one)
        one.wait("(text('.beside') || '').includes('until 20:15:00')")
        one.click(".closings >>> .slick-row:nth-child(2) .slick-cell")
        one.wait("(text('.story') || '').includes('what had moved that mark')")
        one.wait("!!deep('.account-chart >>> canvas') && (text('.standing') || '').includes('20:15:00')")
        one.run(
            "scrollTo(0, 0); new Promise(done => setTimeout(done, 2000))"
        )  # what takes turns has had its turn
        one.picture(picture)


if __name__ == "__main__":
    if CHROMIUM is None:
        print(
            "view_picture: no chromium to photograph the dashboard with; the old picture stays",
            file=sys.stderr,
        )
    else:
        take(Path(sys.argv[1]) if len(sys.argv) > 1 else PICTURE)
