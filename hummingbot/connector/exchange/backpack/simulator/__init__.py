"""An independent Backpack Exchange: a matching engine behind the venue's own REST and websocket interface.

In tests ``async with SimulatedBackpack(seed=7) as sim``, by hand ``python -m`` this package. It knows nothing of the
connector, so that a mistake in the one cannot hide in the other. ``api-doc/NOTES.md`` tells how sure each rule is.

==========================  ===========================================================================================
faithful
--------------------------  -------------------------------------------------------------------------------------------
signatures                  ED25519 over the canonical text, windows and timestamps, for every private call and stream
shapes                      keys sorted, nulls, stripped and padded decimals, units of time, plain-text and typed errors
order types                 Limit, Market by quantity or quoteQuantity; GTC, IOC, FOK; post-only; self-trade prevention
order life                  100 ms taker delay, price-time priority, filters and book states, lookup only while resting
streams                     depth raw and aggregated, trade, bookTicker, ticker, kline, account.orderUpdate,
                            account.balanceUpdate; silence instead of acknowledgements; error frames; pings
ids                         orders, trades and updates count up; depth updates leave no holes
funds                       locks, fees in what is received, lent funds apart and redeemed on request
--------------------------  -------------------------------------------------------------------------------------------
simplified
--------------------------  -------------------------------------------------------------------------------------------
order checks                prices are held against the last price, not against a mean mark price
fees                        one fixed tier per account
lending                     pays no interest; borrowing does not exist
collateral                  every asset counts in full at its last price
bookTicker                  at most one frame for all that one command did
tickers and candles         rolling windows move by minutes; the past is bounded (``statistics.py``)
caching                     answers are always fresh; the venue's CDN may be minutes late with markets
rate limits                 only with ``--rate-limit`` (the fault ``request_budget``): 2000 a minute for an account
mirrored markets            users' orders stand behind all that the venue shows (``mirrored_market.py``); no past trades
history                     the last 100,000 orders and fills of an account, the last thousands of trades of a market
account.positionUpdate      may be subscribed and never sends: nobody has a position here
--------------------------  -------------------------------------------------------------------------------------------
absent (501, 4006)
--------------------------  -------------------------------------------------------------------------------------------
orders                      triggers, take-profit and stop-loss, reduceOnly, slippage tolerance, automatic borrowing
venue                       futures, mark prices, funding, strategies, RFQ, vaults, predictions, securities
money                       deposits and withdrawals over the API; ``/_sim/`` moves funds instead
==========================  ===========================================================================================
"""

from .server import SimulatedBackpack

__all__ = ["SimulatedBackpack"]
