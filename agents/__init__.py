"""The participants: one species a file, each a short rule over its own accounts and the public market.

`SPECIES` is the whole table of built-in species: the name in a scenario file and the class. A new species is a
file beside these and a line here.
"""

from agents.arbitrageur import Arbitrageur
from agents.dealer import Dealer
from agents.exchange import Exchange
from agents.fundamentalist import Fundamentalist
from agents.hedger import Hedger
from agents.intermediary import Intermediary
from agents.lender import Lender
from agents.leverage_target import LeverageTarget
from agents.leveraged_long import LeveragedLong
from agents.leveraged_short import LeveragedShort
from agents.looper import Looper
from agents.market_maker import MarketMaker
from agents.metaorders import Metaorders
from agents.noise import Noise
from agents.overlapping_fund import OverlappingFund
from agents.payments import Payments
from agents.probe import Probe
from agents.redeemer import Redeemer
from agents.trend import Trend
from agents.value import Value
from agents.value_fund import ValueFund
from agents.withdrawer import Withdrawer
from agents.zero_intelligence import ZeroIntelligence

SPECIES = {
    "arbitrageur": Arbitrageur,
    "dealer": Dealer,
    "exchange": Exchange,
    "fundamentalist": Fundamentalist,
    "hedger": Hedger,
    "intermediary": Intermediary,
    "lender": Lender,
    "leverage_target": LeverageTarget,
    "leveraged_long": LeveragedLong,
    "leveraged_short": LeveragedShort,
    "looper": Looper,
    "market_maker": MarketMaker,
    "metaorders": Metaorders,
    "noise": Noise,
    "overlapping_fund": OverlappingFund,
    "payments": Payments,
    "probe": Probe,
    "redeemer": Redeemer,
    "trend": Trend,
    "value": Value,
    "value_fund": ValueFund,
    "withdrawer": Withdrawer,
    "zero_intelligence": ZeroIntelligence,
}

__all__ = ["SPECIES"]
