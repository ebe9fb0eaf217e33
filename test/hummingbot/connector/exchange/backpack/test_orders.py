"""One order's story, told in any order and by any source, ends the same: in its true state, with every trade once."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from hummingbot.connector.exchange.backpack import wire
from hummingbot.connector.exchange.backpack.errors import OutcomeUnknown, Rejected
from hummingbot.connector.exchange.backpack.orders import (
    FINAL_STATES,
    ORDER_STATES,
    client_id_of,
    each_placed,
    is_same_order,
    order_update,
    reconcile,
    refusal,
    trade_update,
)
from hummingbot.connector.exchange.backpack.wire import (
    BookState,
    Fill,
    Order,
    OrderEvent,
    OrderEventType,
    OrderStatus,
    Side,
    parse_order,
)
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TokenAmount
from test.hummingbot.connector.exchange.backpack.support import data, payload

BORN_S = 1_755_000_000.0
NOW_S = BORN_S + 100.0
VENUE_ID = "5406825793"
CLIENT_ID = 305419896
ETH = wire.Symbol("ETH_USDC")


def in_flight(state: OrderState = OrderState.OPEN, **changes: Any) -> InFlightOrder:
    """A buy of 1 ETH for 4000."""
    facts: dict[str, Any] = {
        "client_order_id": str(CLIENT_ID), "trading_pair": "ETH-USDC", "order_type": OrderType.LIMIT,
        "trade_type": TradeType.BUY, "amount": Decimal(1), "price": Decimal(4000), "creation_timestamp": BORN_S,
        "exchange_order_id": None if state is OrderState.PENDING_CREATE else VENUE_ID, "initial_state": state,
    }  # fmt: skip
    return InFlightOrder(**(facts | changes))


def fill(number: int, quantity: str = "0.5", **changes: Any) -> Fill:
    told = Fill(
        trade_id=1000 + number, order_id=VENUE_ID, client_id=CLIENT_ID, symbol=ETH, side=Side.BID, price=Decimal(4000),
        quantity=Decimal(quantity), fee=Decimal("0.0001"), fee_asset="ETH", is_maker=True, time_s=BORN_S + number,
    )  # fmt: skip
    return replace(told, **changes)


def shown(status: OrderStatus, executed: str = "0", **changes: Any) -> Order:
    """As REST shows it, in whatever list."""
    told = Order(
        order_id=VENUE_ID, client_id=CLIENT_ID, symbol=ETH, side=Side.BID, status=status, quantity=Decimal(1),
        executed_quantity=Decimal(executed), price=Decimal(4000), created_s=BORN_S, expiry_reason=None,
    )  # fmt: skip
    return replace(told, **changes)


NEW = shown(OrderStatus.NEW)
HALF = shown(OrderStatus.PARTIALLY_FILLED, "0.5")
FILLED = shown(OrderStatus.FILLED, "1")
CANCELLED = shown(OrderStatus.CANCELLED)

# -- states -----------------------------------------------------------------------------------------------------------


def test_every_status_has_a_state():
    assert set(ORDER_STATES) == set(OrderStatus)


@pytest.mark.parametrize("status, state", [
    (OrderStatus.NEW, OrderState.OPEN),
    (OrderStatus.PARTIALLY_FILLED, OrderState.PARTIALLY_FILLED),
    (OrderStatus.FILLED, OrderState.FILLED),
    (OrderStatus.CANCELLED, OrderState.CANCELED),
    (OrderStatus.EXPIRED, OrderState.CANCELED),
    (OrderStatus.TRIGGER_PENDING, OrderState.OPEN),
    (OrderStatus.TRIGGER_FAILED, OrderState.FAILED),
])  # fmt: skip
def test_status_to_state(status, state):
    assert ORDER_STATES[status] is state


# fmt: off
@pytest.mark.parametrize("current, seen, executed, told", [
    pytest.param("PENDING_CREATE", NEW,       "0",   "OPEN",             id="accepted"),
    pytest.param("PENDING_CREATE", HALF,      "0.5", "PARTIALLY_FILLED", id="filled before the answer"),
    pytest.param("OPEN",           NEW,       "0",   None,               id="nothing new"),
    pytest.param("OPEN",           HALF,      "0.5", "PARTIALLY_FILLED", id="partly filled"),
    pytest.param("OPEN",           HALF,      "0",   "PARTIALLY_FILLED", id="partly, fill to come"),
    pytest.param("PARTIALLY_FILLED", NEW,       "0.5", None,               id="late news of acceptance"),
    pytest.param("PARTIALLY_FILLED", HALF,      "0.5", None,               id="partly filled, still"),
    pytest.param("PENDING_CANCEL", NEW,       "0",   None,               id="still there while cancelling"),
    pytest.param("PENDING_CANCEL", HALF,      "0.5", None,               id="a fill does not end cancelling"),
    pytest.param("OPEN",           FILLED,    "1",   "FILLED",           id="filled, all fills known"),
    pytest.param("OPEN",           FILLED,    "0.5", None,               id="filled, a fill is missing: wait"),
    pytest.param("PENDING_CANCEL", FILLED,    "1",   "FILLED",           id="filled before the cancel"),
    pytest.param("OPEN",           CANCELLED, "0",   "CANCELED",         id="cancelled"),
    pytest.param("PENDING_CANCEL", CANCELLED, "0",   "CANCELED",         id="cancel confirmed"),
    pytest.param("FILLED",         NEW,       "1",   None,               id="done is done: accepted"),
    pytest.param("FILLED",         HALF,      "1",   None,               id="done is done: partly"),
    pytest.param("FILLED",         CANCELLED, "1",   None,               id="done is done: cancelled"),
    pytest.param("CANCELED",       FILLED,    "1",   None,               id="done is done: filled"),
    pytest.param("CANCELED",       NEW,       "0",   None,               id="done is done: reopened"),
    pytest.param("FAILED",         NEW,       "0",   None,               id="lost and open: no news"),
    pytest.param("FAILED",         FILLED,    "1",   "FILLED",           id="lost, then found filled"),
    pytest.param("FAILED",         CANCELLED, "0",   "CANCELED",         id="lost, then cancelled"),
])
# fmt: on
def test_what_news_does_to_an_order(current, seen, executed, told):
    update = order_update(seen, in_flight(OrderState[current]), Decimal(executed), NOW_S)
    assert (update and update.new_state.name) == told
    if update is not None:
        assert (update.client_order_id, update.exchange_order_id) == (str(CLIENT_ID), VENUE_ID)
        assert (update.trading_pair, update.update_timestamp) == ("ETH-USDC", NOW_S)


def test_a_cancel_waits_for_the_fills_before_it():
    cancelled = shown(OrderStatus.CANCELLED, "0.5")
    assert order_update(cancelled, in_flight(), Decimal(0), NOW_S) is None
    assert order_update(cancelled, in_flight(), Decimal("0.5"), NOW_S).new_state is OrderState.CANCELED


@pytest.mark.parametrize("state", [OrderState.PENDING_CANCEL, OrderState.PARTIALLY_FILLED])
def test_old_news_still_brings_the_venues_id(state):
    update = order_update(NEW, in_flight(state, exchange_order_id=None), Decimal(0), NOW_S)
    assert (update.new_state, update.exchange_order_id) == (state, VENUE_ID)


# -- whose it is ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("client_order_id, number", [
    ("7", 7), ("4294967295", 4294967295), ("4294967296", None), ("x-7", None), ("", None), ("-7", None), ("7.0", None),
])  # fmt: skip
def test_client_ids_are_numbers(client_order_id, number):
    assert client_id_of(in_flight(client_order_id=client_order_id)) == number


@pytest.mark.parametrize("changes, ours", [
    pytest.param({}, True, id="the client id"),
    pytest.param({"client_id": None}, False, id="no client id"),
    pytest.param({"client_id": CLIENT_ID + 1}, False, id="another client id"),
    pytest.param({"symbol": wire.Symbol("SOL_USDC")}, False, id="another market"),
    pytest.param({"side": Side.ASK}, False, id="the other side"),
    pytest.param({"created_s": BORN_S - 8 * 3600}, True, id="clocks differ by a time zone"),
    pytest.param({"created_s": BORN_S - 86_401}, False, id="an older order that had the number"),
])
def test_an_order_without_the_venues_id_is_known_by(changes, ours):
    assert is_same_order(in_flight(OrderState.PENDING_CREATE), replace(NEW, **changes)) is ours


@pytest.mark.parametrize("changes, ours", [
    pytest.param({"client_id": None}, True, id="the venue's id is enough"),
    pytest.param({"order_id": "1"}, False, id="another id, though the client id agrees"),
])
def test_an_order_with_the_venues_id_is_known_by_it(changes, ours):
    assert is_same_order(in_flight(), replace(NEW, **changes)) is ours


def test_a_clock_that_is_not_set_yet_does_not_disown_an_order():
    order = in_flight(OrderState.PENDING_CREATE, creation_timestamp=float("nan"))
    assert is_same_order(order, NEW)


# -- trades -----------------------------------------------------------------------------------------------------------


def test_a_trade():
    trade = trade_update(fill(1, fee=Decimal("-0.0001")), in_flight())
    assert (trade.trade_id, trade.client_order_id, trade.exchange_order_id) == ("1001", str(CLIENT_ID), VENUE_ID)
    assert (trade.fill_price, trade.fill_base_amount, trade.fill_quote_amount) == (4000, Decimal("0.5"), 2000)
    assert (trade.trading_pair, trade.fill_timestamp, trade.is_taker) == ("ETH-USDC", BORN_S + 1, False)
    assert trade.fee == DeductedFromReturnsTradeFee(flat_fees=[TokenAmount("ETH", Decimal("-0.0001"))]), "a rebate"


def test_a_trade_is_the_same_from_stream_and_rest():
    event = wire.parse_order_event(data("ws_order_fill"))
    row = payload("rest_fill") | {
        "orderId": "5406825793", "tradeId": 2888471, "price": "4299.16", "quantity": "0.001", "fee": "0.000001",
        "timestamp": "2025-08-11T19:05:10.174",
    }  # fmt: skip
    order = in_flight()
    assert event.fill is not None
    streamed, asked = trade_update(event.fill, order), trade_update(wire.parse_fill(row), order)
    assert abs(streamed.fill_timestamp - asked.fill_timestamp) < 0.001, "REST tells milliseconds"
    assert streamed._replace(fill_timestamp=0) == asked._replace(fill_timestamp=0)


def test_a_fill_of_the_venues_own_making_keeps_its_id_from_look_to_look():
    order = in_flight()

    def trade_id(**changes: Any) -> str:
        return str(trade_update(fill(1, trade_id=None, **changes), order).trade_id)

    assert trade_id() == trade_id(quantity=Decimal("0.50")) == f"{VENUE_ID}-1755000001.000-4000-0.5"
    others = [{"quantity": Decimal(1)}, {"price": Decimal(4001)}, {"time_s": BORN_S + 2}, {"order_id": "1"}]
    assert len({trade_id(), *(trade_id(**other) for other in others)}) == 5


# -- reconcile --------------------------------------------------------------------------------------------------------

FOREIGN = fill(9, order_id="1", client_id=None)


# fmt: off
@pytest.mark.parametrize("state, open_order, history, fills, trades, told, found, complete", [
    pytest.param("OPEN", NEW, None, [], [], None, True, True, id="open, unchanged"),
    pytest.param("PENDING_CREATE", NEW, None, [], [], "OPEN", True, True, id="its submission is found"),
    pytest.param("OPEN", HALF, None, [fill(1)], ["1001"], "PARTIALLY_FILLED", True, True, id="partly filled unseen"),
    pytest.param("OPEN", HALF, None, [], [], "PARTIALLY_FILLED", True, False, id="fills lag the open order"),
    pytest.param("OPEN", None, FILLED, [fill(2), fill(1)], ["1001", "1002"], "FILLED", True, True, id="filled unseen"),
    pytest.param("PENDING_CREATE", None, FILLED, [fill(1), fill(2)], ["1001", "1002"], "FILLED", True, True,
                 id="filled at once, answer lost"),
    pytest.param("OPEN", None, FILLED, [fill(1)], ["1001"], None, True, False, id="filled, fills lag: not closed yet"),
    pytest.param("OPEN", None, CANCELLED, [], [], "CANCELED", True, True, id="cancelled unseen"),
    pytest.param("OPEN", None, shown(OrderStatus.CANCELLED, "0.5"), [fill(1)], ["1001"], "CANCELED", True, True,
                 id="cancelled after a fill"),
    pytest.param("OPEN", None, shown(OrderStatus.CANCELLED, "0.5"), [], [], None, True, False,
                 id="cancelled after a fill that is not listed yet"),
    pytest.param("OPEN", None, shown(OrderStatus.EXPIRED), [], [], "CANCELED", True, True, id="expired unseen"),
    pytest.param("OPEN", None, shown(OrderStatus.TRIGGER_FAILED), [], [], "FAILED", True, True, id="trigger failed"),
    pytest.param("OPEN", None, NEW, [], [], None, True, False, id="not open, and the history is behind"),
    pytest.param("PENDING_CREATE", None, NEW, [], [], "OPEN", True, False, id="its submission is found, in the past"),
    pytest.param("OPEN", None, HALF, [fill(1), fill(2)], ["1001", "1002"], "FILLED", True, True,
                 id="the history of orders is behind that of fills"),
    pytest.param("PENDING_CREATE", None, FILLED, [fill(1, "1", client_id=None)], ["1001"], "FILLED", True, True,
                 id="a fill's row may lack the client id"),
    pytest.param("OPEN", HALF, CANCELLED, [fill(1)], ["1001"], "PARTIALLY_FILLED", True, True, id="open beats history"),
    pytest.param("OPEN", None, None, [], [], None, False, True, id="absent from all"),
    pytest.param("OPEN", None, None, [FOREIGN], [], None, False, True, id="others' fills are not ours"),
    pytest.param("OPEN", None, None, [fill(1)], ["1001"], None, True, True, id="a fill alone: it is there"),
    pytest.param("OPEN", None, None, [fill(1), fill(2)], ["1001", "1002"], "FILLED", True, True,
                 id="fills for all of it: filled, whatever the lists say"),
    pytest.param("PENDING_CANCEL", HALF, None, [fill(1)], ["1001"], None, True, True, id="still cancelling"),
    pytest.param("FAILED", None, FILLED, [fill(1), fill(2)], ["1001", "1002"], "FILLED", True, True, id="lost, found"),
    pytest.param("OPEN", HALF, None, [fill(1), fill(1)], ["1001"], "PARTIALLY_FILLED", True, True,
                 id="a row on two pages counts once"),
])
# fmt: on
def test_reconcile(state, open_order, history, fills, trades, told, found, complete):
    order = in_flight(OrderState[state])
    before = order.attributes
    verdict = reconcile(order, open_order, history, fills, NOW_S)
    assert [trade.trade_id for trade in verdict.trade_updates] == trades
    assert (verdict.order_update and verdict.order_update.new_state) == (told and OrderState[told])
    assert (verdict.found, verdict.complete) == (found, complete)
    assert order.attributes == before, "it only tells"


def test_system_fills_that_agree_in_everything_are_as_many_as_the_venue_counts():
    twin = fill(1, "0.25", trade_id=None)
    order = in_flight()
    verdict = reconcile(order, shown(OrderStatus.PARTIALLY_FILLED, "0.5"), None, [twin, twin, twin], NOW_S)
    assert len({trade.trade_id for trade in verdict.trade_updates}) == 2, "the third is a row on two pages"
    for trade in verdict.trade_updates:
        order.update_with_trade_update(trade)
    again = reconcile(order, None, shown(OrderStatus.CANCELLED, "0.5"), [twin, twin], NOW_S)
    assert not again.trade_updates and again.order_update.new_state is OrderState.CANCELED


def test_reconcile_does_not_tell_known_trades_again():
    order = in_flight(OrderState.PARTIALLY_FILLED)
    order.update_with_trade_update(trade_update(fill(1), order))
    verdict = reconcile(order, None, FILLED, [fill(2), fill(1)], NOW_S)
    assert [trade.trade_id for trade in verdict.trade_updates] == ["1002"]
    assert verdict.order_update.new_state is OrderState.FILLED


# -- what need not be sent --------------------------------------------------------------------------------------------

LIMIT, MAKER, MARKET = "limit", "post-only", "market"


# fmt: off
@pytest.mark.parametrize("state, kind, reason", [
    (BookState.OPEN,        LIMIT,  None),
    (BookState.OPEN,        MARKET, None),
    (BookState.CLOSED,      LIMIT,  "the market takes no orders, its state is Closed"),
    (BookState.CANCEL_ONLY, MAKER,  "the market takes no orders, its state is CancelOnly"),
    (BookState.POST_ONLY,   MAKER,  None),
    (BookState.POST_ONLY,   LIMIT,  "the market takes only post-only orders (LIMIT_MAKER) at the moment"),
    (BookState.POST_ONLY,   MARKET, "the market takes only post-only orders (LIMIT_MAKER) at the moment"),
    (BookState.LIMIT_ONLY,  LIMIT,  None),
    (BookState.LIMIT_ONLY,  MAKER,  None),
    (BookState.LIMIT_ONLY,  MARKET, "the market takes only limit orders at the moment"),
])
# fmt: on
def test_what_a_markets_state_forbids(state, kind, reason):
    assert refusal(replace(A_MARKET, state=state), body(kind, "1", "140")) == reason


# fmt: off
@pytest.mark.parametrize("kind, amount, price, reason", [
    (LIMIT,  "500",    "1000",    None),
    (LIMIT,  "500.01", "140",     "the amount 500.01 is above the market's maximum 500"),
    (MARKET, "501",    "140",     "the amount 501 is above the market's maximum 500"),
    (LIMIT,  "1",      "0.99",    "the price 0.99 is under the market's minimum 1"),
    (LIMIT,  "1",      "1000.01", "the price 1000.01 is above the market's maximum 1000"),
    (MARKET, "1",      "5000",    None),
])
# fmt: on
def test_what_a_markets_filters_forbid(kind, amount, price, reason):
    assert refusal(A_MARKET, body(kind, amount, price)) == reason


def test_a_market_without_bounds():
    unbounded = replace(A_MARKET, max_quantity=None, max_price=None, min_price=Decimal(0))
    assert refusal(unbounded, body(LIMIT, "1000000", "0.000001")) is None


A_MARKET = replace(
    wire.parse_market(payload("rest_market_spot")),
    max_quantity=Decimal(500), min_price=Decimal(1), max_price=Decimal(1000),
)  # fmt: skip


def body(kind: str, amount: str, price: str) -> dict[str, Any]:
    return wire.new_order(
        symbol=ETH, side=Side.BID, order_type=wire.OrderType.MARKET if kind is MARKET else wire.OrderType.LIMIT,
        quantity=Decimal(amount), price=Decimal(price), client_id=7, post_only=kind is MAKER, redeem_lent=False,
    )  # fmt: skip


# -- any order of news ------------------------------------------------------------------------------------------------

RANK = {
    OrderState.PENDING_CREATE: 0, OrderState.OPEN: 1, OrderState.PARTIALLY_FILLED: 2, OrderState.PENDING_CANCEL: 3,
    OrderState.FILLED: 4, OrderState.CANCELED: 4, OrderState.FAILED: 4,
}  # fmt: skip


class Story:
    """What truly happens at the venue, stage by stage, and how each stage is told."""

    def __init__(self, fills: int, ending: OrderStatus):
        quantity = Decimal(1) / 4
        self.fills = [fill(number, str(quantity)) for number in range(1, fills + 1)]
        self.executed = quantity * fills
        self.ending = OrderStatus.FILLED if fills == 4 else ending

    def status(self, stage: int) -> OrderStatus:
        """``stage`` fills have happened; one stage more and it has ended."""
        if stage > len(self.fills) or (stage == 4):
            return self.ending
        return OrderStatus.PARTIALLY_FILLED if stage else OrderStatus.NEW

    def frames(self) -> list[OrderEvent]:
        frames = [self._event(OrderEventType.ACCEPTED, 0, None)]
        frames += [self._event(OrderEventType.FILL, stage, one) for stage, one in enumerate(self.fills, 1)]
        if self.ending is not OrderStatus.FILLED:
            frames.append(self._event(OrderEventType.CANCELLED, len(self.fills) + 1, None))
        return frames

    def _event(self, kind: OrderEventType, stage: int, one: Fill | None) -> OrderEvent:
        executed = sum((known.quantity for known in self.fills[:stage]), Decimal(0))
        return OrderEvent(
            event=kind, order_id=VENUE_ID, client_id=CLIENT_ID, symbol=ETH, side=Side.BID, status=self.status(stage),
            quantity=Decimal(1), executed_quantity=executed, price=Decimal(4000), time_s=BORN_S + stage,
            expiry_reason=None, fill=one,
        )  # fmt: skip

    def shown(self, stage: int) -> Order:
        return shown(self.status(stage), str(sum((one.quantity for one in self.fills[:stage]), Decimal(0))))


class Desk:
    """Takes note of news as the connector does, and checks at every step what must always hold."""

    def __init__(self, story: Story):
        self.story = story
        self.order = in_flight(OrderState.PENDING_CREATE)
        self.trades: list[str] = []

    def frame(self, event: OrderEvent) -> None:
        if event.fill is not None:
            self._trade(trade_update(event.fill, self.order))
        self._update(order_update(event, self.order, self.order.executed_amount_base, event.time_s))

    def answer(self, seen: Order) -> None:
        """To POST or DELETE."""
        self._update(order_update(seen, self.order, self.order.executed_amount_base, NOW_S))

    def poll(self, stage: int, fills: int) -> None:
        """Open orders and history at ``stage``; the list of fills may lag."""
        seen = self.story.shown(stage)
        is_open = ORDER_STATES[seen.status] not in FINAL_STATES
        verdict = reconcile(
            self.order, seen if is_open else None, None if is_open else seen, self.story.fills[:fills], NOW_S
        )
        for trade in verdict.trade_updates:
            self._trade(trade)
        self._update(verdict.order_update)

    def _trade(self, trade: Any) -> None:
        if self.order.update_with_trade_update(trade):
            self.trades.append(trade.trade_id)

    def _update(self, update: Any) -> None:
        before = self.order.current_state
        if update is not None:
            self.order.update_with_order_update(update)
        assert RANK[self.order.current_state] >= RANK[before], "an order's state never moves backwards"
        if self.order.current_state in FINAL_STATES:
            assert before in FINAL_STATES or self.order.executed_amount_base == self.story.executed, (
                "an order is closed only when all its fills are known"
            )


@settings(max_examples=300, deadline=None)
@given(st.data(), st.integers(0, 4), st.sampled_from([OrderStatus.CANCELLED, OrderStatus.EXPIRED]))
def test_news_in_any_order_tells_the_same_story(data, fills, ending):
    story = Story(fills, ending)
    desk = Desk(story)
    last_stage = len(story.fills) + 1
    frames = story.frames()
    news = data.draw(st.lists(
        st.sampled_from(frames).map(lambda event: (desk.frame, (event,)))
        | st.integers(0, last_stage).map(lambda stage: (desk.answer, (story.shown(stage),)))
        | st.tuples(st.integers(0, last_stage), st.integers(0, fills)).map(lambda at: (desk.poll, at)),
        max_size=12,
    ))  # fmt: skip
    for take_note, told in news:
        take_note(*told)
    desk.poll(last_stage, fills)  # once things are quiet, REST knows it all

    assert desk.order.current_state is ORDER_STATES[story.ending]
    assert sorted(desk.trades) == [str(one.trade_id) for one in story.fills], "every trade exactly once"
    assert desk.order.executed_amount_base == story.executed


@given(st.permutations(Story(3, OrderStatus.CANCELLED).frames()))
def test_all_frames_in_any_order_need_no_rest(frames):
    """Given once more after the last of them: the one that closes may have come before a fill it counts."""
    desk = Desk(Story(3, OrderStatus.CANCELLED))
    for event in [*frames, *frames]:
        desk.frame(event)
    assert desk.order.current_state is OrderState.CANCELED
    assert sorted(desk.trades) == ["1001", "1002", "1003"]


# -- several orders at once -------------------------------------------------------------------------------------------


def placed(client_id: int | None) -> Order:
    return parse_order(payload("rest_order_limit") | {"clientId": client_id})


OK_1, OK_2, OK_3, UNNAMED = placed(1), placed(2), placed(3), placed(None)
NO, NO_FUNDS = Rejected("INVALID_ORDER", "no"), Rejected("INSUFFICIENT_FUNDS", "no funds")


# fmt: off
@pytest.mark.parametrize("told, outcomes", [
    pytest.param([OK_1, OK_2, OK_3],      [OK_1, OK_2, OK_3],      id="all accepted"),
    pytest.param([OK_3, OK_1, OK_2],      [OK_1, OK_2, OK_3],      id="in another order: each says which it is"),
    pytest.param([OK_1, NO, OK_3],        [OK_1, NO, OK_3],        id="one refused"),
    pytest.param([NO, OK_2, NO_FUNDS],    [NO, OK_2, NO_FUNDS],    id="several refused: in the order sent"),
    pytest.param([OK_3, NO, NO_FUNDS],    [NO, NO_FUNDS, OK_3],    id="those left are refused, in the order sent"),
    pytest.param([OK_1, UNNAMED, OK_3],   [OK_1, UNNAMED, OK_3],   id="accepted without its id: by its place"),
    pytest.param([OK_1, OK_3],            [OK_1, None, OK_3],      id="one not told of: not known"),
    pytest.param([],                      [None, None, None],      id="nothing told: nothing known"),
    pytest.param([OK_1, NO, NO, OK_3],    [OK_1, None, OK_3],      id="more rows than orders: not known"),
    pytest.param([OK_1, placed(9), OK_3], [OK_1, None, OK_3],      id="somebody else's order: not known"),
])
# fmt: on
def test_what_became_of_each_order_of_a_batch(told, outcomes):
    for outcome, expected in zip(each_placed([1, 2, 3], told), outcomes, strict=True):
        if expected is None:
            assert isinstance(outcome, OutcomeUnknown)
        else:
            assert outcome is expected
