"""The venue's order rules, as rows. Properties that no table can list are in test_matching_properties.py."""

from dataclasses import replace
from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack.simulator.clock import ManualClock
from hummingbot.connector.exchange.backpack.simulator.listing import SOL_USDC
from hummingbot.connector.exchange.backpack.simulator.matching import Exchange
from hummingbot.connector.exchange.backpack.simulator.model import (
    BalanceChanged,
    DepthUpdated,
    ErrorCode,
    ExpiryReason,
    OrderAccepted,
    OrderBookState,
    OrderCancelled,
    OrderFilled,
    OrderModified,
    OrderStatus,
    Rejected,
    SelfTradePrevention,
    SystemOrderType,
    TimeInForce,
    Traded,
)
from test.hummingbot.connector.exchange.backpack.simulator.trading_floor import (
    assert_books_balance,
    bids_and_asks,
    fills_of,
    market_order,
    order_of,
    place,
    quiet_exchange,
    request,
)

IOC, FOK = TimeInForce.IOC, TimeInForce.FOK


def exchange_with(*resting: tuple[object, ...]) -> Exchange:
    exchange = quiet_exchange()
    for order in resting:
        place(exchange, *order)
    return exchange


BOOK = (
    ("alice", "Bid", 2, "149.00"),
    ("alice", "Bid", 1, "150.00"),
    ("alice", "Ask", 1, "151.00"),
    ("bob", "Ask", 3, "151.00"),
    ("bob", "Ask", 5, "152.00"),
)


@pytest.mark.parametrize(
    "order, fills, status, reason",
    [
        pytest.param(
            request("carol", "Bid", 1, "150.50"), [], "New", None, id="a limit between the best prices rests"
        ),
        pytest.param(
            request("carol", "Bid", 2, "151.00"),
            ["1 @ 151", "1 @ 151"],
            "Filled",
            None,
            id="at one price the older order trades first",
        ),
        pytest.param(
            request("carol", "Bid", 6, "152.00"),
            ["1 @ 151", "3 @ 151", "2 @ 152"],
            "Filled",
            None,
            id="the better price trades first, at the resting order's price",
        ),
        pytest.param(
            request("carol", "Bid", 6, "151.00"),
            ["1 @ 151", "3 @ 151"],
            "PartiallyFilled",
            None,
            id="what a GTC limit cannot take rests",
        ),
        pytest.param(
            request("carol", "Ask", 3, "149.50", time_in_force=IOC),
            ["1 @ 150"],
            "Expired",
            ExpiryReason.IMMEDIATE_OR_CANCEL,
            id="what an IOC cannot take expires",
        ),
        pytest.param(
            request("carol", "Ask", 1, "160.00", time_in_force=IOC),
            [],
            "Expired",
            ExpiryReason.IMMEDIATE_OR_CANCEL,
            id="an IOC that meets nothing is accepted and expires",
        ),
        pytest.param(
            request("carol", "Bid", 4, "151.00", time_in_force=FOK),
            ["1 @ 151", "3 @ 151"],
            "Filled",
            None,
            id="a FOK that the book can fill is filled",
        ),
        pytest.param(
            request("carol", "Bid", 4, "150.99", post_only=True), [], "New", None, id="post-only off the touch rests"
        ),
        pytest.param(
            market_order("carol", "Bid", 5),
            ["1 @ 151", "3 @ 151", "1 @ 152"],
            "Filled",
            None,
            id="a market order walks the book",
        ),
        pytest.param(
            market_order("carol", "Bid", 20),
            ["1 @ 151", "3 @ 151", "5 @ 152"],
            "Expired",
            ExpiryReason.INSUFFICIENT_LIQUIDITY,
            id="a market order larger than the book expires with what it got",
        ),
        pytest.param(
            market_order("carol", "Bid", quote_quantity=Decimal("760")),
            ["1 @ 151", "3 @ 151", "1.02 @ 152"],
            "Filled",
            None,
            id="a quote quantity buys whole steps and never more than the budget (759.04 of 760)",
        ),
        pytest.param(
            market_order("carol", "Ask", quote_quantity=Decimal("299")),
            ["1 @ 150", "1 @ 149"],
            "Filled",
            None,
            id="a quote quantity sells until the proceeds are reached",
        ),
        pytest.param(
            market_order("carol", "Ask", quote_quantity=Decimal("76.49")),
            ["0.5 @ 150"],
            "Filled",
            None,
            id="proceeds short of a step stay short, though a step at a worse price would fit",
        ),
        pytest.param(
            market_order("carol", "Ask", quote_quantity=Decimal("1000")),
            ["1 @ 150", "2 @ 149"],
            "Expired",
            ExpiryReason.INSUFFICIENT_LIQUIDITY,
            id="proceeds that the book cannot pay expire with what they got",
        ),
    ],
)
def test_an_order_on_the_book(order, fills, status, reason):
    exchange = exchange_with(*BOOK)
    events = exchange.submit(order)
    assert isinstance(events[0], OrderAccepted)
    assert fills_of(events, "carol") == fills
    assert (order_of(events).status, order_of(events).expiry_reason) == (OrderStatus(status), reason)
    assert_books_balance(exchange)


@pytest.mark.parametrize(
    "order, code, message",
    [
        pytest.param(
            request("carol", "Bid", 1, "151.00", post_only=True),
            ErrorCode.INVALID_ORDER,
            "Order would immediately match and take",
            id="post-only that would cross",
        ),
        pytest.param(
            request("carol", "Bid", 5, "151.00", time_in_force=FOK),
            ErrorCode.INVALID_ORDER,
            "Fill or kill order would not complete fill immediately",
            id="FOK that the book cannot fill",
        ),
        pytest.param(
            market_order("carol", "Bid", 10, time_in_force=FOK),
            ErrorCode.INVALID_ORDER,
            "Fill or kill order would not complete fill immediately",
            id="market FOK larger than the book",
        ),
        pytest.param(
            request("carol", "Bid", "0.001", "150"),
            ErrorCode.INVALID_QUANTITY,
            "Quantity is below the minimum allowed value",
            id="quantity under the minimum",
        ),
        pytest.param(
            request("carol", "Bid", "1.001", "150"),
            ErrorCode.INVALID_CLIENT_REQUEST,
            "Quantity decimal too long",
            id="quantity finer than the step",
        ),
        pytest.param(
            request("carol", "Bid", "NaN", "150"),
            ErrorCode.INVALID_QUANTITY,
            "Quantity is above the maximum allowed value",
            id="quantity that is no number",
        ),
        pytest.param(
            request("carol", "Bid", "1e30", "150"),
            ErrorCode.INVALID_QUANTITY,
            "Quantity is above the maximum allowed value",
            id="absurd quantity",
        ),
        pytest.param(
            request("carol", "Bid", 1, "150.001"),
            ErrorCode.INVALID_CLIENT_REQUEST,
            "Price decimal too long",
            id="price finer than the tick",
        ),
        pytest.param(request("carol", "Bid", 1, "-1"), ErrorCode.INVALID_PRICE, "Price must be positive", id="price"),
        pytest.param(
            request("carol", "Bid", 1, "100"),
            ErrorCode.INVALID_PRICE,
            "Price is too far from the last active price",
            id="price under 0.75 of the mid price (no trade yet)",
        ),
        pytest.param(
            request("carol", "Ask", 1, "200"),
            ErrorCode.INVALID_PRICE,
            "Price is too far from the last active price",
            id="price over 1.25 of the mid price",
        ),
        pytest.param(
            request("carol", "Bid", 7000, "150"), ErrorCode.INSUFFICIENT_FUNDS, "Insufficient funds", id="bid on credit"
        ),
        pytest.param(
            request("carol", "Ask", 10_001, "160"), ErrorCode.INSUFFICIENT_FUNDS, "Insufficient funds", id="short sale"
        ),
        pytest.param(
            market_order("carol", "Ask", 10_001),
            ErrorCode.INSUFFICIENT_FUNDS,
            "Insufficient funds",
            id="market sale of more than is there",
        ),
        pytest.param(
            market_order("carol", "Bid"),
            ErrorCode.INVALID_CLIENT_REQUEST,
            "Market orders must specify a positive `quantity`",
            id="market order without quantity",
        ),
        pytest.param(
            market_order("carol", "Bid", quote_quantity=Decimal("0.5")),
            ErrorCode.INVALID_QUANTITY,
            "Quantity is below the minimum allowed value",
            id="quote quantity that buys no step",
        ),
        pytest.param(
            market_order("carol", "Bid", 1, symbol="ETH_USDC"),
            ErrorCode.INVALID_ORDER,
            "No liquidity for market order",
            id="market order on an empty book",
        ),
        pytest.param(
            request("carol", "Bid", 1, 1, symbol="DOGE_USDC"),
            ErrorCode.INVALID_CLIENT_REQUEST,
            "Invalid market symbol",
            id="unknown market",
        ),
    ],
)
def test_refused_orders_change_nothing(order, code, message):
    exchange = exchange_with(*BOOK)
    heard = []
    exchange.listeners.append(heard.append)
    before = exchange.depth("SOL_USDC"), exchange.ledger.snapshot(), exchange.order_history("carol")
    with pytest.raises(Rejected) as refusal:
        exchange.submit(order)
    assert (refusal.value.code, refusal.value.message) == (code, message)
    assert (exchange.depth("SOL_USDC"), exchange.ledger.snapshot(), exchange.order_history("carol")) == before
    assert heard == []


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"price": None}, id="limit without price"),
        pytest.param({"quantity": None}, id="limit without quantity"),
        pytest.param({"quote_quantity": Decimal(1)}, id="limit with quote quantity"),
        pytest.param({"post_only": True, "time_in_force": IOC}, id="post-only that may not rest"),
    ],
)
def test_limit_orders_that_make_no_sense(changes):
    with pytest.raises(Rejected):
        quiet_exchange().submit(replace(request("carol", "Bid", 1, 150), **changes))


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"price": Decimal(150)}, id="market with price"),
        pytest.param({"post_only": True}, id="market with post-only"),
        pytest.param({"quote_quantity": Decimal(150)}, id="both quantities"),
        pytest.param({"quantity": None, "quote_quantity": Decimal("-1")}, id="negative quote quantity"),
    ],
)
def test_market_orders_that_make_no_sense(changes):
    with pytest.raises(Rejected):
        exchange_with(*BOOK).submit(replace(market_order("carol", "Bid", 1), **changes))


@pytest.mark.parametrize(
    "mode, own_order, incoming",
    [
        pytest.param("RejectTaker", "New", ("Expired", 2), id="RejectTaker: the incoming order's rest expires"),
        pytest.param("RejectMaker", "Expired", ("Filled", 6), id="RejectMaker: the resting order expires"),
        pytest.param("RejectBoth", "Expired", ("Expired", 2), id="RejectBoth: both expire"),
    ],
)
def test_self_trade_prevention(mode, own_order, incoming):
    exchange = quiet_exchange()
    place(exchange, "bob", "Ask", 2, "150")
    own = place(exchange, "carol", "Ask", 3, "150")
    place(exchange, "bob", "Ask", 4, "151")
    taker = place(exchange, "carol", "Bid", 6, "151", self_trade_prevention=SelfTradePrevention(mode))
    assert own.status == own_order
    assert (taker.status, taker.executed_quantity) == incoming
    for order in (own, taker):
        if order.status is OrderStatus.EXPIRED:
            assert order.expiry_reason is ExpiryReason.SELF_TRADE_PREVENTION
    assert all(trade.buyer_order_id != own.id != trade.seller_order_id for trade in exchange.trades("SOL_USDC"))
    assert_books_balance(exchange)


def test_a_fok_does_not_count_what_self_trade_prevention_keeps_it_from():
    exchange = quiet_exchange()
    place(exchange, "carol", "Ask", 3, "150")
    place(exchange, "bob", "Ask", 3, "150")
    with pytest.raises(Rejected, match="Fill or kill"):
        place(exchange, "carol", "Bid", 3, "150", time_in_force=FOK)
    through = place(
        exchange,
        "carol",
        "Bid",
        3,
        "150",
        time_in_force=FOK,
        self_trade_prevention=SelfTradePrevention.REJECT_MAKER,
    )
    assert through.status is OrderStatus.FILLED


@pytest.mark.parametrize(
    "state, accepted",
    [
        pytest.param(OrderBookState.OPEN, {"limit", "post-only", "market"}, id="Open"),
        pytest.param(OrderBookState.LIMIT_ONLY, {"limit", "post-only"}, id="LimitOnly"),
        pytest.param(OrderBookState.POST_ONLY, {"post-only"}, id="PostOnly"),
        pytest.param(OrderBookState.CANCEL_ONLY, set(), id="CancelOnly"),
        pytest.param(OrderBookState.CLOSED, set(), id="Closed"),
    ],
)
def test_order_book_states(state, accepted):
    exchange = exchange_with(*BOOK)
    mine = place(exchange, "carol", "Bid", 1, "148")
    exchange.set_order_book_state("SOL_USDC", state)
    orders = {
        "limit": request("carol", "Bid", 1, "151"),
        "post-only": request("carol", "Bid", 1, "148", post_only=True),
        "market": market_order("carol", "Ask", 1),
    }
    taken = set()
    for kind, order in orders.items():
        try:
            exchange.submit(order)
            taken.add(kind)
        except Rejected:
            pass
    assert taken == accepted
    exchange.cancel("carol", "SOL_USDC", order_id=mine.id)
    assert mine.status is OrderStatus.CANCELLED


def test_a_market_order_stops_at_the_impact_band():
    exchange = quiet_exchange()
    for price in ("100.00", "103.00", "103.01"):  # SOL_USDC: at most 3 % above the best ask
        place(exchange, "bob", "Ask", 1, price)
    events = exchange.submit(market_order("carol", "Bid", 3))
    assert fills_of(events, "carol") == ["1 @ 100", "1 @ 103"]
    assert order_of(events).expiry_reason is ExpiryReason.PRICE_IMPACT
    assert bids_and_asks(exchange) == ({}, {"103.01": "1"})


def test_the_price_band_follows_the_last_trade():
    exchange = quiet_exchange()
    place(exchange, "bob", "Ask", 1, "100")
    place(exchange, "carol", "Bid", 1, "100")
    place(exchange, "carol", "Bid", 1, "75")
    with pytest.raises(Rejected, match="too far"):
        place(exchange, "carol", "Bid", 1, "74.99")


@pytest.mark.parametrize(
    "buyer_fee_bps, seller_fee_bps, paid",
    [
        pytest.param(Decimal(10), Decimal(8), (Decimal("0.001"), Decimal("0.12")), id="default tier"),
        pytest.param(Decimal("2.5"), Decimal(0), (Decimal("0.00025"), Decimal(0)), id="best tier"),
        pytest.param(Decimal(10), Decimal(-1), (Decimal("0.001"), Decimal("-0.015")), id="maker rebate"),
    ],
)
def test_fees_are_taken_from_what_is_received(buyer_fee_bps, seller_fee_bps, paid):
    exchange = quiet_exchange(traders=())
    exchange.add_account("seller", {"SOL": Decimal(5)}, maker_fee_bps=seller_fee_bps)
    exchange.add_account("buyer", {"USDC": Decimal(500)}, taker_fee_bps=buyer_fee_bps)
    place(exchange, "seller", "Ask", 1, "150")
    place(exchange, "buyer", "Bid", 1, "151")
    (bought,), (sold,) = exchange.fills("buyer"), exchange.fills("seller")
    assert ((bought.fee, bought.fee_asset), (sold.fee, sold.fee_asset)) == ((paid[0], "SOL"), (paid[1], "USDC"))
    assert exchange.ledger.balance("buyer", "SOL").available == 1 - paid[0]
    assert exchange.ledger.balance("buyer", "USDC").available == 350, "the better price comes back at once"
    assert exchange.ledger.balance("seller", "USDC").available == 150 - paid[1]
    assert exchange.ledger.balance("house", "USDC").available == paid[1]
    assert_books_balance(exchange)


def test_a_fee_is_rounded_up_to_nine_decimals():
    exchange = quiet_exchange(traders=())
    exchange.add_account("seller", {"SOL": Decimal(5)}, maker_fee_bps=Decimal("0.33332"))
    exchange.add_account("buyer", {"USDC": Decimal(500)})
    place(exchange, "seller", "Ask", "0.01", "150.01")
    place(exchange, "buyer", "Bid", "0.01", "150.01")
    assert exchange.fills("seller")[0].fee == Decimal("0.000050002")  # 1.5001 * 0.000033332 = 0.0000500013...
    assert_books_balance(exchange)


def test_a_market_without_fees():
    exchange = quiet_exchange(traders=())
    exchange.add_account("seller", {"USDT": Decimal(10)})
    exchange.add_account("buyer", {"USDC": Decimal(10)})
    place(exchange, "seller", "Ask", 5, "1.0001", symbol="USDT_USDC")
    place(exchange, "buyer", "Bid", 5, "1.0001", symbol="USDT_USDC")
    assert exchange.ledger.balance("buyer", "USDT").available == 5


@pytest.mark.parametrize(
    "redeem, quantity, outcome",
    [
        pytest.param(False, 1, "Insufficient funds", id="lent funds are not used unless asked for"),
        pytest.param(True, 1, "0", id="autoLendRedeem takes what is missing: 150 needed, 50 available"),
        pytest.param(True, 2, "Insufficient funds", id="not even the lent funds are enough"),
    ],
)
def test_lent_funds(redeem, quantity, outcome):
    exchange = quiet_exchange(traders=())
    exchange.add_account("lender", {"USDC": Decimal(200)})
    exchange.lend("lender", "USDC", Decimal(150))
    try:
        place(exchange, "lender", "Bid", quantity, "150", auto_lend_redeem=redeem)
        result = f"{exchange.ledger.balance('lender', 'USDC').available:f}"
        assert exchange.ledger.balance("lender", "USDC").lent == 50
    except Rejected as refusal:
        result = refusal.message
        assert exchange.ledger.balance("lender", "USDC").lent == 150
    assert result.rstrip("0").rstrip(".") == outcome.rstrip("0")
    assert_books_balance(exchange)


def test_funds_move_in_and_out():
    exchange = quiet_exchange(traders=())
    exchange.add_account("dave")
    (event,) = exchange.deposit("dave", "USDC", Decimal("10.5"))
    assert isinstance(event, BalanceChanged) and event.balance.available == Decimal("10.5")
    exchange.lend("dave", "USDC", Decimal(4))
    exchange.redeem("dave", "USDC", Decimal(1))
    exchange.withdraw("dave", "USDC", Decimal("7.5"))
    assert exchange.ledger.balance("dave", "USDC").total == exchange.ledger.minted("USDC") == 3
    for too_much in (exchange.withdraw, exchange.lend):
        with pytest.raises(Rejected, match="Insufficient funds"):
            too_much("dave", "USDC", Decimal("0.1"))
    with pytest.raises(Rejected, match="Insufficient funds"):
        exchange.redeem("dave", "USDC", Decimal("3.1"))
    for amount in ("0", "-1", "NaN", "1e16", "1e-13", "999999999999999.0000000000001"):
        with pytest.raises(ValueError, match="expected a positive amount"):
            exchange.deposit("dave", "USDC", Decimal(amount))
    with pytest.raises(ValueError, match="in all accounts"):
        exchange.deposit("dave", "USDC", Decimal("999999999999999"))


def test_cancelling():
    exchange = quiet_exchange()
    first = place(exchange, "alice", "Bid", 1, "149", client_id=7)
    second = place(exchange, "alice", "Bid", 2, "149", client_id=7)
    place(exchange, "alice", "Ask", 2, "151")
    events = exchange.cancel("alice", "SOL_USDC", client_id=7)
    assert [type(event) for event in events] == [OrderCancelled, BalanceChanged, DepthUpdated]
    assert (first.status, second.status) == ("Cancelled", "New"), "of two with one client id the older answers"
    for unknown in (
        {"order_id": first.id},
        {"order_id": 1},
        {"client_id": 8},
        {},
    ):
        with pytest.raises(Rejected, match="INVALID_CLIENT_REQUEST: Order not found"):
            exchange.cancel("alice", "SOL_USDC", **unknown)
    with pytest.raises(Rejected, match="Order not found"):
        exchange.cancel("bob", "SOL_USDC", order_id=second.id)
    with pytest.raises(Rejected, match="Order not found"):
        exchange.cancel("alice", "ETH_USDC", order_id=second.id)
    assert len([e for e in exchange.cancel_all("alice", "SOL_USDC") if isinstance(e, OrderCancelled)]) == 2
    assert exchange.cancel_all("alice", "SOL_USDC") == []
    assert bids_and_asks(exchange) == ({}, {})
    assert_books_balance(exchange)


def test_a_partly_filled_order_takes_only_its_rest_off_the_level():
    exchange = quiet_exchange()
    first = place(exchange, "alice", "Ask", 5, "150")
    place(exchange, "bob", "Ask", 5, "150")
    place(exchange, "carol", "Bid", 2, "150")
    exchange.cancel("alice", "SOL_USDC", order_id=first.id)
    assert (first.status, first.executed_quantity) == ("Cancelled", 2)
    assert bids_and_asks(exchange) == ({}, {"150": "5"})
    assert_books_balance(exchange)


def test_the_events_of_a_trade_in_order():
    exchange = quiet_exchange()
    maker = place(exchange, "alice", "Ask", 1, "150")
    place(exchange, "alice", "Ask", 1, "151")
    exchange.clock.advance(1)
    before_us, update_id = exchange.clock.now_us(), exchange.depth("SOL_USDC").last_update_id
    events = exchange.submit(request("bob", "Bid", 3, "151", client_id=5))
    taker = order_of(events)
    assert [type(event) for event in events] == [
        *(OrderAccepted, BalanceChanged),
        *(Traded, OrderFilled, BalanceChanged, BalanceChanged, OrderFilled, BalanceChanged, BalanceChanged),
        *(Traded, OrderFilled, BalanceChanged, BalanceChanged, OrderFilled, BalanceChanged, BalanceChanged),
        DepthUpdated,
    ]
    made, taken = (event for event in events[:9] if isinstance(event, OrderFilled))
    assert (made.order, made.fill.is_maker, made.status) == (maker, True, "Filled")
    assert (taken.order, taken.fill.is_maker, taken.status) == (taker, False, "PartiallyFilled")
    assert (taken.executed_quantity, taken.executed_quote_quantity) == (1, 150), "the figures of that moment"
    assert taken.fill.client_id == 5
    trade = events[2].trade
    assert made.fill.trade_id == taken.fill.trade_id == trade.id
    assert (trade.buyer_order_id, trade.seller_order_id, trade.is_buyer_maker) == (taker.id, maker.id, False)
    depth = events[-1]
    assert depth.update_id == update_id + 1
    assert depth.asks == ((Decimal(150), 0), (Decimal(151), 0)) and depth.bids == ((Decimal(151), 1),)
    times_us = sorted({event.time_us for event in events})
    assert times_us == [before_us, before_us + 1, before_us + 2, before_us + 3], "accept, two trades, depth"


def test_every_third_changed_level_starts_a_new_depth_update():
    exchange = quiet_exchange()
    for price in range(150, 157):
        place(exchange, "alice", "Ask", 1, price)
    last = exchange.depth("SOL_USDC").last_update_id
    updates = [e for e in exchange.submit(request("bob", "Bid", 7, 156)) if isinstance(e, DepthUpdated)]
    assert [(e.update_id - last, len(e.asks)) for e in updates] == [(1, 3), (2, 3), (3, 1)]


def test_a_market_orders_quote_quantity_is_set_before_matching():
    exchange = quiet_exchange()
    place(exchange, "alice", "Ask", 1, "4421.82", symbol="ETH_USDC")
    events = exchange.submit(market_order("bob", "Bid", "0.001", symbol="ETH_USDC"))
    assert order_of(events).quote_quantity == Decimal("4.43")  # recorded: 4.42182 was shown as 4.43
    assert order_of(events).executed_quote_quantity == Decimal("4.42182")


def test_reducing_keeps_the_place_in_the_queue():
    exchange = quiet_exchange()
    first = place(exchange, "alice", "Ask", 5, "150")
    place(exchange, "bob", "Ask", 5, "150")
    events = exchange.reduce(first.id, Decimal(3))
    assert [type(event) for event in events] == [OrderModified, BalanceChanged, DepthUpdated]
    assert bids_and_asks(exchange) == ({}, {"150": "7"})
    place(exchange, "carol", "Bid", 2, "150")
    assert first.status is OrderStatus.FILLED
    assert_books_balance(exchange)
    with pytest.raises(Rejected, match="Not Found"):
        exchange.reduce(first.id, Decimal(1))


def test_a_reduction_must_leave_something():
    exchange = quiet_exchange()
    order = place(exchange, "alice", "Ask", 5, "150")
    for quantity in ("5", "0", "-1"):
        with pytest.raises(ValueError, match="less than the remaining"):
            exchange.reduce(order.id, Decimal(quantity))


def test_a_system_fill_goes_through_the_ledger_without_trade_id():
    exchange = quiet_exchange()
    order = place(exchange, "alice", "Ask", 5, "150")
    events = exchange.system_fill(order.id, Decimal(2))
    (fill,) = exchange.fills("alice")
    assert (fill.trade_id, fill.system_order_type) == (None, SystemOrderType.COLLATERAL_CONVERSION)
    assert fill.fee == Decimal("0.24")
    assert not [event for event in events if isinstance(event, Traded)] and exchange.trades("SOL_USDC") == []
    assert bids_and_asks(exchange) == ({}, {"150": "3"})
    assert exchange.ledger.balance("alice", "USDC").available == Decimal("1000299.76")
    assert_books_balance(exchange)
    exchange.system_fill(order.id, Decimal(3))
    assert order.status is OrderStatus.FILLED
    assert bids_and_asks(exchange) == ({}, {})
    with pytest.raises(Rejected, match="Not Found"):
        exchange.system_fill(order.id, Decimal(1))
    bid = place(exchange, "alice", "Bid", 1, "150")
    with pytest.raises(ValueError, match="up to the remaining"):
        exchange.system_fill(bid.id, Decimal(2))
    exchange.system_fill(bid.id, Decimal(1))
    assert_books_balance(exchange)


def test_listeners_hear_each_command_once():
    exchange = quiet_exchange()
    heard = []
    exchange.listeners.append(heard.append)
    returned = [
        exchange.submit(request("alice", "Ask", 1, "150")),
        exchange.submit(market_order("bob", "Bid", 1)),
        exchange.deposit("bob", "USDC", Decimal(1)),
    ]
    assert heard == returned


def test_histories():
    exchange = quiet_exchange()
    done = place(exchange, "alice", "Ask", 1, "150", client_id=9)
    other = place(exchange, "alice", "Bid", 1, "2000", symbol="ETH_USDC")
    exchange.clock.advance(10)
    resting = place(exchange, "alice", "Ask", 2, "150")
    place(exchange, "bob", "Bid", 2, "150")
    assert exchange.order_history("alice") == [resting, other, done]
    assert exchange.order_history("alice", symbol="SOL_USDC") == [resting, done]
    assert exchange.order_history("alice", order_id=done.id) == [done]
    assert exchange.order_history("alice", order_id=done.id, symbol="ETH_USDC") == []
    assert exchange.order_history("bob", order_id=done.id) == []
    assert exchange.open_orders("alice") == [other, resting]
    assert exchange.open_orders("alice", "SOL_USDC") == [resting]
    second, first = exchange.fills("alice")
    assert (first.order_id, first.client_id, second.order_id) == (done.id, 9, resting.id)
    assert exchange.fills("alice", order_id=done.id) == [first]
    assert exchange.fills("alice", symbol="ETH_USDC") == []
    assert exchange.fills("alice", from_us=second.time_us) == [second]
    assert exchange.fills("alice", to_us=second.time_us) == [first]
    newest, oldest = exchange.trades("SOL_USDC")
    assert newest.id == oldest.id + 1 == first.trade_id + 1
    assert exchange.trades("SOL_USDC", limit=1) == [newest]
    assert exchange.trades("SOL_USDC", limit=1, offset=1) == [oldest]


def test_histories_forget_what_ended_longest_ago():
    exchange = quiet_exchange()
    exchange.add_account("dave", {"SOL": Decimal(100)}, history_limit=2)
    resting = place(exchange, "dave", "Ask", 1, "160")
    ended = [place(exchange, "dave", "Ask", 1, "150") for _ in range(4)]
    place(exchange, "bob", "Bid", 4, "150")
    assert exchange.order_history("dave") == [ended[3], ended[2], resting], "what is open is never forgotten"
    assert [fill.order_id for fill in exchange.fills("dave")] == [ended[3].id, ended[2].id]


def test_depth_ascends_on_both_sides():
    exchange = exchange_with(*BOOK)
    depth = exchange.depth("SOL_USDC")
    assert [str(price) for price, _ in depth.bids] == ["149.00", "150.00"]
    assert [(str(price), quantity) for price, quantity in depth.asks] == [("151.00", 4), ("152.00", 5)]
    nearest = exchange.depth("SOL_USDC", limit=1)
    assert (nearest.bids, nearest.asks) == (depth.bids[-1:], depth.asks[:1])
    ticker = exchange.book_ticker("SOL_USDC")
    assert (ticker.bid, ticker.ask, ticker.update_id) == (depth.bids[-1], depth.asks[0], depth.last_update_id)
    assert exchange.book_ticker("ETH_USDC").bid is None


def test_a_market_too_fine_for_exact_amounts_is_refused():
    with pytest.raises(ValueError, match="SOL_USDC: .* too many decimals"):
        Exchange(ManualClock(), [replace(SOL_USDC, tick_size=Decimal("1e-8"), step_size=Decimal("1e-8"))])


def test_the_manual_clock_does_not_go_back():
    with pytest.raises(ValueError, match="a step forward"):
        ManualClock().advance(-1)
