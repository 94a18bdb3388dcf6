"""Names of what happens and of why: the kinds of events and the causes of orders, coded by their place here."""

from __future__ import annotations

EVENT_KINDS = (
    "none",
    "liquidation",
    "takeover",
    "adl",
    "deficit",
    "bankruptcy",
    "funding",
    "disposal",
    "conversion",
    "transfer_sent",
    "transfer_arrived",
    "halt",
    "resume",
    "withdrawals_stopped",
    "withdrawals_opened",
    "news",
    "limit_hit",
)
E_LIQUIDATION, E_TAKEOVER, E_ADL, E_DEFICIT, E_BANKRUPTCY, E_FUNDING = 1, 2, 3, 4, 5, 6

CAUSES = (
    "decision",
    "liquidation",
    "adl",
    "hedge",
    "disposal",
    "conversion",
    "topup",
    "stop",
    "news",
    "arbitrage",
    "quote",
    "funding",
)
C_LIQUIDATION, C_ADL = 1, 2
