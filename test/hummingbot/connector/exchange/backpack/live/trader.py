"""A connector at work on the exchange that the environment names, with a purse that cannot be overdrawn."""

import asyncio
import os
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.common import OrderType, PriceType, TradeType
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent

# So far from the market that only a crash would fill it, so near that no price band refuses it.
DISTANCE = Decimal("0.10")
EVENTS = (
    MarketEvent.BuyOrderCreated, MarketEvent.SellOrderCreated, MarketEvent.OrderFilled, MarketEvent.OrderCancelled,
    MarketEvent.OrderFailure,
)  # fmt: skip


class OverBudget(AssertionError):
    """The smallest order that the market takes costs more than the owner allows."""


class LiveTrader:
    """``async with LiveTrader(pair, keys, most_usdc) as trader``: ready at the start; nothing open and told at the end.

    ``keys`` None: public data only.
    """

    def __init__(self, trading_pair: str, keys: tuple[str, str] | None, most_usdc: Decimal, domain: str) -> None:
        self.trading_pair = trading_pair
        self._keys = keys
        self._most = most_usdc
        self._domain = domain
        self.events: list[tuple[MarketEvent, Any]] = []
        self._forwarders = [EventForwarder(lambda event, kind=kind: self._hear(kind, event)) for kind in EVENTS]
        self.connector: BackpackExchange = self._new_connector()
        self._clock_task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "LiveTrader":
        await self._start()
        return self

    async def __aexit__(self, *_: object) -> None:
        try:
            if self._keys:
                await self.connector.cancel_all(timeout_seconds=20)
        finally:
            await self._stop()
        assert not self.heard(MarketEvent.OrderFilled), "an order far from the market was filled: money was spent"

    async def restart(self) -> None:
        """As after ``kill -9``: nothing is cancelled; the next connector has what Hummingbot had saved."""
        saved = self.connector.tracking_states
        await self._stop()
        self.connector = self._new_connector()
        self.connector.restore_tracking_states(saved)
        await self._start()

    def _new_connector(self) -> BackpackExchange:
        api_key, api_secret = self._keys or ("", "")
        connector = BackpackExchange(
            backpack_api_key=api_key,
            backpack_api_secret=api_secret,
            trading_pairs=[self.trading_pair],
            trading_required=self._keys is not None,
            domain=self._domain,
        )
        for kind, forwarder in zip(EVENTS, self._forwarders, strict=True):
            connector.add_listener(kind, forwarder)
        return connector

    async def _start(self) -> None:
        clock = Clock(ClockMode.REALTIME, tick_size=1.0)
        clock.add_iterator(self.connector)
        self._clock_task = asyncio.create_task(self._run(clock))
        await self.until(lambda: self.connector.ready, 60, "the connector is ready")

    @staticmethod
    async def _run(clock: Clock) -> None:
        with clock:
            await clock.run()

    async def _stop(self) -> None:
        if self._clock_task is not None:
            self._clock_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._clock_task
            self._clock_task = None
        await self.connector.stop_network()
        await self.connector._user_stream_tracker.stop()

    # -- trading -------------------------------------------------------------------------------------------------------

    def far_order(self, side: TradeType) -> tuple[str, Decimal]:
        """Place the smallest post-only order, far from the market. Its client order id, and what it locks."""
        mid = self.connector.get_price_by_type(self.trading_pair, PriceType.MidPrice)
        away = 1 - DISTANCE if side is TradeType.BUY else 1 + DISTANCE
        price = self.connector.quantize_order_price(self.trading_pair, mid * away)
        amount = self.connector.trading_rules[self.trading_pair].min_order_size
        worth = price * amount
        at_stake = sum((order.price * order.amount for order in self.connector.in_flight_orders.values()), worth)
        if at_stake > self._most:
            raise OverBudget(f"this needs {at_stake:.2f} USDC, BACKPACK_LIVE_MAX_USDC allows {self._most}")
        submit = self.connector.buy if side is TradeType.BUY else self.connector.sell
        locked = worth if side is TradeType.BUY else amount
        return submit(self.trading_pair, amount, OrderType.LIMIT_MAKER, price), locked

    async def resting_order(self, side: TradeType) -> tuple[str, Decimal]:
        """As ``far_order``, and the exchange has said that it is there."""
        order_id, locked = self.far_order(side)
        created = MarketEvent.BuyOrderCreated if side is TradeType.BUY else MarketEvent.SellOrderCreated
        await self.until(lambda: self.heard(created, order_id), 15, f"order {order_id} is there")
        return order_id, locked

    async def cancelled(self, order_id: str) -> None:
        self.connector.cancel(self.trading_pair, order_id)
        await self.until(lambda: self.heard(MarketEvent.OrderCancelled, order_id), 15, f"{order_id} is cancelled")

    async def open_on_the_exchange(self) -> set[str]:
        """Client ids of the pair's open orders, as the exchange's own list has them."""
        params = {"symbol": self.trading_pair.replace("-", "_")}
        rows = await self.connector._request(CONSTANTS.OPEN_ORDERS, params=params)
        return {str(row["clientId"]) for row in rows}

    # -- watching ------------------------------------------------------------------------------------------------------

    def _hear(self, kind: MarketEvent, event: Any) -> None:
        self.events.append((kind, event))

    def heard(self, kind: MarketEvent, order_id: str | None = None) -> list[Any]:
        return [event for told, event in self.events if told is kind and order_id in (None, event.order_id)]

    async def until(self, condition: Callable[[], object], timeout_s: float, what: str) -> float:
        """Wait for ``condition``; the seconds it took."""
        began = time.monotonic()
        while not condition():
            failures = self.heard(MarketEvent.OrderFailure)
            assert not failures, f"an order failed: {failures[0]}"
            assert time.monotonic() - began < timeout_s, f"not within {timeout_s:g} s: {what}"
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    # -- breaking ------------------------------------------------------------------------------------------------------

    def cut_market_stream(self) -> None:
        _cut(self.connector._orderbook_ds._websocket)

    def cut_private_stream(self) -> None:
        _cut(self.connector._user_stream_tracker.data_source._ws_assistant)


def _cut(websocket: Any) -> None:
    """As if the network were gone: no Close frame, no goodbye."""
    websocket._transport.underlying_transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


def setting(name: str) -> str:
    return os.environ.get(f"BACKPACK_{name}", "").strip()
