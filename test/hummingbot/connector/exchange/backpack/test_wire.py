"""Reading what the venue sends: recorded payloads, what each field may be, and that nothing else gets through."""

import copy
import json
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hummingbot.connector.exchange.backpack import wire
from hummingbot.connector.exchange.backpack.errors import OutcomeUnknown, Rejected, WireFormatError
from hummingbot.connector.exchange.backpack.wire import BookState, MarketType, OrderEventType, OrderStatus, Side
from test.hummingbot.connector.exchange.backpack.support import data, payload

# -- recorded payloads ------------------------------------------------------------------------------------------------


def test_market_spot():
    assert wire.parse_market(payload("rest_market_spot")) == wire.Market(
        symbol=wire.Symbol("SOL_USDC"),
        base="SOL",
        quote="USDC",
        market_type=MarketType.SPOT,
        state=BookState.OPEN,
        visible=True,
        tick_size=Decimal("0.01"),
        min_price=Decimal("0.01"),
        max_price=None,
        step_size=Decimal("0.01"),
        min_quantity=Decimal("0.01"),
        max_quantity=None,
    )


def test_market_perp():
    market = wire.parse_market(payload("rest_market_perp"))
    assert (market.symbol, market.market_type) == ("BTC_USDC_PERP", MarketType.PERP)
    assert (market.tick_size, market.step_size) == (Decimal("0.1"), Decimal("0.00001"))
    assert (market.min_price, market.max_price) == (Decimal("0.1"), Decimal(1_000_000))


def read_snapshot(raw: Any) -> wire.DepthSnapshot:
    return wire.read_depth_snapshot(json.dumps(raw).encode(), "depth snapshot")


def read_market_data(inside: Any) -> Any:
    """What a frame with this inside says."""
    kind = "trade" if isinstance(inside, dict) and "m" in inside else "depth"
    return wire.read_market_frame(json.dumps({"data": inside, "stream": f"{kind}.BTC_USDC_PERP"}).encode())


def read_trade(inside: Any) -> Any:
    return wire.read_market_frame(json.dumps({"data": inside, "stream": "trade.BTC_USDC_PERP"}).encode())


def test_depth_snapshot():
    snapshot = read_snapshot(payload("rest_depth"))
    assert snapshot.last_id == 6904864764, "text in the answer, a number in the frames it is compared with"
    assert (snapshot.bids[-1], snapshot.asks[0]) == (wire.Level(86781.4, 2.20229), wire.Level(86781.5, 5.54115))


def test_ticker():
    assert wire.parse_ticker(payload("rest_ticker")) == wire.Ticker(wire.Symbol("ETH_USDC"), Decimal("4182.41"))


def test_limit_order():
    assert wire.parse_order(payload("rest_order_limit")) == wire.Order(
        order_id="8284661092",
        client_id=None,
        symbol=wire.Symbol("ETH_USDC"),
        side=Side.BID,
        status=OrderStatus.NEW,
        quantity=Decimal("0.001"),
        executed_quantity=Decimal(0),
        price=Decimal(4000),
        created_s=1757621440.699,
        expiry_reason=None,
    )


def test_market_order():
    order = wire.parse_order(payload("rest_order_market"))
    assert (order.status, order.executed_quantity, order.price) == (OrderStatus.FILLED, Decimal("0.001"), None)


def test_order_in_the_history():
    order = wire.parse_order(payload("rest_history_order"))
    assert (order.status, order.expiry_reason) == (OrderStatus.EXPIRED, "ImmediateOrCancel")
    assert order.client_id == 305419896
    assert order.created_s == 1755105961.197, "ISO text without a zone is UTC"


def test_what_became_of_several_orders():
    ok = payload("rest_order_limit") | {"operation": "Ok"}
    refused = {"operation": "Err", "code": "INSUFFICIENT_FUNDS", "message": "Insufficient funds"}
    unknown = {"operation": "Err", "code": "TIMEOUT", "message": None}
    first, second, third, *unreadable = wire.parse_placed(
        [ok, refused, unknown, {"operation": "Maybe"}, {"operation": "Ok"}, 7]
    )
    assert first == wire.parse_order(ok)
    assert isinstance(second, Rejected) and (second.code, second.text) == ("INSUFFICIENT_FUNDS", "Insufficient funds")
    assert type(third) is OutcomeUnknown, "the venue's own trouble does not say what became of the order"
    assert [type(one) for one in unreadable] == [WireFormatError] * 3


def test_fill():
    assert wire.parse_fill(payload("rest_fill")) == wire.Fill(
        trade_id=2959284,
        order_id="5578417289",
        client_id=None,
        symbol=wire.Symbol("ETH_USDC"),
        side=Side.BID,
        price=Decimal("4732.9"),
        quantity=Decimal("0.001"),
        fee=Decimal("0.000001"),
        fee_asset="ETH",
        is_maker=False,
        time_s=1755105961.197,
    )


def test_times_without_a_zone_are_utc_wherever_this_computer_is(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    time.tzset()
    try:
        assert wire.parse_fill(payload("rest_fill")).time_s == 1755105961.197
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_fills_client_id_is_text():
    assert wire.parse_fill(payload("rest_fill") | {"clientId": "305419896"}).client_id == 305419896


def test_a_rebate_is_a_negative_fee():
    assert wire.parse_fill(payload("rest_fill") | {"fee": "-0.000001"}).fee == Decimal("-0.000001")


def test_a_fill_of_the_venues_own_system_has_no_trade_id():
    fill = payload("rest_fill") | {"systemOrderType": "CollateralConversion"}
    assert wire.parse_fill(fill | {"tradeId": None}).trade_id is None
    del fill["tradeId"]
    assert wire.parse_fill(fill).trade_id is None


def test_capital():
    balances = {balance.asset: balance for balance in wire.parse_balances(payload("rest_capital"))}
    assert balances["USDC"] == wire.Balance("USDC", Decimal("112.847976936"), Decimal(0), Decimal(0))
    assert set(balances) == {"ETH", "POINTS", "USDC"}


def test_capital_of_a_fully_lent_account():
    assert wire.parse_balances({}) == []


def test_lent():
    assert wire.parse_lent(payload("rest_lend_positions")) == {"USDC": Decimal("250.5")}, "borrowed SOL is not lent"
    assert wire.parse_lent([payload("rest_lend_positions")[0] | {"netQuantity": "0"}]) == {}


def test_account_fees_are_fractions():
    assert wire.parse_account_fees(payload("rest_account")) == wire.AccountFees(Decimal("0.0008"), Decimal("0.0010"))


def test_a_maker_rebate():
    assert wire.parse_account_fees(payload("rest_account") | {"spotMakerFee": "-0.5"}).spot_maker == Decimal("-0.00005")


def test_envelope():
    frame = json.dumps(payload("ws_balance")).encode()
    assert wire.read_private_frame(frame) == wire.Frame("account.balanceUpdate", data("ws_balance"))


@pytest.mark.parametrize("read", [wire.read_market_frame, wire.read_private_frame])
def test_a_refusal(read):
    assert read(json.dumps(payload("ws_refusal")).encode()) == wire.StreamRefusal(4006, "Invalid stream")


def test_a_frame_that_says_nothing():
    with pytest.raises(WireFormatError, match="neither 'data' nor 'error'"):
        wire.read_market_frame(b'{"stream": "trade.SOL_USDC"}')


def test_a_frame_may_have_its_fields_in_any_order():
    text = json.dumps({"stream": "depth.BTC_USDC_PERP", "data": data("ws_depth")}).encode()
    assert wire.read_market_frame(text) == wire.read_market_frame(json.dumps(payload("ws_depth")).encode())
    with pytest.raises(WireFormatError):
        wire.read_market_frame(b"\xff" + text)


def test_depth():
    assert wire.read_market_frame(json.dumps(payload("ws_depth")).encode()) == wire.DepthUpdate(
        symbol=wire.Symbol("BTC_USDC_PERP"),
        first_id=6904947650,
        last_id=6904947650,
        bids=[wire.Level(86640.8, 1.32076)],
        asks=[],
        time_us=1790915531025000,
    )


def test_times_of_market_data():
    assert read_market_data(data("ws_depth")).time_s == read_market_data(data("ws_trade")).time_s == 1790915531.025


def test_a_size_of_zero_deletes_a_level():
    assert read_market_data(data("ws_depth") | {"a": [["86640.9", "0.00000"]]}).asks == [wire.Level(86640.9, 0.0)]


def test_what_may_follow_price_and_size_is_ignored():
    assert read_market_data(data("ws_depth") | {"b": [["86640.8", "1", "x"]]}).bids[0].amount == 1.0


def test_public_trade():
    assert wire.read_market_frame(json.dumps(payload("ws_trade")).encode()) == wire.PublicTrade(
        symbol=wire.Symbol("BTC_USDC_PERP"),
        trade_id=99419870,
        price=86642.9,
        quantity=0.07206,
        buyer_is_maker=False,
        time_us=1790915531025000,
    )


@pytest.mark.parametrize("name, event, status, client_id, reason", [
    ("ws_order_accepted_limit", OrderEventType.ACCEPTED, OrderStatus.NEW, None, None),
    ("ws_order_accepted_market", OrderEventType.ACCEPTED, OrderStatus.NEW, None, None),
    ("ws_trigger_placed", OrderEventType.TRIGGER_PLACED, OrderStatus.TRIGGER_PENDING, None, None),
    ("ws_order_cancelled", OrderEventType.CANCELLED, OrderStatus.CANCELLED, None, None),
    ("ws_order_expired", OrderEventType.EXPIRED, OrderStatus.EXPIRED, 305419896, "SELF_TRADE_PREVENTION"),
])  # fmt: skip
def test_order_events_without_a_fill(name, event, status, client_id, reason):
    read = wire.parse_order_event(data(name))
    assert (read.event, read.status, read.client_id, read.expiry_reason) == (event, status, client_id, reason)
    assert read.fill is None, "the trade id is null on every event but a fill"


def test_order_fill_event():
    read = wire.parse_order_event(data("ws_order_fill"))
    assert read.status is OrderStatus.FILLED
    assert read.quantity == read.executed_quantity == Decimal("0.001")
    assert read.fill == wire.Fill(
        trade_id=2888471,
        order_id="5406825793",
        client_id=None,
        symbol=wire.Symbol("ETH_USDC"),
        side=Side.BID,
        price=Decimal("4299.16"),
        quantity=Decimal("0.001"),
        fee=Decimal("0.000001"),
        fee_asset="ETH",
        is_maker=False,
        time_s=1754939110.174705,
    )


def test_balance_event():
    assert wire.parse_balance_event(data("ws_balance")) == wire.Balance(
        "USDC", available=Decimal("122.35"), locked=Decimal(10), staked=Decimal(0)
    )


# -- what a field may be ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Message:
    parse: Callable[[Any], object]
    sample: Any
    required: tuple[str, ...]
    optional: tuple[str, ...] = ()


MESSAGES = {
    "market": Message(
        wire.parse_market, payload("rest_market_spot"),
        ("symbol", "baseSymbol", "quoteSymbol", "marketType", "orderBookState", "filters", "filters.price",
         "filters.price.tickSize", "filters.quantity", "filters.quantity.stepSize", "filters.quantity.minQuantity"),
        ("visible", "filters.price.minPrice", "filters.price.maxPrice", "filters.quantity.maxQuantity"),
    ),
    "depth snapshot": Message(
        read_snapshot, payload("rest_depth"), ("lastUpdateId", "bids", "asks")
    ),
    "ticker": Message(wire.parse_ticker, payload("rest_ticker"), ("symbol", "lastPrice")),
    "order": Message(
        wire.parse_order, payload("rest_history_order"), ("id", "symbol", "side", "status", "createdAt"),
        ("clientId", "quantity", "executedQuantity", "price", "expiryReason"),
    ),
    "fill": Message(
        wire.parse_fill, payload("rest_fill") | {"clientId": "7"},
        ("orderId", "symbol", "side", "price", "quantity", "fee", "feeSymbol", "isMaker", "timestamp"),
        ("tradeId", "clientId"),
    ),
    "account": Message(wire.parse_account_fees, payload("rest_account"), ("spotMakerFee", "spotTakerFee")),
    "depth": Message(read_market_data, data("ws_depth"), ("s", "U", "u", "b", "a", "T")),
    "trade": Message(read_trade, data("ws_trade"), ("s", "t", "p", "q", "m", "T")),
    "order event": Message(
        wire.parse_order_event, data("ws_order_fill") | {"c": 7, "p": "4299.16", "R": None},
        ("e", "i", "s", "S", "X", "q", "z", "T", "L", "l", "n", "N", "m"), ("c", "t", "p", "R"),
    ),
    "balance event": Message(wire.parse_balance_event, data("ws_balance"), ("a", "A", "L"), ("S",)),
}  # fmt: skip
BRANCHES = ("filters", ".price", ".quantity")  # of a market
REQUIRED = [(name, field) for name, message in MESSAGES.items() for field in message.required]
OPTIONAL = [(name, field) for name, message in MESSAGES.items() for field in message.optional]


def with_field(sample: Any, field: str, value: object) -> Any:
    changed = copy.deepcopy(sample)
    *way, last = field.split(".")
    inside = changed
    for step in way:
        inside = inside[step]
    if value is MISSING:
        del inside[last]
    else:
        inside[last] = value
    return changed


MISSING = object()


def repr_of(value: object) -> str:
    return repr(value)[:20]


@pytest.mark.parametrize("name", MESSAGES)
def test_the_samples_can_be_read(name):
    MESSAGES[name].parse(MESSAGES[name].sample)


@pytest.mark.parametrize("name, field", REQUIRED)
def test_a_missing_field_is_named(name, field):
    message = MESSAGES[name]
    with pytest.raises(WireFormatError, match=f"field ['`]{field.rpartition('.')[2]}['`]"):
        message.parse(with_field(message.sample, field, MISSING))


@pytest.mark.parametrize("name, field", [row for row in REQUIRED if not row[1].endswith(BRANCHES)])
@pytest.mark.parametrize("value", [None, {}, 1.5], ids=["null", "an object", "a fraction"])
def test_a_mistyped_field_is_named(name, field, value):
    message = MESSAGES[name]
    if (name, value) == ("trade", 1.5) and field in ("p", "q"):
        return  # in market data a number is as good as its text
    is_time = (name, field) in {("order", "createdAt"), ("fill", "timestamp")}
    with pytest.raises(WireFormatError, match="expected a.* time" if is_time else field.rpartition(".")[2]):
        message.parse(with_field(message.sample, field, value))


@pytest.mark.parametrize("field", ["filters", "filters.price", "filters.quantity"])
def test_a_filter_that_is_no_object(field):
    with pytest.raises(WireFormatError, match="filter.*expected an object, was NoneType"):
        wire.parse_market(with_field(payload("rest_market_spot"), field, None))


@pytest.mark.parametrize("name, field", OPTIONAL)
@pytest.mark.parametrize("value", [MISSING, None], ids=["missing", "null"])
def test_an_optional_field_may_be_absent(name, field, value):
    MESSAGES[name].parse(with_field(MESSAGES[name].sample, field, value))


@pytest.mark.parametrize("name, field, value", [
    ("order", "status", "Suspended"),
    ("order", "side", "Buy"),
    ("order event", "e", "orderTeleported"),
    ("order event", "X", "Suspended"),
    ("order event", "S", "bid"),
    ("fill", "side", ""),
])  # fmt: skip
def test_an_unknown_word_that_decides_is_refused(name, field, value):
    with pytest.raises(WireFormatError, match=f"{field}.*unknown value {value!r}"):
        MESSAGES[name].parse(with_field(MESSAGES[name].sample, field, value))


@pytest.mark.parametrize("name, field, value", [
    ("order", "expiryReason", "A reason of next year"),
    ("order event", "R", "A_REASON_OF_NEXT_YEAR"),
    ("market", "orderBookState", "HalfOpen"),
    ("market", "marketType", "LOTTERY"),
])  # fmt: skip
def test_an_unknown_word_that_describes_passes(name, field, value):
    MESSAGES[name].parse(with_field(MESSAGES[name].sample, field, value))


def test_unknown_states_and_types_of_markets_are_not_traded():
    assert BookState.of("HalfOpen") is BookState.CLOSED
    assert MarketType.of("LOTTERY") is MarketType.OTHER


@pytest.mark.parametrize("text", ["", " ", "abc", "NaN", "Infinity", "-Infinity", "1,5", "0x10", True, [], "1e99999"])
def test_not_an_amount(text):
    with pytest.raises(WireFormatError, match="'fee'"):
        wire.parse_fill(payload("rest_fill") | {"fee": text})


@pytest.mark.parametrize("tick", ["0", "-0.01"])
def test_a_tick_of_nothing_would_divide_by_zero(tick):
    with pytest.raises(WireFormatError, match="tickSize.*above zero"):
        wire.parse_market(with_field(payload("rest_market_spot"), "filters.price.tickSize", tick))


@pytest.mark.parametrize("value", [True, "x", "", 1.5, [], 2**63, "1" * 5000], ids=repr_of)
def test_not_a_time_in_microseconds(value):
    with pytest.raises(WireFormatError, match=r"\.T`"):
        read_market_data(data("ws_depth") | {"T": value})


@pytest.mark.parametrize("value", [True, 1.5, None, {}, "yesterday", "2025-13-01T00:00:00", 10**400], ids=repr_of)
def test_not_a_time_of_an_order(value):
    with pytest.raises(WireFormatError, match="time"):
        wire.parse_order(payload("rest_order_limit") | {"createdAt": value})


@pytest.mark.parametrize("levels", [
    None, {}, "86640.8", [["86640.8"]], [["x", "1"]], [["86640.8", "x"]], [[None, "1"]],
    [["0", "1"]], [["-1", "1"]], [["1", "-1"]], [["nan", "1"]], [["1", "nan"]], [["inf", "1"]], [["1", "inf"]], [7],
    [[10**400, "1"]],
])  # fmt: skip
def test_not_levels(levels):
    with pytest.raises(WireFormatError, match=r"\.b(\[|`)|not JSON|malformed|out of range"):
        read_market_data(data("ws_depth") | {"b": levels})


@pytest.mark.parametrize("value", ["false", 0, "", None, []])
def test_a_word_for_a_boolean_is_not_guessed(value):
    with pytest.raises(WireFormatError, match="isMaker"):
        wire.parse_fill(payload("rest_fill") | {"isMaker": value})


@pytest.mark.parametrize("zone", ["Z", "+00:00"])
def test_a_time_with_a_zone_is_read_the_same(zone):
    fill = payload("rest_fill") | {"timestamp": f"2025-08-13T17:26:01.197{zone}"}
    assert wire.parse_fill(fill).time_s == 1755105961.197


# -- lists ------------------------------------------------------------------------------------------------------------


def test_all_rows_or_none():
    with pytest.raises(WireFormatError, match="'createdAt'"):
        wire.parse_rows([payload("rest_order_limit"), {}], wire.parse_order, "orders")


def test_the_readable_rows_and_what_is_wrong_with_the_others():
    read, unreadable = wire.parse_readable([payload("rest_order_limit"), {}, 7], wire.parse_order, "orders")
    assert [order.order_id for order in read] == ["8284661092"]
    assert [str(error) for error in unreadable] == [
        "order: field 'createdAt' is missing", "order: expected an object, was int",
    ]  # fmt: skip


@pytest.mark.parametrize("rows", [None, {}, "text", 7])
def test_not_a_list(rows):
    for read in (wire.parse_rows, wire.parse_readable):
        with pytest.raises(WireFormatError, match="orders: expected a list"):
            read(rows, wire.parse_order, "orders")


# -- no surprises -----------------------------------------------------------------------------------------------------

ODD_TEXT = st.sampled_from(["NaN", "1e999999999", "-1E-999999999", "9" * 4400, "Infinity", "١٢", "1_0", "\ud800", "0"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from([2**63, 10**400]) | st.floats() | st.text() | ODD_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@st.composite
def damaged(draw, sample: Any) -> Any:
    """The sample with something else in one place, or nothing."""
    places = list(leaves_and_branches(sample))
    way = draw(st.sampled_from(places))
    if not way:
        return draw(JSON)
    changed = copy.deepcopy(sample)
    inside = changed
    for step in way[:-1]:
        inside = inside[step]
    if draw(st.booleans()):
        inside[way[-1]] = draw(JSON)
    else:
        del inside[way[-1]]
    return changed


def leaves_and_branches(value: Any, way: tuple[Any, ...] = ()):
    yield way
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inside in steps:
        yield from leaves_and_branches(inside, (*way, step))


PARSERS = {
    **{name: (message.parse, message.sample) for name, message in MESSAGES.items()},
    "placed": (wire.parse_placed, [payload("rest_order_limit") | {"operation": "Ok"}]),
    "capital": (wire.parse_balances, payload("rest_capital")),
    "lend positions": (wire.parse_lent, payload("rest_lend_positions")),
    "market frame": (lambda raw: wire.read_market_frame(json.dumps(raw).encode()), payload("ws_depth")),
    "private frame": (lambda raw: wire.read_private_frame(json.dumps(raw).encode()), payload("ws_balance")),
    "refusal": (lambda raw: wire.read_market_frame(json.dumps(raw).encode()), payload("ws_refusal")),
    "rows": (lambda rows: wire.parse_readable(rows, wire.parse_fill, "fills"), [payload("rest_fill")]),
}


@pytest.mark.parametrize("name", PARSERS)
@given(st.data())
@settings(max_examples=60, deadline=None)
def test_whatever_arrives_is_read_or_refused(name, data):
    parse, sample = PARSERS[name]
    arrived = data.draw(damaged(sample))
    if name in ("order event", "balance event") and not isinstance(arrived, dict):
        return  # read_private_frame lets only objects through
    try:
        parse(arrived)
    except WireFormatError as error:
        assert len(str(error)) < 300, "one line for a person"


@given(st.text() | st.binary())
def test_text_is_json_or_refused(text):
    try:
        wire.decode(text, "frame")
    except WireFormatError as error:
        assert str(error).startswith("frame: not JSON")


@pytest.mark.parametrize("text", ['{"a": ', "", "[" * 1_000_000, b"\xff\xfe\xfa", "9" * 5000])
def test_broken_text(text):
    with pytest.raises(WireFormatError, match="frame: not JSON"):
        wire.decode(text, "frame")


# -- names, units, building -------------------------------------------------------------------------------------------


def test_names():
    assert wire.symbol_of("SOL-USDC") == "SOL_USDC"
    assert wire.trading_pair_of("SOL", "USDC") == "SOL-USDC"


def test_microseconds_become_seconds():
    assert wire.seconds(1790915412979224) == 1790915412.979224


@given(st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12))
def test_a_decimal_survives_the_wire(value):
    text = wire.decimal_text(value)
    assert re.fullmatch(r"-?\d+(\.\d+)?", text), "plain digits, never an exponent"
    assert Decimal(text) == value


def test_small_and_large_amounts_have_no_exponent():
    assert wire.decimal_text(Decimal("1E-7")) == "0.0000001"
    assert wire.decimal_text(Decimal("1E+3")) == "1000"


def order_body(**changes: Any) -> dict[str, Any]:
    order = {
        "symbol": wire.Symbol("SOL_USDC"), "side": Side.BID, "order_type": wire.OrderType.LIMIT,
        "quantity": Decimal("1E-2"), "price": Decimal("150.10"), "client_id": 7, "post_only": False,
        "redeem_lent": False,
    }  # fmt: skip
    return wire.new_order(**(order | changes))


@pytest.mark.parametrize("changes, body", [
    pytest.param({}, {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Limit", "quantity": "0.01", "clientId": 7,
                      "price": "150.10", "timeInForce": "GTC", "postOnly": False}, id="limit"),
    pytest.param({"side": Side.ASK, "post_only": True},
                 {"symbol": "SOL_USDC", "side": "Ask", "orderType": "Limit", "quantity": "0.01", "clientId": 7,
                  "price": "150.10", "timeInForce": "GTC", "postOnly": True}, id="post-only"),
    pytest.param({"order_type": wire.OrderType.MARKET, "price": None, "post_only": True},
                 {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Market", "quantity": "0.01", "clientId": 7},
                 id="market: neither price nor postOnly"),
    pytest.param({"order_type": wire.OrderType.MARKET, "redeem_lent": True},
                 {"symbol": "SOL_USDC", "side": "Bid", "orderType": "Market", "quantity": "0.01", "clientId": 7,
                  "autoLendRedeem": True}, id="with lent funds"),
])  # fmt: skip
def test_a_new_order(changes, body):
    assert order_body(**changes) == body
    assert json.loads(json.dumps(order_body(**changes))) == body


def test_a_limit_order_without_a_price():
    with pytest.raises(ValueError, match="SOL_USDC: a limit order needs a price"):
        order_body(price=None)


def test_an_order_is_cancelled_by_one_id():
    symbol = wire.Symbol("SOL_USDC")
    assert wire.cancel_order(symbol, order_id="99", client_id=7) == {"symbol": "SOL_USDC", "orderId": "99"}
    assert wire.cancel_order(symbol, order_id=None, client_id=7) == {"symbol": "SOL_USDC", "clientId": 7}


def test_subscriptions():
    symbol = wire.Symbol("SOL_USDC")
    streams = [wire.depth_stream(symbol), wire.trade_stream(symbol)]
    assert wire.subscribe(streams) == {"method": "SUBSCRIBE", "params": ["depth.SOL_USDC", "trade.SOL_USDC"]}
    assert wire.unsubscribe(streams) == {"method": "UNSUBSCRIBE", "params": ["depth.SOL_USDC", "trade.SOL_USDC"]}


# -- the venue's vocabulary -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, words", [
    (OrderStatus, "New PartiallyFilled Filled Cancelled Expired TriggerPending TriggerFailed"),
    (OrderEventType, "orderAccepted orderCancelled orderExpired orderFill orderModified triggerPlaced triggerFailed"),
    (BookState, "Open Closed CancelOnly LimitOnly PostOnly"),
    (Side, "Bid Ask"),
    (wire.OrderType, "Limit Market"),
])  # fmt: skip
def test_the_documented_words_are_known(kind, words):
    assert {member.value for member in kind} == set(words.split())
