"""Figures of a run: pure functions from runs to matplotlib Figures, one style, no global state.

`overview` draws any scenario on one page, `GALLERY` names the figures that look at one thing each, `october` writes the
figures of the event beside the real data. What a run does not hold is said in the figure, with the setting that records
it. `with drawing.look(dark=True):` draws on a dark page.
"""

from experiments.figures.event import PANELS as PANELS
from experiments.figures.event import asks as asks
from experiments.figures.event import bids as bids
from experiments.figures.event import btc_path as btc_path
from experiments.figures.event import deleveraging as deleveraging
from experiments.figures.event import fund_equity as fund_equity
from experiments.figures.event import gap as gap
from experiments.figures.event import liquidations as liquidations
from experiments.figures.event import october as october
from experiments.figures.event import october_page as october_page
from experiments.figures.event import one as one
from experiments.figures.gallery import GALLERY as GALLERY
from experiments.figures.gallery import gallery as gallery
from experiments.figures.overview import overview as overview
from experiments.figures.subject import main_coin as main_coin
