"""What must hold after any sequence of commands, whatever they were."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack.simulator.matching import Exchange
from hummingbot.connector.exchange.backpack.simulator.model import (
    DepthUpdated,
    Event,
    Fill,
    Order,
    OrderAccepted,
    OrderFilled,
    OrderStatus,
    Rejected,
    SelfTradePrevention,
    Side,
    TimeInForce,
    Traded,
)
from test.hummingbot.connector.exchange.backpack.simulator.trading_floor import (
    TRADERS,
    assert_books_balance,
    market_order,
    quiet_exchange,
    request,
)

SYMBOLS = ("SOL_USDC", "ETH_USDC")
QUANTITIES = st.integers(1, 500).map(lambda steps: Decimal(steps) * Decimal("0.01"))
# Few prices and large quantities beside the balances, so that orders meet, queue up and run out of funds.
PRICES = st.integers(14_997, 15_003).map(lambda ticks: Decimal(ticks) * Decimal("0.01"))

Command = Callable[[Exchange], list[Event]]


@st.composite
def limit_orders(draw: st.DrawFn) -> Command:
    order = request(
        draw(st.sampled_from(TRADERS)),
        draw(st.sampled_from(["Bid", "Ask"])),
        draw(QUANTITIES),
        draw(PRICES),
        symbol=draw(st.sampled_from(SYMBOLS)),
        time_in_force=draw(st.sampled_from(TimeInForce)),
        post_only=draw(st.booleans()) and draw(st.booleans()),
        self_trade_prevention=draw(st.sampled_from(SelfTradePrevention)),
        client_id=draw(st.none() | st.integers(0, 5)),
        auto_lend_redeem=draw(st.booleans()),
    )
    return lambda exchange: exchange.submit(order)


@st.composite
def market_orders(draw: st.DrawFn) -> Command:
    sizes: dict[str, Any] = {"quantity": draw(QUANTITIES)}
    if draw(st.booleans()):
        sizes = {"quantity": None, "quote_quantity": draw(st.integers(1, 100_000)) * Decimal("0.01")}
    order = market_order(
        draw(st.sampled_from(TRADERS)),
        draw(st.sampled_from(["Bid", "Ask"])),
        symbol=draw(st.sampled_from(SYMBOLS)),
        self_trade_prevention=draw(st.sampled_from(SelfTradePrevention)),
        **sizes,
    )
    return lambda exchange: exchange.submit(order)


@st.composite
def actions_on_an_open_order(draw: st.DrawFn) -> Command:
    which, part = draw(st.integers(0, 1_000)), draw(QUANTITIES)
    kind = draw(st.sampled_from(["cancel", "reduce", "system fill"]))

    def act(exchange: Exchange) -> list[Event]:
        orders = [order for name in TRADERS for order in exchange.open_orders(name)]
        if not orders:
            return []
        order = orders[which % len(orders)]
        if kind == "cancel":
            return exchange.cancel(order.account, order.symbol, order_id=order.id)
        if part >= order.remaining:
            return exchange.cancel_all(order.account, order.symbol)
        return exchange.reduce(order.id, part) if kind == "reduce" else exchange.system_fill(order.id, part)

    return act


@st.composite
def transfers(draw: st.DrawFn) -> Command:
    account, asset = draw(st.sampled_from(TRADERS)), draw(st.sampled_from(["USDC", "SOL"]))
    kind, amount = draw(st.sampled_from(["deposit", "withdraw", "lend", "redeem"])), draw(QUANTITIES)
    return lambda exchange: getattr(exchange, kind)(account, asset, amount)  # type: ignore[no-any-return]


COMMANDS = st.lists(
    st.one_of(limit_orders(), limit_orders(), market_orders(), actions_on_an_open_order(), transfers()), max_size=60
)


def small_exchange() -> Exchange:
    """Traders who soon run out of money, so that the ledger is asked for what it must refuse; queues at some prices."""
    exchange = quiet_exchange(traders=())
    for name in TRADERS:
        exchange.add_account(name, {"USDC": Decimal(3_000), "SOL": Decimal(20), "ETH": Decimal(20)})
    for symbol in SYMBOLS:
        for side, price in (("Bid", "149.98"), ("Bid", "149.99"), ("Ask", "150.01"), ("Ask", "150.02")):
            for name in TRADERS:
                exchange.submit(request(name, side, 2, price, symbol=symbol))
    return exchange


def run(exchange: Exchange, commands: list[Command]) -> list[list[Event]]:
    return [attempt(exchange, command) for command in commands]


def attempt(exchange: Exchange, command: Command) -> list[Event]:
    try:
        return command(exchange)
    except Rejected:
        return []


@settings(max_examples=150, deadline=None)
@given(COMMANDS)
def test_after_every_command_the_ledger_balances_and_the_book_is_not_crossed(commands: list[Command]) -> None:
    exchange = small_exchange()
    for command in commands:
        exchange.clock.advance(0.001)  # type: ignore[attr-defined]
        attempt(exchange, command)
        assert_books_balance(exchange)
        for symbol in SYMBOLS:
            assert_not_crossed(exchange.depth(symbol).bids, exchange.depth(symbol).asks)
            assert_depth_is_the_open_orders(exchange, symbol)


def assert_not_crossed(bids: Any, asks: Any) -> None:
    assert list(bids) == sorted(bids) and list(asks) == sorted(asks)
    if bids and asks:
        assert bids[-1][0] < asks[0][0]


def assert_depth_is_the_open_orders(exchange: Exchange, symbol: str) -> None:
    levels: dict[tuple[Side, Decimal | None], Decimal] = {}
    for name in TRADERS:
        for order in exchange.open_orders(name, symbol):
            levels[order.side, order.price] = levels.get((order.side, order.price), Decimal(0)) + order.remaining
    depth = exchange.depth(symbol)
    shown = {(Side.BID, price): quantity for price, quantity in depth.bids}
    shown |= {(Side.ASK, price): quantity for price, quantity in depth.asks}
    assert shown == levels


@settings(max_examples=150, deadline=None)
@given(COMMANDS)
def test_replaying_the_depth_updates_reproduces_the_book_and_never_crosses_it(commands: list[Command]) -> None:
    exchange = small_exchange()
    snapshots = {symbol: exchange.depth(symbol) for symbol in SYMBOLS}
    start = {symbol: snapshot.last_update_id for symbol, snapshot in snapshots.items()}
    books = {symbol: (dict(snapshot.bids), dict(snapshot.asks)) for symbol, snapshot in snapshots.items()}
    for command in commands:
        for event in attempt(exchange, command):
            if not isinstance(event, DepthUpdated):
                continue
            start[event.symbol] += 1
            assert event.update_id == start[event.symbol], "one update, one id, no holes"
            assert 1 <= len(event.bids) + len(event.asks) <= 3
            for side, levels in zip(books[event.symbol], (event.bids, event.asks), strict=True):
                for price, quantity in levels:
                    if quantity:
                        side[price] = quantity
                    else:
                        side.pop(price, None)
            bids, asks = books[event.symbol]
            assert not bids or not asks or max(bids) < min(asks)
        for symbol, (bids, asks) in books.items():
            depth = exchange.depth(symbol)
            assert depth.last_update_id == start[symbol]
            assert (dict(depth.bids), dict(depth.asks)) == (bids, asks)


@settings(max_examples=150, deadline=None)
@given(COMMANDS)
def test_the_best_price_trades_first_and_at_one_price_the_oldest_order(commands: list[Command]) -> None:
    """Seen from outside: at a trade no order open on the maker's side had a better price, or the same and was older."""
    exchange = small_exchange()
    waiting: dict[int, Order] = {}

    def watch(events: Any) -> None:
        makers = {e.order.id: e.order for e in events if isinstance(e, OrderFilled) and e.fill.is_maker}
        gone: set[int] = set()
        for event in events:
            if isinstance(event, Traded):
                maker = makers[
                    event.trade.buyer_order_id if event.trade.is_buyer_maker else event.trade.seller_order_id
                ]
                taker_id = event.trade.buyer_order_id + event.trade.seller_order_id - maker.id
                for other in waiting.values():
                    if other.id in gone or other.side is not maker.side or other.symbol != maker.symbol:
                        continue
                    assert other.price is not None and maker.price is not None
                    if other is maker or other.account == taker_account(events, taker_id):
                        continue
                    ahead = other.price > maker.price if maker.side is Side.BID else other.price < maker.price
                    assert not ahead and not (other.price == maker.price and other.id < maker.id)
            elif isinstance(event, OrderFilled) and event.fill.is_maker and event.status is OrderStatus.FILLED:
                gone.add(event.order.id)
        waiting.clear()
        for name in TRADERS:
            waiting.update({order.id: order for order in exchange.open_orders(name)})

    watch([])
    exchange.listeners.append(watch)
    run(exchange, commands)


def taker_account(events: list[Event], order_id: int) -> str:
    return next(e.order.account for e in events if isinstance(e, OrderAccepted) and e.order.id == order_id)


@settings(max_examples=150, deadline=None)
@given(COMMANDS)
def test_fills_add_up_to_the_orders_and_both_sides_of_a_trade_agree(commands: list[Command]) -> None:
    exchange = small_exchange()
    all_events = [event for events in run(exchange, commands) for event in events]
    fills = [event.fill for event in all_events if isinstance(event, OrderFilled)]
    for name in TRADERS:
        for order in exchange.order_history(name):
            mine = exchange.fills(name, order_id=order.id)
            assert sum(fill.quantity for fill in mine) == order.executed_quantity <= order.quantity
            assert sum(fill.quantity * fill.price for fill in mine) == order.executed_quote_quantity
            assert (order.status is OrderStatus.FILLED) == (order.remaining == 0)
            if order.price is not None:
                assert all(no_worse(fill.price, order.price, order.side) for fill in mine)
    sides: dict[tuple[str, int], list[Fill]] = {}
    for fill in fills:
        if fill.trade_id is not None:
            sides.setdefault((fill.symbol, fill.trade_id), []).append(fill)
    for maker, taker in sides.values():
        assert (maker.is_maker, taker.is_maker) == (True, False)
        assert maker.account != taker.account and maker.side is taker.side.opposite
        assert (maker.price, maker.quantity, maker.time_us) == (taker.price, taker.quantity, taker.time_us)


def no_worse(price: Decimal, limit: Decimal, side: Side) -> bool:
    return price <= limit if side is Side.BID else price >= limit


@settings(max_examples=100, deadline=None)
@given(COMMANDS)
def test_times_never_repeat_within_a_stream_and_the_same_commands_give_the_same_bytes(commands: list[Command]) -> None:
    first, second = run(small_exchange(), commands), run(small_exchange(), commands)
    assert repr(first).encode() == repr(second).encode()
    last_us: dict[str, int] = {}
    for event in (event for events in first for event in events):
        if isinstance(event, DepthUpdated):
            assert event.time_us > last_us.get(event.symbol, 0)
            last_us[event.symbol] = event.time_us
