"""The participants: one species a file, each a short rule over its own accounts and the public market.

`SPECIES` is the whole table of built-in species: the name in a scenario file and the class. A new species is a
file beside these and a line here.
"""

from agents.arbitrageur import Arbitrageur
from agents.exchange import Exchange
from agents.fundamentalist import Fundamentalist
from agents.hedger import Hedger
from agents.leveraged_long import LeveragedLong
from agents.leveraged_short import LeveragedShort
from agents.market_maker import MarketMaker
from agents.noise import Noise
from agents.value import Value
from agents.withdrawer import Withdrawer

SPECIES = {
    "arbitrageur": Arbitrageur,
    "exchange": Exchange,
    "fundamentalist": Fundamentalist,
    "hedger": Hedger,
    "leveraged_long": LeveragedLong,
    "leveraged_short": LeveragedShort,
    "market_maker": MarketMaker,
    "noise": Noise,
    "value": Value,
    "withdrawer": Withdrawer,
}

__all__ = ["SPECIES"]
