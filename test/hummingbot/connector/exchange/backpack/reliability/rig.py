"""A connector at work on a local exchange of its own, and what has to hold between the two once things are quiet.

``Rig`` serves everything that lets faults loose: the fault table, the stateful test, the soak and the comparison of
connectors. It drives any Hummingbot connector for Backpack by its members alone, so that ours and the one Hummingbot
ships can be held against the same exchange; only ``adapt`` knows them apart.
"""

import asyncio
import importlib
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any
from unittest.mock import patch

from hummingbot.core.clock import Clock, ClockMode
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent, OrderFilledEvent
from hummingbot.core.web_assistant.connections.connections_factory import ConnectionsFactory

CHECKOUT = Path(__file__).parents[6]
OURS = "hummingbot.connector.exchange.backpack.backpack_exchange.BackpackExchange"

try:
    from hummingbot.connector.exchange.backpack import simulator
except ImportError:  # Hummingbot's own connector is under test: ours is switched off, but the exchange is still needed
    sys.path.insert(0, str(CHECKOUT / "hummingbot/connector/exchange/backpack"))
    simulator = importlib.import_module("simulator")

model = importlib.import_module(f"{simulator.__name__}.model")
faults = importlib.import_module(f"{simulator.__name__}.faults")

PAIR = "SOL-USDC"
SYMBOL = "SOL_USDC"
# A second price level with room on both sides; the synthetic venue's band around it is wide.
MID = Decimal("150")

CREATED, FILLED, OVER, FAILED = "created", MarketEvent.OrderFilled.name, "over", "failed"
STORY = {
    MarketEvent.BuyOrderCreated.name: CREATED,
    MarketEvent.SellOrderCreated.name: CREATED,
    MarketEvent.BuyOrderCompleted.name: OVER,
    MarketEvent.SellOrderCompleted.name: OVER,
    MarketEvent.OrderCancelled.name: OVER,
    MarketEvent.OrderFailure.name: FAILED,
}


class Timeout(AssertionError):
    """Something that should have happened did not, in time."""


@dataclass
class Pace:
    """How patient the connector under test is, in seconds. A fault table cannot wait for policies of minutes."""

    orders_poll: float = 1.0
    unsettled_poll: float = 0.3
    request_timeout: float = 1.0
    unknown_grace: float = 1.0
    signature_window: float = 1.5
    stale_after: float = 2.0
    subscribe_timeout: float = 2.0
    heartbeat: float = 2.0
    empty_book_after: float = 2.5
    tick: float = 0.1


class Requests(faults.Fault):
    """Not a fault: keeps count of what the connector asks and how often it connects."""

    name = "requests"

    def __init__(self) -> None:
        self.calls: list[tuple[float, str, str]] = []
        self.connects: list[float] = []

    async def request(self, call: Any, handle: Any) -> Any:
        self.calls.append((time.monotonic(), call.method, call.path))
        return await handle()

    async def connect(self, peer: Any) -> None:
        self.connects.append(time.monotonic())

    def of(self, path: str) -> int:
        """How often ``path`` was called."""
        return sum(called == path for _, _, called in self.calls)


@dataclass
class Told:
    """What the connector told Hummingbot, over all its lives."""

    fills: list[OrderFilledEvent] = field(default_factory=list)
    events: list[tuple[str, Any]] = field(default_factory=list)  # (MarketEvent name, event)

    def of(self, kind: str, order_id: str | None = None) -> list[Any]:
        return [
            event for name, event in self.events if name == kind and (order_id is None or event.order_id == order_id)
        ]


class Rig:
    """``async with Rig() as rig``: an exchange with one other trader on it (the street), the connector ready.

    ``connector`` is an import path; ``pace`` None leaves the connector's own patience; ``options`` are for the
    connector's constructor; the exchange pings its sockets every ``ping_interval_s``.
    """

    def __init__(
        self,
        connector: str = OURS,
        *,
        seed: int = 0,
        pace: Pace | None = None,
        pairs: Iterable[str] = (PAIR,),
        balances: dict[str, str] | None = None,
        market: Any = None,
        start: bool = True,
        options: dict[str, Any] | None = None,
        ping_interval_s: float = 60.0,
    ) -> None:
        self._class = connector
        self._options = options or {}
        self._pace = pace
        self._start = start
        self._clock: Clock | None = None
        self._clock_task: asyncio.Task[None] | None = None
        self._patches = ExitStack()
        self.pairs = list(pairs)
        self.sim = simulator.SimulatedBackpack(
            seed=seed, market=market, taker_delay_s=0.02, ping_interval_s=ping_interval_s
        )
        self.account = self.sim.add_account(balances or {"USDC": "1000000", "SOL": "10000", "BTC": "10"}, name="bot")
        self.street = self.sim.add_account(
            {"USDC": "100000000", "SOL": "1000000", "BTC": "1000", "ETH": "10000"}, name="street"
        )
        self.requests = Requests()
        self.sim.faults.arm(self.requests)
        self.told = Told()
        self.books_shown_wrong: list[str] = []
        self._listeners: list[tuple[MarketEvent, EventForwarder]] = []  # a connector holds them weakly
        self.connector: Any = None
        self._moves = 0
        self._extra: list[Any] = []  # the street's orders that ``move`` placed and has not taken back
        self.by_hand: set[int] = set()  # orders on the bot's account that the bot did not place, by the exchange's id

    async def __aenter__(self) -> "Rig":
        # Hummingbot's own connectors share one HTTP session; one that an earlier event loop left behind is of no use.
        ConnectionsFactory()._shared_client = None
        await self.sim.start()
        self._patches.enter_context(patch.dict(os.environ, {"BACKPACK_LOCAL_URL": self.sim.rest_url}))
        adapt(self._class, self.sim, self._pace, self._patches)
        if self.sim.market is None:
            for pair in self.pairs:
                self.quote(pair)
        try:
            if self._start:
                await self.start_connector()
        except BaseException:
            await self.__aexit__()  # or what was patched would stay so for every test after this one
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        with suppress(Exception):
            await self.stop_connector()
        self._patches.close()
        if self.connector is not None:
            await self.connector._web_assistants_factory.close()
        await ConnectionsFactory().close()
        await self.sim.stop()

    # -- the connector's life ------------------------------------------------------------------------------------------

    async def start_connector(self, saved: dict[str, Any] | None = None, *, wait: bool = True) -> None:
        self.connector = self.another_connector(self.account.api_key, self.account.api_secret)
        for event in MarketEvent:
            forwarder = EventForwarder(lambda told, name=event.name: self._hear(name, told))
            self.connector.add_listener(event, forwarder)
            self._listeners.append((event, forwarder))
        if saved:
            self.connector.restore_tracking_states(saved)
        self._clock = Clock(ClockMode.REALTIME, tick_size=self._pace.tick if self._pace else 1.0)
        self._clock.add_iterator(self.connector)
        self._clock_task = asyncio.ensure_future(self._run(self._clock))
        if wait:
            await self.until(lambda: self.connector.ready, 30, "the connector is ready")

    def another_connector(self, api_key: str, api_secret: str) -> Any:
        """One with these keys, for the same exchange; it is not started."""
        module, _, name = self._class.rpartition(".")
        connector_class = getattr(importlib.import_module(module), name)
        ours = hasattr(connector_class, "_reconcile")
        return connector_class(
            backpack_api_key=api_key,
            backpack_api_secret=api_secret,
            trading_pairs=list(self.pairs),
            domain="backpack_local" if ours else "exchange",
            **self._options,
        )

    @staticmethod
    async def _run(clock: Clock) -> None:
        with clock:
            await clock.run()

    async def kill_connector(self) -> dict[str, Any]:
        """Stop it dead, as ``kill -9`` would: nothing is cancelled. Returns what Hummingbot had saved."""
        saved = self.connector.tracking_states
        for listener in self._listeners:
            self.connector.remove_listener(*listener)  # what it still has under way, a killed process would not tell
        self._listeners.clear()
        if self._clock_task is not None:
            self._clock_task.cancel()
            with suppress(asyncio.CancelledError):
                await self._clock_task
            self._clock_task = None
        await self.connector.stop_network()
        await self.connector._user_stream_tracker.stop()
        return saved

    async def stop_connector(self) -> None:
        if self._clock_task is not None:
            await self.kill_connector()

    def _hear(self, name: str, event: Any) -> None:
        self.told.events.append((name, event))
        if name == MarketEvent.OrderFilled.name:
            self.told.fills.append(event)

    # -- doing things --------------------------------------------------------------------------------------------------

    def buy(self, amount: str | Decimal, price: str | Decimal, order_type: OrderType = OrderType.LIMIT) -> str:
        return str(self.connector.buy(self.pairs[0], Decimal(amount), order_type, Decimal(price)))

    def sell(self, amount: str | Decimal, price: str | Decimal, order_type: OrderType = OrderType.LIMIT) -> str:
        return str(self.connector.sell(self.pairs[0], Decimal(amount), order_type, Decimal(price)))

    async def resting(self, amount: str = "1", price: str = "140", side: TradeType = TradeType.BUY) -> str:
        """An order of the bot's that both sides know to be open; its client order id."""
        order_id = (self.buy if side is TradeType.BUY else self.sell)(amount, price)
        await self.until(lambda: self.is_open(order_id), 10, f"order {order_id} is open")
        return order_id

    def is_open(self, order_id: str) -> bool:
        """Open on the exchange, and known to be by the connector."""
        order = self.connector.in_flight_orders.get(order_id)
        return bool(self.venue_order(order_id)) and order is not None and order.exchange_order_id is not None

    def venue_order(self, order_id: str) -> Any:
        """The bot's open order on the exchange, None if it is not open there."""
        return next((o for o in self.venue_orders() if str(o.client_id) == order_id), None)

    def venue_orders(self) -> list[Any]:
        """The bot's, not those placed by hand on its account."""
        return [order for order in self.sim.exchange.open_orders(self.account.name) if order.id not in self.by_hand]

    def quote(self, pair: str, mid: Decimal = MID) -> None:
        """The street puts a book of 5 levels a side around ``mid``, far from where the tests trade."""
        symbol = pair.replace("-", "_")
        market = self.sim.exchange.market(symbol)
        mid = mid if symbol == SYMBOL else Decimal("80000")
        for step in range(1, 6):
            width = mid * Decimal(step) / 100
            for side, price in ((model.Side.BID, mid - width), (model.Side.ASK, mid + width)):
                self.street_order(side, 5, (price // market.tick_size) * market.tick_size, symbol=symbol)

    def move(self, times: int = 1, pair: str = PAIR) -> None:
        """The book changes ``times``, one update each: levels of the street's come and go, deep in the book."""
        symbol = pair.replace("-", "_")
        market = self.sim.exchange.market(symbol)
        bid, _ = self.sim.exchange.book_ticker(symbol).bid
        for _ in range(times):
            self._moves += 1
            price = bid - market.tick_size * (100 + self._moves % 50)
            order = self.street_order(model.Side.BID, market.min_quantity * (1 + self._moves % 7), price, symbol=symbol)
            self._extra.append(order)
            if len(self._extra) > 40:
                old = self._extra.pop(0)
                self.sim.exchange.cancel(self.street.name, old.symbol, order_id=old.id)

    def count_anew(self, pair: str = PAIR) -> None:
        """The exchange's update ids begin again from one, as those of a new exchange do."""
        self.sim.exchange._desk(pair.replace("-", "_")).update_id = 1

    def reprice(self, mid: str, pair: str = PAIR) -> None:
        """The whole market moves: not one level stays where it was."""
        self.sim.exchange.cancel_all(self.street.name, pair.replace("-", "_"))
        self._extra.clear()
        self.quote(pair, Decimal(mid))

    def street_order(
        self,
        side: Any,
        quantity: str | int | Decimal,
        price: str | Decimal,
        *,
        symbol: str = SYMBOL,
        account: Any = None,
        client_id: int | None = None,
    ) -> Any:
        """A limit order of the street's (or another account's), at once; what it crosses, it takes.

        On the bot's own account it is one that somebody else placed: another bot, or the owner by hand.
        """
        [accepted, *_] = self.sim.exchange.submit(
            model.OrderRequest(
                account=(account or self.street).name,
                symbol=symbol,
                side=side,
                order_type=model.OrderType.LIMIT,
                quantity=Decimal(quantity),
                price=Decimal(price),
                client_id=client_id,
            )
        )
        if account is self.account:
            self.by_hand.add(accepted.order.id)
        return accepted.order

    def street_takes(self, order_id: str, quantity: str | Decimal | None = None) -> None:
        """The street trades against an order of the bot's, all of it or ``quantity``; it must be at the touch."""
        order = self.venue_order(order_id)
        assert order is not None, f"order {order_id} is not open on the exchange"
        amount = Decimal(quantity) if quantity is not None else order.remaining
        before = order.executed_quantity
        self.sim.exchange.submit(
            model.OrderRequest(
                account=self.street.name,
                symbol=order.symbol,
                side=order.side.opposite,
                order_type=model.OrderType.LIMIT,
                time_in_force=model.TimeInForce.IOC,
                quantity=amount,
                price=order.price,
            )
        )
        assert order.executed_quantity == before + amount, "the street did not reach the order: is it at the touch?"

    # -- waiting -------------------------------------------------------------------------------------------------------

    async def until(self, condition: Callable[[], object], timeout_s: float, what: str) -> float:
        """Wait for ``condition``; the seconds it took. Raises Timeout naming ``what``."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > timeout_s:
                raise Timeout(f"not within {timeout_s} s: {what}")
            await asyncio.sleep(0.01)
        return time.monotonic() - began

    async def pass_time(self, seconds: float) -> None:
        """Let time pass in which something must not happen; what must happen is waited for with ``until``."""
        await asyncio.sleep(seconds)

    async def settled(self, timeout_s: float = 15.0) -> float:
        """Wait until every invariant holds; the seconds it took. Raises Timeout with those that do not."""
        began = time.monotonic()
        while broken := self.violations():
            if time.monotonic() - began > timeout_s:
                raise Timeout("; ".join(broken))
            await asyncio.sleep(0.02)
        return time.monotonic() - began

    # -- what has to hold ----------------------------------------------------------------------------------------------

    def violations(self) -> list[str]:
        """Everything in which connector and exchange differ, with both quiet."""
        orders = [*self.wrong_orders(), *self.wrong_stories()]
        return [*self.wrong_books(), *self.wrong_fills(), *orders, *self.wrong_balances()]

    def wrong_books(self) -> list[str]:
        """1. Ready, with the exchange's book at its present update id."""
        if not self.connector.ready:
            missing = [name for name, ok in self.connector.status_dict.items() if not ok]
            return [f"not ready: {', '.join(missing)}"]
        return [text for pair in self.connector.trading_pairs for text in self.wrong_levels(pair)]

    def wrong_levels(self, pair: str) -> list[str]:
        """Where the shown book of ``pair`` differs from the exchange's."""
        venue = self.sim.exchange.depth(pair.replace("-", "_"))
        book = self.connector.order_books[pair]
        shown = {
            "bids": {Decimal(str(row.price)): row.amount for row in book.bid_entries()},
            "asks": {Decimal(str(row.price)): row.amount for row in book.ask_entries()},
        }
        wrong = []
        for side, levels in (("bids", venue.bids), ("asks", venue.asks)):
            true = {price.normalize(): float(size) for price, size in levels}
            seen = {price.normalize(): size for price, size in shown[side].items()}
            differing = sorted(price for price in true.keys() | seen.keys() if true.get(price) != seen.get(price))
            if differing:
                price = differing[0]
                wrong.append(
                    f"{pair} {side}: {len(differing)} levels differ, first at {price}: "
                    f"shown {seen.get(price)}, on the exchange {true.get(price)}"
                )
        return wrong

    def is_showing_a_wrong_book(self) -> bool:
        """Ready, at the venue's update id, and yet not the venue's book: to be asked at any moment. Ours only."""
        if not self.connector.ready:
            return False
        venue_ids = {pair: self.sim.exchange.depth(pair.replace("-", "_")).last_update_id for pair in self.pairs}
        return any(
            self.connector._orderbook_ds.applied_id(pair) == venue_id and self.wrong_levels(pair)
            for pair, venue_id in venue_ids.items()
        )

    async def watch_books(self) -> None:
        """Look at the books all the time: ready means that each is the exchange's as it was at the update id that the
        book stands at. What is not goes into ``books_shown_wrong``. Ours only."""
        at_id: dict[tuple[str, int], tuple[Levels, Levels]] = {}
        checked: dict[str, int] = {}

        def remember(events: Iterable[Any]) -> None:
            for symbol in {event.symbol for event in events if isinstance(event, model.DepthUpdated)}:
                at_id[symbol, self.sim.exchange.depth(symbol).last_update_id] = _levels(self.sim.exchange.depth(symbol))

        self.sim.exchange.listeners.append(remember)
        while True:
            await asyncio.sleep(0.01)
            for pair in self.connector.trading_pairs if self.connector and self.connector.ready else ():
                book, symbol = self.connector.order_books[pair], pair.replace("-", "_")
                applied_id = self.connector._orderbook_ds.applied_id(pair)
                true = at_id.get((symbol, applied_id))
                if true is not None and checked.get(pair) != applied_id:
                    checked[pair] = applied_id
                    if true != _shown_levels(book):
                        self.books_shown_wrong.append(f"{pair} at update {applied_id}")

    def venue_fills(self) -> list[Any]:
        """Fills of the orders the connector placed; other orders on the account are not its business."""
        known = {str(event.order_id) for _, event in self.told.events if hasattr(event, "order_id")}
        known |= set(self.connector.in_flight_orders)
        return [
            fill
            for fill in self.sim.exchange.fills(self.account.name)
            if str(fill.client_id) in known and fill.order_id not in self.by_hand
        ]

    def wrong_fills(self) -> list[str]:
        """2. Every fill told exactly once, with its price, amount, fee and fee asset."""
        told = Counter(_told_fill(event) for event in self.told.fills)
        true = Counter(_venue_fill(fill) for fill in self.venue_fills())
        lost, invented = true - told, told - true
        return [f"fill lost: {fill} x{count}" for fill, count in lost.items()] + [
            f"fill told that is not in the ledger: {fill} x{count}" for fill, count in invented.items()
        ]

    def wrong_orders(self) -> list[str]:
        """3. Alive here and there, or here and there not."""
        there = {str(order.client_id): order for order in self.venue_orders() if order.client_id is not None}
        here = {key: order for key, order in self.connector.in_flight_orders.items() if order.is_open}
        told = {str(event.order_id) for _, event in self.told.events if hasattr(event, "order_id")}
        ghosts = [key for key in there.keys() - here.keys() if key in told or key in self.placed]
        return [f"order {key} is alive on the exchange, and the connector calls it done" for key in ghosts] + [
            f"order {key} is done on the exchange, and the connector calls it {here[key].current_state.name}"
            for key in here.keys() - there.keys()
        ]

    def wrong_stories(self) -> list[str]:
        """Of 3: an order is created once, before its fills, and ends once, after them."""
        stories: dict[str, list[str]] = {}
        for name, event in self.told.events:
            if order_id := getattr(event, "order_id", None):
                stories.setdefault(str(order_id), []).append(STORY.get(name, name))
        return [f"order {key}: told as {', '.join(told)}" for key, told in stories.items() if not _is_a_story(told)]

    @property
    def placed(self) -> set[str]:
        """Client ids of every order that reached the exchange from the bot's account by its API."""
        return {
            str(order.client_id)
            for order in self.sim.exchange.order_history(self.account.name)
            if order.client_id and order.id not in self.by_hand
        }

    def wrong_balances(self) -> list[str]:
        """4. Total and available equal the ledger's; what is lent out counts as both."""
        wrong = []
        totals, available = self.connector.get_all_balances(), self.connector.available_balances
        for asset, balance in self.sim.exchange.ledger.balances(self.account.name).items():
            for what, shown, true in (
                ("total", totals.get(asset, Decimal(0)), balance.total),
                ("available", available.get(asset, Decimal(0)), balance.available + balance.lent),
            ):
                if shown != true:
                    wrong.append(f"{what} {asset}: shown {shown}, in the ledger {true}")
        return wrong


Levels = list[tuple[float, float]]


def _levels(depth: Any) -> tuple[Levels, Levels]:
    """An exchange's book, as ``_shown_levels`` gives the connector's."""
    bids, asks = (sorted((float(price), float(size)) for price, size in side) for side in (depth.bids, depth.asks))
    return bids, asks


def _shown_levels(book: Any) -> tuple[Levels, Levels]:
    bids, asks = (sorted((row.price, row.amount) for row in side) for side in (book.bid_entries(), book.ask_entries()))
    return bids, asks


def _is_a_story(told: list[str]) -> bool:
    """Created, then filled any number of times, then over. What never got going fails at once; should the exchange have
    it after all, as late records show, its fills are told all the same."""
    if told[0] == FAILED:
        return all(what == FILLED for what in told[1:])
    if told == [OVER]:
        return True
    middle = told[1:-1] if told[-1] in (OVER, FAILED) else told[1:]
    return told[0] == CREATED and all(what == FILLED for what in middle)


def _told_fill(event: OrderFilledEvent) -> tuple[Any, ...]:
    [fee] = event.trade_fee.flat_fees or [None]
    return (
        event.order_id,
        event.price.normalize(),
        event.amount.normalize(),
        fee.amount.normalize() if fee else None,
        fee.token if fee else None,
    )


def _venue_fill(fill: Any) -> tuple[Any, ...]:
    return (
        str(fill.client_id),
        fill.price.normalize(),
        fill.quantity.normalize(),
        fill.fee.normalize(),
        fill.fee_asset,
    )


def adapt(connector: str, sim: Any, pace: Pace | None, patches: ExitStack) -> None:
    """Point a connector class at the exchange, and make ours as impatient as ``pace`` says."""
    package = connector.rpartition(".")[0].rpartition(".")[0]
    constants = importlib.import_module(f"{package}.backpack_constants")
    exchange = importlib.import_module(connector.rpartition(".")[0])
    if not hasattr(constants, "LOCAL_DOMAIN"):  # Hummingbot's own: its addresses are templates in its constants
        patches.enter_context(patch.object(constants, "REST_URL", f"{sim.rest_url}/"))
        patches.enter_context(patch.object(constants, "WSS_URL", sim.ws_url))
        return
    if pace is None:
        return
    for where, name, value in (
        (exchange.BackpackExchange, "ORDERS_POLL_INTERVAL", pace.orders_poll),
        (exchange.BackpackExchange, "SHORT_POLL_INTERVAL", pace.orders_poll),
        (exchange.BackpackExchange, "CHECK_INTERVAL", pace.orders_poll * 2),
        (exchange.BackpackExchange, "UNSETTLED_POLL_INTERVAL", pace.unsettled_poll),
        (exchange, "UNKNOWN_OUTCOME_GRACE_S", pace.unknown_grace),
        (constants, "REQUEST_TIMEOUT_S", pace.request_timeout),
        (constants, "SIGNATURE_WINDOW_MS", round(pace.signature_window * 1000)),
        (constants, "STALE_AFTER_S", pace.stale_after),
        (constants, "SUBSCRIBE_TIMEOUT_S", pace.subscribe_timeout),
        (constants, "HEARTBEAT_S", pace.heartbeat),
        (constants, "EMPTY_BOOK_AFTER_S", pace.empty_book_after),
    ):
        patches.enter_context(patch.object(where, name, value))
