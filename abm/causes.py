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
    "transfer_sent",
    "transfer_arrived",
    "withdrawals_stopped",
    "withdrawals_opened",
    "news",
    "limit_hit",
    "absorption",
    "conversion",
    "halted",
    "resumed",
    "transfer_returned",
    "loan",
    "loan_repaid",
    "loan_recalled",
    "loan_forfeited",
)
E_LIQUIDATION, E_TAKEOVER, E_ADL, E_DEFICIT, E_BANKRUPTCY, E_FUNDING = 1, 2, 3, 4, 5, 6
E_ABSORPTION = EVENT_KINDS.index("absorption")
E_CONVERSION = EVENT_KINDS.index("conversion")

CAUSES = (
    "decision",
    "liquidation",
    "adl",
    "hedge",
    "disposal",
    "stop",
    "news",
    "arbitrage",
    "quote",
    "conversion",
)
C_LIQUIDATION, C_ADL = 1, 2
C_CONVERSION = CAUSES.index("conversion")
