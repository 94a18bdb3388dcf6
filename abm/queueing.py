"""Queues and block fees as formulas: what the network's stations must agree with in calm times.

Times are in units of 1 / the rates given. Sources: M/M/1, Erlang's delay formula and Pollaczek-Khinchine as in any text
on queues; the base fee of EIP-1559.
"""

from __future__ import annotations


def _load(arrivals: float, service: float, servers: int = 1) -> float:
    """Load of a station. Raises ValueError if its queue would grow without end."""
    if arrivals < 0 or service <= 0 or servers < 1 or arrivals >= servers * service:
        raise ValueError(
            f"{arrivals} arrivals for {servers} servers of rate {service}: fewer than they serve expected"
        )
    return arrivals / (servers * service)


def mm1_time(arrivals: float, service: float) -> float:
    """Mean time in an M/M/1 station, wait and service: 1 / (service - arrivals)."""
    _load(arrivals, service)
    return 1.0 / (service - arrivals)


def erlang_c(arrivals: float, service: float, servers: int) -> float:
    """Probability that a job finds all servers of an M/M/c station busy, by the recursion of Erlang's loss formula."""
    load = _load(arrivals, service, servers)
    offered = arrivals / service
    lost = 1.0
    for k in range(1, servers + 1):
        lost = offered * lost / (k + offered * lost)
    return lost / (1.0 - load * (1.0 - lost))


def mmc_wait(arrivals: float, service: float, servers: int) -> float:
    """Mean wait before service in an M/M/c station."""
    return erlang_c(arrivals, service, servers) / (servers * service - arrivals)


def mg1_wait(arrivals: float, mean: float, second: float) -> float:
    """Mean wait before service in an M/G/1 station (Pollaczek-Khinchine).

    Args:
        mean, second: first and second moment of the service time.
    """
    load = _load(arrivals, 1.0 / mean)
    return arrivals * second / (2.0 * (1.0 - load))


def md1_wait(arrivals: float, service: float) -> float:
    """Mean wait before service in an M/D/1 station: all services take 1 / service."""
    return mg1_wait(arrivals, 1.0 / service, 1.0 / service**2)


def base_fee(fee: float, used: float, target: float = 0.5, blocks: int = 1) -> float:
    """Base fee after blocks that are all filled alike (EIP-1559): at most an eighth more or less a block.

    Args:
        fee: any unit. used, target: shares of a block; at the target the fee stays.
    """
    return float(fee * (1.0 + (used - target) / target / 8.0) ** blocks)


def next_base_fee(fee: int, used: int, target: int) -> int:
    """Base fee of the next block in whole wei, rounded as Ethereum does; a rise is one wei at least."""
    if used == target:
        return fee
    change = fee * abs(used - target) // target // 8
    return fee + max(1, change) if used > target else fee - change
