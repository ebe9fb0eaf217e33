"""The connector as Hummingbot uses it, trading on a local exchange. What happens under faults is tested elsewhere
(test_under_faults.py), Hummingbot's own acceptance suite too (test_backpack_exchange_acceptance.py)."""

import asyncio
import logging
import math
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack import backpack_exchange as module
from hummingbot.connector.exchange.backpack import backpack_records, wire
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.errors import BackpackError, NotFound
from hummingbot.connector.exchange.backpack.simulator import SimulatedBackpack, faults
from hummingbot.connector.exchange.backpack.simulator.model import OrderBookState
from hummingbot.core.data_type.cancellation_result import CancellationResult
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState
from hummingbot.core.data_type.limit_order import LimitOrder
from hummingbot.core.data_type.trade_fee import TokenAmount
from hummingbot.core.event.event_forwarder import EventForwarder
from hummingbot.core.event.events import MarketEvent
from hummingbot.core.network_iterator import NetworkStatus
from hummingbot.logger import HummingbotLogger
from test.hummingbot.connector.exchange.backpack.simulator.trading_floor import place
from test.hummingbot.connector.exchange.backpack.support import connector, eventually, payload, running

SOL, BTC = "SOL-USDC", "BTC-USDC"
LIMIT, MAKER, MARKET = OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET


class Calls(faults.Fault):
    """Not a fault: remembers every request."""

    name = "calls"

    def __init__(self) -> None:
        self.seen: list[tuple[str, str]] = []

    async def request(self, call: faults.Call, handle: faults.Handler) -> Any:
        self.seen.append((call.method, call.path))
        return await handle()

    def count(self, endpoint: CONSTANTS.Endpoint) -> int:
        return self.seen.count((endpoint.method.name, endpoint.path))


@dataclass
class Desk:
    """The connector at work, what it told Hummingbot, and the exchange behind it."""

    venue: SimulatedBackpack
    exchange: BackpackExchange
    account: str
    calls: Calls = field(default_factory=Calls)
    told: list[tuple[str, Any]] = field(default_factory=list)
    _forwarders: list[EventForwarder] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.venue.faults.arm(self.calls)
        for event in MarketEvent:
            forwarder = EventForwarder(lambda told, name=event.name: self.told.append((name, told)))
            self.exchange.add_listener(event, forwarder)
            self._forwarders.append(forwarder)  # listeners are held weakly

    def events(self, name: str) -> list[Any]:
        return [event for told, event in self.told if told == name]

    def order(self, order_id: str) -> InFlightOrder:
        tracker = self.exchange._order_tracker
        order = tracker.fetch_tracked_order(order_id) or tracker.fetch_cached_order(order_id)
        assert order is not None, order_id
        return order

    async def resting(self, amount: str = "1", price: str = "140", pair: str = SOL) -> str:
        """A buy order that is open here and there."""
        order_id = str(self.exchange.buy(pair, Decimal(amount), LIMIT, Decimal(price)))
        await eventually(lambda: order_id in self.open_there and self.order(order_id).exchange_order_id)
        return order_id

    @property
    def open_there(self) -> set[str]:
        return {str(order.client_id) for order in self.venue.exchange.open_orders(self.account)}

    def balance_there(self, asset: str) -> Any:
        return self.venue.exchange.ledger.balances(self.account)[asset]

    def balances_agree(self) -> bool:
        return all(
            self.exchange.get_balance(asset) == there.total
            and self.exchange.get_available_balance(asset) == there.available + there.lent
            for asset, there in self.venue.exchange.ledger.balances(self.account).items()
        )


@asynccontextmanager
async def at_work(venue: SimulatedBackpack, *pairs: str, **options: Any) -> AsyncIterator[Desk]:
    account = venue.add_account({"USDC": "100000", "SOL": "1000", "BTC": "10"}, name="bot")
    exchange = connector(venue, account, *(pairs or (SOL,)), **options)
    desk = Desk(venue, exchange, account.name)
    async with running(exchange):
        yield desk


@pytest_asyncio.fixture
async def desk(venue: SimulatedBackpack) -> AsyncIterator[Desk]:
    async with at_work(venue) as desk:
        yield desk


@pytest.fixture
def idle(venue: SimulatedBackpack) -> BackpackExchange:
    """With keys, but not started."""
    return connector(venue, venue.add_account({"USDC": "1000"}, name="idle"), SOL)


# -- ready ------------------------------------------------------------------------------------------------------------


async def test_ready_means_all_of_it(desk):
    assert desk.exchange.status_dict == dict.fromkeys(
        ["symbols_mapping_initialized", "order_books_initialized", "account_balance", "trading_rule_initialized",
         "user_stream_initialized"], True,
    )  # fmt: skip
    assert desk.balances_agree()
    assert await desk.exchange.check_network() is NetworkStatus.CONNECTED


async def test_not_ready_before_the_orders_fate_is_known(venue):
    blind = venue.faults.arm(faults.ServerError(), path="/api/v1/orders")
    account = venue.add_account({"USDC": "1000"}, name="bot")
    exchange = connector(venue, account, SOL)
    saved = InFlightOrder("7", SOL, LIMIT, TradeType.BUY, Decimal(1), 1.0, Decimal(140), "99", OrderState.OPEN)
    exchange.restore_tracking_states({"7": saved.to_json()})
    async with running(exchange, ready=False):
        await eventually(lambda: exchange._user_stream_tracker.last_recv_time > 0 and blind.fired, timeout=10)
        assert not exchange.status_dict["user_stream_initialized"]
        venue.faults.clear(blind)
        await eventually(lambda: exchange.ready, timeout=10)


async def test_not_ready_after_the_private_stream_is_lost(desk):
    lost = desk.venue.faults.arm(faults.CloseFrame(), stream="account.")
    place(desk.venue.exchange, "bot", "Bid", 1, 140)
    await eventually(lambda: not desk.exchange.ready)
    desk.venue.faults.clear(lost)
    await eventually(lambda: desk.exchange.ready)


async def test_an_exchange_that_is_not_there(venue):
    await venue.stop()
    exchange = connector(venue, venue.add_account(name="bot"), SOL)
    assert await exchange.check_network() is NetworkStatus.NOT_CONNECTED
    assert not exchange.ready


# -- markets ----------------------------------------------------------------------------------------------------------


async def test_trading_rules_come_from_the_markets(desk):
    rule = desk.exchange.trading_rules[BTC]
    assert (rule.min_price_increment, rule.min_base_amount_increment) == (Decimal("0.1"), Decimal("0.00001"))
    assert rule.min_order_size == Decimal("0.00001")
    assert rule.supports_market_orders and rule.supports_limit_orders


async def rules_of(exchange: BackpackExchange, *markets: dict[str, Any]) -> list[str]:
    exchange._initialize_trading_pair_symbols_from_exchange_info(list(markets))
    assert set(await exchange.all_trading_pairs()) == {rule.trading_pair for rule in
                                                       await exchange._format_trading_rules(list(markets))}  # fmt: skip
    return sorted(await exchange.all_trading_pairs())


async def test_only_visible_spot_markets_are_listed(idle):
    spot = payload("rest_market_spot")
    hidden = spot | {"symbol": "HIDE_USDC", "baseSymbol": "HIDE", "visible": False}
    odd = spot | {"symbol": "ODD_USDC", "baseSymbol": "ODD", "marketType": "LOTTERY"}
    assert await rules_of(idle, spot, hidden, odd, payload("rest_market_perp")) == [SOL]


async def test_an_unreadable_market_does_not_hide_the_others(idle, caplog):
    spot = payload("rest_market_spot")
    assert await rules_of(idle, {"symbol": "NEW_USDC"}, spot) == [SOL]
    assert "1 markets cannot be read and are skipped: market: field 'filters' is missing" in caplog.messages


async def test_a_second_market_of_the_same_pair_does_not_hide_all(idle):
    spot = payload("rest_market_spot")
    assert await rules_of(idle, spot | {"symbol": "SOL_USDC_TWO"}, spot) == [SOL]


async def test_a_closed_market_keeps_its_rules(idle):
    """Its orders are still there, and a strategy may hold its asset."""
    assert await rules_of(idle, payload("rest_market_spot") | {"orderBookState": "Closed"}) == [SOL]


# -- prices -----------------------------------------------------------------------------------------------------------


async def test_last_prices(desk):
    place(desk.venue.exchange, "crowd", "Bid", 1, 151)
    assert await desk.exchange.get_last_traded_prices([SOL]) == {SOL: 151.0}
    assert await desk.exchange._get_last_traded_price(SOL) == 151.0
    assert {"symbol": "SOL_USDC", "lastPrice": "151"} in await desk.exchange.get_all_pairs_prices()


async def test_a_pair_nobody_trades_has_its_mid_price_or_none(venue):
    """The ticker of such a market may be missing; for an answer that lacks a pair Hummingbot asks in a tight loop."""
    place(venue.exchange, "street", "Bid", 1, 80_000, symbol="BTC_USDC")
    place(venue.exchange, "street", "Ask", 1, 81_000, symbol="BTC_USDC")
    async with at_work(venue, SOL, BTC) as desk:
        venue.faults.arm(NoTickers())
        prices = await desk.exchange.get_last_traded_prices([SOL, BTC, "ETH-USDC"])
        price_for_v2 = await desk.exchange._get_last_traded_price("ETH-USDC")
    assert (prices[SOL], prices[BTC]) == (150.0, 80_500.0)
    assert math.isnan(prices["ETH-USDC"]) and price_for_v2 == 0


class NoTickers(faults.Fault):
    name = "no_tickers"

    async def request(self, call: faults.Call, handle: faults.Handler) -> Any:
        answer = await handle()
        return type(answer)(200, b"[]", answer.content_type) if call.path == CONSTANTS.TICKERS.path else answer


# -- placing ----------------------------------------------------------------------------------------------------------


async def test_a_limit_order_rests(desk):
    order_id = await desk.resting("1.5", "140.25")
    [there] = desk.venue.exchange.open_orders("bot")
    assert (str(there.client_id), there.quantity, there.price) == (order_id, Decimal("1.5"), Decimal("140.25"))
    assert desk.order(order_id).exchange_order_id == str(there.id)
    [created] = desk.events("BuyOrderCreated")
    assert (created.order_id, created.exchange_order_id) == (order_id, str(there.id))
    assert desk.exchange.limit_orders[0].client_order_id == order_id


async def test_amount_and_price_are_cut_to_the_markets_steps(desk):
    order_id = await desk.resting("1.23999", "140.129")
    [there] = desk.venue.exchange.open_orders("bot")
    assert (there.quantity, there.price) == (Decimal("1.23"), Decimal("140.12"))
    assert desk.order(order_id).amount == Decimal("1.23")


@pytest.mark.parametrize("trade_type, price, received", [(TradeType.BUY, 151, "SOL"), (TradeType.SELL, 149, "USDC")])
async def test_a_market_order_trades_at_once(desk, trade_type, price, received):
    trade = desk.exchange.buy if trade_type is TradeType.BUY else desk.exchange.sell
    order_id = trade(SOL, Decimal(2), MARKET)
    await eventually(lambda: desk.events(f"{trade_type.name.capitalize()}OrderCompleted"))
    [filled] = desk.events("OrderFilled")
    [ledger] = desk.venue.exchange.fills("bot")
    assert (filled.order_id, filled.amount, filled.price) == (order_id, 2, price)
    assert filled.trade_fee.flat_fees == [TokenAmount(received, ledger.fee)] and ledger.fee_asset == received
    assert filled.exchange_trade_id == str(ledger.trade_id)
    assert desk.order(order_id).is_filled and not desk.exchange.in_flight_orders
    assert [name for name, _ in desk.told][-3:] == [
        f"{trade_type.name.capitalize()}OrderCreated", "OrderFilled", f"{trade_type.name.capitalize()}OrderCompleted",
    ]  # fmt: skip
    await eventually(desk.balances_agree)


async def test_a_maker_order_is_filled_piece_by_piece(desk):
    order_id = str(desk.exchange.sell(SOL, Decimal(3), MAKER, Decimal("150")))
    await eventually(lambda: order_id in desk.open_there)
    for amount in (1, 2):
        place(desk.venue.exchange, "crowd", "Bid", amount, 150)
    await eventually(lambda: desk.events("SellOrderCompleted"))
    assert [filled.amount for filled in desk.events("OrderFilled")] == [1, 2]
    assert desk.events("SellOrderCompleted")[0].quote_asset_amount == 450
    assert all(not fill.is_taker for fill in desk.order(order_id).order_fills.values())


async def test_a_post_only_order_that_would_take_fails_with_the_exchanges_words(desk, monkeypatch):
    shown: list[str] = []
    monkeypatch.setattr(HummingbotLogger, "network", lambda _, text, app_warning_msg: shown.append(app_warning_msg))
    order_id = desk.exchange.buy(SOL, Decimal(1), MAKER, Decimal(151))
    await eventually(lambda: desk.events("OrderFailure"))
    [failure] = desk.events("OrderFailure")
    assert failure.order_id == order_id
    assert "INVALID_ORDER: Order would immediately match and take" in failure.error_message
    assert "was not accepted: INVALID_ORDER: Order would immediately match and take" in shown[0]
    assert not desk.events("BuyOrderCreated") and not desk.exchange.in_flight_orders


# fmt: off
@pytest.mark.parametrize("amount, price, words, sent", [
    pytest.param("0.001", "140", "lower than minimum order size", 0, id="under the minimum: not sent"),
    pytest.param("5000", "149", "INSUFFICIENT_FUNDS", 1, id="more than there is"),
    pytest.param("1", "10", "INVALID_PRICE", 1, id="far from the last price"),
])
# fmt: on
async def test_an_order_that_cannot_be(desk, amount, price, words, sent):
    order_id = desk.exchange.buy(SOL, Decimal(amount), LIMIT, Decimal(price))
    await eventually(lambda: desk.events("OrderFailure"))
    [failure] = desk.events("OrderFailure")
    assert failure.order_id == order_id and words in failure.error_message
    assert desk.calls.count(CONSTANTS.PLACE_ORDER) == sent
    assert not desk.exchange.in_flight_orders


@pytest.mark.parametrize("pair", ["NOPE-USDC", "SOL_USDC", ""])
async def test_an_unknown_pair(desk, pair):
    with pytest.raises(ValueError, match=f"{pair}: Backpack has no such market. The order was not created."):
        desk.exchange.buy(pair, Decimal(1), LIMIT, Decimal(140))


async def test_an_order_before_the_rules_are_there(idle):
    with pytest.raises(ValueError, match="SOL-USDC: its trading rules are not loaded yet"):
        idle.sell(SOL, Decimal(1), LIMIT, Decimal(140))


async def test_a_market_that_closes_and_opens_while_trading(desk, monkeypatch):
    monkeypatch.setattr(module, "MARKETS_FRESH_S", 0.0)
    desk.venue.exchange.set_order_book_state("SOL_USDC", OrderBookState("CancelOnly"))
    await desk.exchange._update_trading_rules()
    desk.exchange.buy(SOL, Decimal(1), LIMIT, Decimal(140))
    await eventually(lambda: desk.events("OrderFailure"))
    assert "the market takes no orders, its state is CancelOnly" in desk.events("OrderFailure")[0].error_message
    assert desk.calls.count(CONSTANTS.PLACE_ORDER) == 0
    desk.venue.exchange.set_order_book_state("SOL_USDC", OrderBookState("Open"))
    await desk.resting()


# -- client ids -------------------------------------------------------------------------------------------------------


async def test_client_ids_use_the_whole_space(idle):
    numbers = {int(idle._new_client_order_id()) for _ in range(5000)}
    assert len(numbers) == 5000
    assert all(0 < number <= wire.MAX_CLIENT_ID for number in numbers)
    assert len({number >> 28 for number in numbers}) == 16, "spread, not counted up"


async def test_a_number_another_bot_uses_is_not_taken(desk, monkeypatch):
    other = place(desk.venue.exchange, "bot", "Bid", 1, 130, client_id=4242)
    mine = await desk.resting()
    await desk.exchange._update_order_status()
    numbers = iter([4242 - 1, int(mine) - 1, 776, 777])
    monkeypatch.setattr(module.secrets, "randbelow", lambda below: next(numbers))
    assert desk.exchange._new_client_order_id() == "777"
    assert other.client_id == 4242


async def test_a_market_order_into_an_empty_book_fails(desk):
    desk.venue.exchange.cancel_all("street", "SOL_USDC")
    await eventually(lambda: not list(desk.exchange.order_books[SOL].ask_entries()))
    desk.exchange.buy(SOL, Decimal(1), MARKET)
    await eventually(lambda: desk.events("OrderFailure"))
    assert "order book is empty" in desk.events("OrderFailure")[0].error_message
    assert not desk.exchange.in_flight_orders


# -- several orders in one turn of the event loop ---------------------------------------------------------------------


def buys(desk: Desk, *prices: str, order_type: OrderType = LIMIT, amount: str = "1") -> list[str]:
    """Orders placed one after the other, as a strategy does within one tick."""
    return [desk.exchange.buy(SOL, Decimal(amount), order_type, Decimal(price)) for price in prices]


async def test_orders_of_one_turn_go_out_together(desk):
    orders = buys(desk, "138", "139", "140")
    await eventually(lambda: len(desk.events("BuyOrderCreated")) == 3)
    assert (desk.calls.count(CONSTANTS.PLACE_ORDERS), desk.calls.count(CONSTANTS.PLACE_ORDER)) == (1, 0)
    there = {str(order.client_id): order for order in desk.venue.exchange.open_orders("bot")}
    for order_id, price in zip(orders, (138, 139, 140), strict=True):
        assert there[order_id].price == desk.order(order_id).price == price
        assert str(there[order_id].id) == desk.order(order_id).exchange_order_id


async def test_what_hummingbot_calls_a_batch_is_one_request(desk):
    orders = [
        LimitOrder("", SOL, is_buy, "SOL", "USDC", Decimal(price), Decimal(1))
        for is_buy, price in ((True, 138), (True, 139), (False, 170))
    ]
    created = desk.exchange.batch_order_create(orders)
    await eventually(lambda: desk.open_there == {order.client_order_id for order in created})
    assert (desk.calls.count(CONSTANTS.PLACE_ORDERS), desk.calls.count(CONSTANTS.PLACE_ORDER)) == (1, 0)


async def test_no_request_carries_more_orders_than_is_known_to_work(desk, monkeypatch):
    monkeypatch.setattr(CONSTANTS, "ORDERS_PER_REQUEST", 2)
    orders = buys(desk, "136", "137", "138", "139", "140")
    await eventually(lambda: desk.open_there == set(orders))
    assert (desk.calls.count(CONSTANTS.PLACE_ORDERS), desk.calls.count(CONSTANTS.PLACE_ORDER)) == (2, 1)


async def test_post_only_orders_do_not_wait_with_the_others(desk):
    """The venue lets every other order wait 100 ms."""
    takers, makers = buys(desk, "138", "139"), buys(desk, "136", "137", order_type=MAKER)
    await eventually(lambda: desk.open_there == {*takers, *makers})
    assert desk.calls.count(CONSTANTS.PLACE_ORDERS) == 2
    ids = {str(order.client_id): order.id for order in desk.venue.exchange.open_orders("bot")}
    assert max(ids[order_id] for order_id in makers) < min(ids[order_id] for order_id in takers)


async def test_cancels_of_the_same_turn_are_first(desk):
    resting = await desk.resting()
    desk.calls.seen.clear()
    buys(desk, "138", "139")
    desk.exchange.cancel(SOL, resting)
    await eventually(lambda: len(desk.calls.seen) >= 2)
    assert [method for method, _ in desk.calls.seen][:2] == ["DELETE", "POST"]


async def test_of_several_orders_each_has_its_own_fate(desk):
    place(desk.venue.exchange, "street", "Ask", 5, 150)
    good, crossing, also_good = buys(desk, "138", "151", "139", order_type=MAKER)
    await eventually(lambda: desk.events("OrderFailure"))
    await eventually(lambda: desk.open_there == {good, also_good})
    [failure] = desk.events("OrderFailure")
    assert failure.order_id == crossing
    assert "Order would immediately match and take" in failure.error_message
    await eventually(lambda: len(desk.events("BuyOrderCreated")) == 2)
    assert desk.calls.count(CONSTANTS.PLACE_ORDERS) == 1


async def test_several_orders_whose_answer_was_lost_are_each_found_out(desk, monkeypatch):
    """One of them the venue has refused, which nobody heard."""
    monkeypatch.setattr(module, "UNKNOWN_OUTCOME_GRACE_S", 0.5)
    monkeypatch.setattr(desk.exchange, "UNSETTLED_POLL_INTERVAL", 0.2, raising=False)
    place(desk.venue.exchange, "street", "Ask", 5, 150)
    desk.venue.faults.arm(faults.AcceptThenDropResponse(), method="POST", path="/api/v1/orders", count=1)
    desk.venue.faults.arm(faults.DropUpdate(), stream="account.orderUpdate", count=2)
    good, crossing, also_good = buys(desk, "138", "151", "139", order_type=MAKER)
    await eventually(lambda: len(desk.events("BuyOrderCreated")) == 2)
    assert {event.order_id for event in desk.events("BuyOrderCreated")} == {good, also_good} == desk.open_there
    await eventually(lambda: desk.events("OrderFailure"))
    assert [event.order_id for event in desk.events("OrderFailure")] == [crossing]


async def test_several_orders_that_are_refused_as_a_whole_are_sent_one_by_one(desk):
    refused = faults.Reject("INVALID_CLIENT_REQUEST", "too many orders")
    desk.venue.faults.arm(refused, method="POST", path="/api/v1/orders")
    orders = buys(desk, "138", "139", "140")
    await eventually(lambda: desk.open_there == set(orders))
    assert (desk.calls.count(CONSTANTS.PLACE_ORDERS), desk.calls.count(CONSTANTS.PLACE_ORDER)) == (1, 3)
    await eventually(lambda: len(desk.events("BuyOrderCreated")) == 3)
    assert not desk.events("OrderFailure")


# -- unknown outcomes -------------------------------------------------------------------------------------------------


async def test_an_order_whose_answer_was_lost_is_found(desk, caplog):
    desk.venue.faults.arm(faults.AcceptThenDropResponse(), method="POST", path="/api/v1/order", count=1)
    desk.venue.faults.arm(faults.DropUpdate(), stream="account.orderUpdate", count=1)
    order_id = desk.exchange.buy(SOL, Decimal(1), LIMIT, Decimal(140))
    await eventually(lambda: desk.events("BuyOrderCreated"))
    assert desk.open_there == {order_id}
    assert desk.order(order_id).exchange_order_id is not None
    assert not desk.events("OrderFailure")
    assert [line for line in caplog.messages if f"Whether order {order_id} (buy" in line and "Finding out" in line]


async def test_an_order_that_never_arrived_fails_once_after_the_look_up(desk, monkeypatch):
    monkeypatch.setattr(module, "UNKNOWN_OUTCOME_GRACE_S", 0.5)
    monkeypatch.setattr(desk.exchange, "UNSETTLED_POLL_INTERVAL", 0.2, raising=False)
    desk.venue.faults.arm(faults.ServerError(), method="POST", path="/api/v1/order", count=1)
    order_id = desk.exchange.buy(SOL, Decimal(1), LIMIT, Decimal(140))
    await eventually(lambda: desk.exchange._doubts)
    assert not desk.events("OrderFailure")
    await eventually(lambda: desk.events("OrderFailure"))
    await desk.exchange._update_order_status()
    [failure] = desk.events("OrderFailure")
    assert failure.order_id == order_id and "no record of this order" in failure.error_message


# -- cancelling -------------------------------------------------------------------------------------------------------


async def test_cancel(desk):
    order_id = await desk.resting()
    desk.exchange.cancel(SOL, order_id)
    await eventually(lambda: desk.events("OrderCancelled"))
    assert desk.order(order_id).is_cancelled
    assert not desk.open_there
    assert len(desk.events("OrderCancelled")) == 1
    await eventually(desk.balances_agree)


async def test_a_cancel_that_is_only_promised(desk):
    """202: the exchange will."""
    desk.venue.faults.arm(faults.Cancel202(seconds=0.3), count=1)
    order_id = await desk.resting()
    desk.exchange.cancel(SOL, order_id)
    await eventually(lambda: desk.order(order_id).is_pending_cancel_confirmation)
    assert not desk.events("OrderCancelled")
    await eventually(lambda: desk.events("OrderCancelled"))


async def test_a_cancel_that_comes_too_late(desk):
    desk.venue.faults.arm(faults.DropUpdate(), stream="account.orderUpdate")
    order_id = await desk.resting(price="150")
    place(desk.venue.exchange, "crowd", "Ask", 1, 150)
    desk.exchange.cancel(SOL, order_id)
    await eventually(lambda: desk.events("BuyOrderCompleted"))
    assert not desk.events("OrderCancelled") and not desk.events("OrderFailure")
    assert [filled.amount for filled in desk.events("OrderFilled")] == [1]


async def test_an_order_the_exchange_cannot_know(desk, caplog):
    """Left by another connector in a saved state, say."""
    desk.exchange.start_tracking_order("x-1", None, SOL, TradeType.BUY, Decimal(140), Decimal(1), LIMIT)
    desk.exchange.cancel(SOL, "x-1")
    await eventually(lambda: "Failed to cancel order x-1: Backpack cannot know it by that id" in caplog.messages)
    assert desk.calls.count(CONSTANTS.CANCEL_ORDER) == 0


async def test_cancel_all_takes_one_request_where_only_our_orders_are(desk):
    orders = [await desk.resting(price=str(price)) for price in (138, 139, 140)]
    results = await desk.exchange.cancel_all(5)
    assert results == [CancellationResult(order_id, True) for order_id in orders]
    assert (desk.calls.count(CONSTANTS.CANCEL_ORDERS), desk.calls.count(CONSTANTS.CANCEL_ORDER)) == (1, 0)
    assert len(desk.events("OrderCancelled")) == 3 and not desk.open_there


async def test_cancel_all_leaves_the_orders_of_others_alone(desk):
    by_hand = place(desk.venue.exchange, "bot", "Bid", 1, 130)
    other_bot = place(desk.venue.exchange, "bot", "Bid", 1, 131, client_id=4242)
    orders = [await desk.resting(price=str(price)) for price in (139, 140)]
    results = await desk.exchange.cancel_all(5)
    assert results == [CancellationResult(order_id, True) for order_id in orders]
    assert {order.id for order in desk.venue.exchange.open_orders("bot")} == {by_hand.id, other_bot.id}
    assert (desk.calls.count(CONSTANTS.CANCEL_ORDERS), desk.calls.count(CONSTANTS.CANCEL_ORDER)) == (0, 2)


async def test_others_in_one_market_do_not_slow_the_cancels_in_another(venue):
    place(venue.exchange, "street", "Ask", 1, 81_000, symbol="BTC_USDC")
    async with at_work(venue, SOL, BTC) as desk:
        by_hand = place(venue.exchange, "bot", "Bid", "0.01", 70_000, symbol="BTC_USDC")
        for price in (138, 139, 140):
            await desk.resting(price=str(price))
        assert all(result.success for result in await desk.exchange.cancel_all(5))
        assert [order.id for order in venue.exchange.open_orders("bot")] == [by_hand.id]
        assert (desk.calls.count(CONSTANTS.CANCEL_ORDERS), desk.calls.count(CONSTANTS.CANCEL_ORDER)) == (1, 0)


async def test_cancel_all_in_several_markets(venue):
    place(venue.exchange, "street", "Ask", 1, 81_000, symbol="BTC_USDC")
    async with at_work(venue, SOL, BTC) as desk:
        for price in (139, 140):
            await desk.resting(price=str(price))
        await desk.resting("0.01", "80000", BTC)
        results = await desk.exchange.cancel_all(5)
        assert len(results) == 3 and all(result.success for result in results)
        assert not desk.open_there
        assert (desk.calls.count(CONSTANTS.CANCEL_ORDERS), desk.calls.count(CONSTANTS.CANCEL_ORDER)) == (1, 1)


async def test_cancel_all_without_a_list_of_open_orders_goes_one_by_one(desk, caplog):
    orders = [await desk.resting(price=str(price)) for price in (139, 140)]
    desk.venue.faults.arm(faults.ServerError(), method="GET", path="/api/v1/orders")
    assert await desk.exchange.cancel_all(5) == [CancellationResult(order_id, True) for order_id in orders]
    assert [line for line in caplog.messages if "cancelling one by one" in line]


async def test_cancel_all_when_all_at_once_does_not_work(desk):
    orders = [await desk.resting(price=str(price)) for price in (139, 140)]
    desk.venue.faults.arm(faults.ServerError(), method="DELETE", path="/api/v1/orders")
    assert await desk.exchange.cancel_all(5) == [CancellationResult(order_id, True) for order_id in orders]
    assert desk.calls.count(CONSTANTS.CANCEL_ORDER) == 2


async def test_cancel_all_waits_for_promised_cancels(desk):
    orders = [await desk.resting(price=str(price)) for price in (139, 140)]
    desk.venue.faults.arm(faults.Cancel202(seconds=0.3))
    assert await desk.exchange.cancel_all(5) == [CancellationResult(order_id, True) for order_id in orders]


async def test_cancel_all_says_what_it_could_not_do_in_time(desk, caplog):
    order_id = await desk.resting()
    slow = desk.venue.faults.arm(faults.Latency(seconds=3), method="DELETE")
    assert await desk.exchange.cancel_all(0.3) == [CancellationResult(order_id, False)]
    assert [line for line in caplog.messages if "some orders may still be open" in line]
    desk.venue.faults.clear(slow)


async def test_cancel_of_an_order_that_is_still_on_its_way(desk):
    slow = desk.venue.faults.arm(faults.Latency(seconds=0.3), method="POST", path="/api/v1/order")
    order_id = desk.exchange.buy(SOL, Decimal(1), LIMIT, Decimal(140))
    await eventually(lambda: order_id in desk.exchange.in_flight_orders)
    desk.exchange.cancel(SOL, order_id)
    await eventually(lambda: desk.events("OrderCancelled"))
    assert slow.fired == 1 and not desk.open_there


async def test_cancel_all_waits_for_orders_that_are_still_on_their_way(desk):
    resting = [await desk.resting(price=price) for price in ("138", "139")]
    desk.venue.faults.arm(faults.Latency(seconds=0.3), method="POST", path="/api/v1/order")
    order_id = desk.exchange.buy(SOL, Decimal(1), LIMIT, Decimal(140))
    await eventually(lambda: order_id in desk.exchange.in_flight_orders)
    results = await desk.exchange.cancel_all(5)
    assert results == [CancellationResult(one, True) for one in (*resting, order_id)]
    assert not desk.open_there


async def test_cancel_all_counts_orders_and_looks_whose_they_are(desk):
    """As many orders there as here, but one of ours has been filled unseen and one is somebody else's."""
    filled, alive = [await desk.resting(price=price) for price in ("150", "139")]
    by_hand = place(desk.venue.exchange, "bot", "Bid", 1, 130)
    deaf = desk.venue.faults.arm(faults.DropUpdate(), stream="account.")
    place(desk.venue.exchange, "crowd", "Ask", 1, 150)
    desk.venue.faults.clear(deaf)
    assert await desk.exchange.cancel_all(5) == [CancellationResult(filled, False), CancellationResult(alive, True)]
    assert [order.id for order in desk.venue.exchange.open_orders("bot")] == [by_hand.id]
    assert desk.order(filled).is_filled


async def test_orders_of_a_market_that_is_no_longer_shown_are_cancelled(desk):
    """By the next list of markets the pair is unknown; its orders are there all the same."""
    orders = [await desk.resting(price=price) for price in ("139", "140")]
    place(desk.venue.exchange, "bot", "Bid", 1, 130)  # so that ours are cancelled one by one
    other = payload("rest_market_spot") | {"symbol": "OTHER_USDC", "baseSymbol": "OTHER"}
    desk.exchange._initialize_trading_pair_symbols_from_exchange_info([other])
    assert await desk.exchange.cancel_all(5) == [CancellationResult(order_id, True) for order_id in orders]


async def test_cancel_all_with_nothing_to_do(desk):
    before = len(desk.calls.seen)
    assert await desk.exchange.cancel_all(5) == []
    assert len(desk.calls.seen) == before


# -- news from REST ---------------------------------------------------------------------------------------------------


async def test_a_fill_nobody_told_of_is_found_by_the_next_poll(desk):
    order_id = await desk.resting(price="150")
    deaf = desk.venue.faults.arm(faults.DropUpdate(), stream="account.")
    place(desk.venue.exchange, "crowd", "Ask", 1, 150)
    desk.venue.faults.clear(deaf)
    await desk.exchange._update_order_status()
    assert desk.order(order_id).is_filled
    assert len(desk.events("OrderFilled")) == len(desk.events("BuyOrderCompleted")) == 1


async def test_histories_are_read_to_their_end(desk, monkeypatch):
    monkeypatch.setattr(CONSTANTS, "HISTORY_PAGE", 2)
    monkeypatch.setattr(backpack_records, "FIRST_PAGE", 2)
    order_id = await desk.resting("5", "150")
    deaf = desk.venue.faults.arm(faults.DropUpdate(), stream="account.")
    for _ in range(5):
        place(desk.venue.exchange, "crowd", "Ask", 1, 150)
    desk.venue.faults.clear(deaf)
    await desk.exchange._update_order_status()
    assert len(desk.events("OrderFilled")) == 5 and desk.order(order_id).is_filled
    assert desk.calls.count(CONSTANTS.FILL_HISTORY) == 3


async def test_many_orders_are_asked_for_together(desk):
    for price in range(130, 137):
        await desk.resting(price=str(price))
    deaf = desk.venue.faults.arm(faults.DropUpdate(), stream="account.")
    desk.venue.exchange.cancel_all("bot", "SOL_USDC")
    desk.venue.faults.clear(deaf)
    await desk.exchange._update_order_status()
    assert len(desk.events("OrderCancelled")) == 7
    assert desk.calls.count(CONSTANTS.ORDER_HISTORY) <= 2


async def test_a_restart_finds_out_what_happened_meanwhile(venue):
    async with at_work(venue) as desk:
        filled, cancelled, alive = [await desk.resting(price=price) for price in ("150", "139", "138")]
        saved = desk.exchange.tracking_states
    place(venue.exchange, "crowd", "Ask", 1, 150)
    venue.exchange.cancel("bot", "SOL_USDC", order_id=int(desk.order(cancelled).exchange_order_id))
    restarted = Desk(venue, connector(venue, venue.accounts[-1], SOL), "bot")
    restarted.exchange.restore_tracking_states(saved)
    async with running(restarted.exchange):
        assert set(restarted.exchange.in_flight_orders) == {alive}
        assert [event.order_id for event in restarted.events("BuyOrderCompleted")] == [filled]
        assert [event.order_id for event in restarted.events("OrderCancelled")] == [cancelled]
        assert len(restarted.events("OrderFilled")) == 1


async def test_a_lost_order_without_the_venues_id_is_still_found_after_a_restart(venue):
    async with at_work(venue) as desk:
        order = desk.order(await desk.resting("1", "139"))
    lost = InFlightOrder(
        order.client_order_id, SOL, LIMIT, TradeType.BUY, order.amount, order.creation_timestamp, order.price,
        initial_state=OrderState.FAILED,
    )  # fmt: skip
    restarted = connector(venue, venue.accounts[-1], SOL)
    restarted.restore_tracking_states({lost.client_order_id: lost.to_json()})
    await restarted._update_lost_orders_status()
    [found] = restarted._order_tracker.lost_orders.values()
    assert found.exchange_order_id == order.exchange_order_id


async def test_what_the_base_class_may_ask(desk):
    order = desk.order(await desk.resting("2", "150"))
    place(desk.venue.exchange, "crowd", "Ask", 1, 150)
    await eventually(lambda: order.executed_amount_base == 1)
    update = await desk.exchange._request_order_status(order)
    assert (update.new_state, update.exchange_order_id) == (OrderState.PARTIALLY_FILLED, order.exchange_order_id)
    fresh = InFlightOrder(order.client_order_id, SOL, LIMIT, TradeType.BUY, order.amount, order.creation_timestamp,
                          order.price, order.exchange_order_id, OrderState.OPEN)  # fmt: skip
    [trade] = await desk.exchange._all_trade_updates_for_order(fresh)
    assert trade.trade_id in order.order_fills
    unknown = InFlightOrder("7", SOL, LIMIT, TradeType.BUY, Decimal(1), order.creation_timestamp, Decimal(1), "1")
    with pytest.raises(NotFound, match="no record of order 7"):
        await desk.exchange._request_order_status(unknown)


@pytest.mark.parametrize("change", [{"X": "Pondering"}, {"e": "orderTeleported"}, {"z": None}], ids=str)
async def test_a_frame_that_cannot_be_read_is_asked_about(desk, caplog, change):
    order_id = await desk.resting(price="150")
    deaf = desk.venue.faults.arm(faults.DropUpdate(), stream="account.")
    place(desk.venue.exchange, "crowd", "Ask", 1, 150)
    desk.venue.faults.clear(deaf)
    frame = payload("ws_order_fill")
    frame["data"] |= change
    desk.exchange._user_stream_tracker.user_stream.put_nowait(frame)
    await eventually(lambda: desk.order(order_id).is_filled)
    assert caplog.messages.count("Unexpected error in user stream listener loop.") == 1


async def test_orders_of_others_on_the_account_are_none_of_ours(desk):
    place(desk.venue.exchange, "bot", "Bid", 1, 150)
    place(desk.venue.exchange, "crowd", "Ask", 1, 150)
    order_id = await desk.resting()
    assert set(desk.exchange.in_flight_orders) == {order_id}
    assert not desk.events("OrderFilled")


async def test_why_an_order_expired_is_told(desk, caplog):
    caplog.set_level(logging.INFO)
    order_id = await desk.resting(price="150")
    await eventually(lambda: desk.exchange.order_books[SOL].get_price(True))
    taker = desk.exchange.sell(SOL, Decimal(1), LIMIT, Decimal(150))
    await eventually(lambda: desk.events("OrderCancelled"))
    assert [event.order_id for event in desk.events("OrderCancelled")] == [taker]
    assert f"Order {taker} expired: SelfTradePrevention" in caplog.messages
    assert desk.open_there == {order_id}


@pytest.mark.parametrize("doubts, live, interval", [(False, True, "CHECK"), (True, True, "UNSETTLED_POLL"),
                                                    (False, False, "SHORT_POLL")])  # fmt: skip
async def test_how_often_rest_is_asked(desk, doubts, live, interval):
    desk.exchange._orders_reconciled = live
    if doubts:
        desk.exchange._doubts["7"] = module._Doubt(0.0)
    expected = getattr(desk.exchange, f"{interval}_INTERVAL")
    assert desk.exchange._get_poll_interval(0.0) == expected
    desk.exchange._orders_reconciled, desk.exchange._doubts = True, {}
    await desk.resting()
    assert desk.exchange._get_poll_interval(0.0) == desk.exchange.ORDERS_POLL_INTERVAL


# -- balances ---------------------------------------------------------------------------------------------------------


async def test_balances_follow_the_stream_without_a_poll(desk):
    assert desk.exchange.real_time_balance_update
    await eventually(desk.balances_agree)
    asked = desk.calls.count(CONSTANTS.CAPITAL)
    await desk.resting("2", "140")
    await eventually(desk.balances_agree)
    assert desk.exchange.get_available_balance("USDC") == 100_000 - 280
    desk.venue.exchange.deposit("bot", "SOL", Decimal(5))
    await eventually(lambda: desk.exchange.get_balance("SOL") == 1005)
    assert desk.calls.count(CONSTANTS.CAPITAL) == asked


async def test_balances_are_polled_where_they_are_not_streamed(venue):
    venue.faults.arm(faults.SubscribeRefused(), stream="account.balanceUpdate")
    async with at_work(venue) as desk:
        assert not desk.exchange.real_time_balance_update
        venue.exchange.deposit("bot", "SOL", Decimal(5))
        await desk.exchange._status_polling_loop_fetch_updates()
        assert desk.exchange.get_balance("SOL") == 1005


async def test_a_balance_check_asked_for_while_one_is_under_way_is_made(idle, monkeypatch):
    request = idle._request

    async def answered_late(endpoint, **arguments):
        answer = await request(endpoint, **arguments)
        idle._next_balance_check_s = 0.0  # a reconciliation has found frames missing
        return answer

    monkeypatch.setattr(idle, "_request", answered_late)
    await idle._update_balances()
    assert time.monotonic() >= idle._next_balance_check_s


async def test_an_asset_that_is_gone_is_not_shown(idle):
    idle._account_balances["OLD"] = idle._account_available_balances["OLD"] = Decimal(1)
    await idle._update_balances()
    assert set(idle.get_all_balances()) == set(idle.available_balances) == {"USDC"}


async def test_a_fully_lent_account_is_ready(venue):
    account = venue.add_account({"USDC": "500"}, name="lender")
    venue.exchange.lend("lender", "USDC", Decimal(500))
    async with running(connector(venue, account, SOL)) as exchange:
        assert exchange.get_balance("USDC") == exchange.get_available_balance("USDC") == 500


async def test_an_order_redeems_lent_funds_if_it_needs_them(desk):
    desk.venue.exchange.lend("bot", "USDC", Decimal(99_900))
    await desk.exchange._update_balances()
    assert desk.exchange.get_available_balance("USDC") == 100_000
    await desk.resting("10", "140")
    assert desk.balance_there("USDC").lent < 99_900
    await eventually(desk.balances_agree)


# fmt: off
@pytest.mark.parametrize("trade_type, amount, price, lent, allowed, needed", [
    (TradeType.BUY,  "1",  "140", {"USDC": 1}, True,  False),
    (TradeType.BUY,  "10", "140", {"USDC": 1}, True,  True),
    (TradeType.BUY,  "10", "140", {"USDC": 1}, False, False),
    (TradeType.BUY,  "10", "140", {"SOL": 1},  True,  False),
    (TradeType.BUY,  "1",  "NaN", {"USDC": 1}, True,  True),
    (TradeType.SELL, "3",  "140", {"SOL": 1},  True,  True),
    (TradeType.SELL, "2",  "140", {"SOL": 1},  True,  False),
    (TradeType.SELL, "3",  "140", {},          True,  False),
])
# fmt: on
async def test_when_lent_funds_are_needed(idle, trade_type, amount, price, lent, allowed, needed):
    idle._auto_lend_redeem, idle._lent = allowed, lent
    idle._on_balance(wire.Balance("USDC", available=Decimal(1000), locked=Decimal(0), staked=Decimal(0)))
    idle._on_balance(wire.Balance("SOL", available=Decimal(2), locked=Decimal(5), staked=Decimal(0)))
    assert idle._needs_lent_funds(SOL, trade_type, Decimal(amount), Decimal(price)) is needed


async def test_lent_funds_that_orders_may_not_use_are_not_available(venue):
    account = venue.add_account({"USDC": "500"}, name="lender")
    venue.exchange.lend("lender", "USDC", Decimal(400))
    exchange = connector(venue, account, SOL, auto_lend_redeem=False)
    await exchange._update_balances()
    assert (exchange.get_balance("USDC"), exchange.get_available_balance("USDC")) == (500, 100)


async def test_lent_balances_that_cannot_be_had_stay_as_they_were(desk, caplog):
    desk.venue.exchange.lend("bot", "USDC", Decimal(400))
    await desk.exchange._update_balances()
    desk.venue.faults.arm(faults.ServerError(), path="/api/v1/borrowLend")
    for _ in range(3):
        await desk.exchange._update_balances()
    assert desk.exchange.get_balance("USDC") == 100_000
    assert len([line for line in caplog.messages if "Lent balances cannot be refreshed" in line]) == 1


# -- fees -------------------------------------------------------------------------------------------------------------


# fmt: off
@pytest.mark.parametrize("order_type, is_maker, percent", [
    (MAKER,  None,  "-0.00005"),
    (LIMIT,  None,  "0.0009"),
    (MARKET, None,  "0.0009"),
    (LIMIT,  True,  "-0.00005"),
    (MAKER,  False, "0.0009"),
])
# fmt: on
async def test_fees_are_the_accounts_own(venue, order_type, is_maker, percent):
    account = venue.add_account(name="vip", maker_fee_bps=Decimal("-0.5"), taker_fee_bps=Decimal(9))
    exchange = connector(venue, account, SOL)
    await exchange._update_trading_fees()
    for side in TradeType.BUY, TradeType.SELL:
        fee = exchange.get_fee("SOL", "USDC", order_type, side, Decimal(1), Decimal(150), is_maker)
        assert fee.percent == Decimal(percent)


async def test_fees_before_the_account_has_told_them(idle):
    fee = idle.get_fee("SOL", "USDC", MAKER, TradeType.BUY, Decimal(1), Decimal(150))
    assert fee.percent == Decimal("0.0008")


# -- the clock --------------------------------------------------------------------------------------------------------


async def test_the_clock_is_compared_now_and_then(idle, venue):
    await idle._update_time_synchronizer()
    asked = Calls()
    venue.faults.arm(asked)
    await idle._update_time_synchronizer()
    assert asked.seen == [], "not again so soon"
    idle._next_clock_check_s = 0.0
    venue.faults.arm(faults.ServerError(), path="/api/v1/time", count=1)
    await idle._update_time_synchronizer()
    assert asked.count(CONSTANTS.TIME) == 1 and idle._next_clock_check_s == 0.0, "failed: asked again next time"
    await idle._update_time_synchronizer()
    assert abs(idle._time_synchronizer.time() - venue.clock.now_us() / 1e6) < 1


async def test_that_the_exchange_can_be_reached_is_known_from_any_answer(idle, venue):
    asked = Calls()
    venue.faults.arm(asked)
    for _ in range(3):
        assert await idle.check_network() is NetworkStatus.CONNECTED
    assert asked.count(CONSTANTS.TIME) == 1, "its answer served three times"
    idle._web_assistants_factory._answered_s -= CONSTANTS.REACHED_S
    assert await idle.check_network() is NetworkStatus.CONNECTED
    assert asked.count(CONSTANTS.TIME) == 2, "nothing was heard for a while"
    idle._next_clock_check_s = 0.0
    assert await idle.check_network() is NetworkStatus.CONNECTED
    assert asked.count(CONSTANTS.TIME) == 3, "it is time to compare the clocks"
    venue.faults.arm(faults.ServerError())
    with pytest.raises(BackpackError):
        await idle._request(CONSTANTS.MARKETS)
    assert await idle.check_network() is NetworkStatus.NOT_CONNECTED, "what was heard before a failure says nothing"


async def test_trading_goes_on_when_the_exchanges_clock_jumps(desk):
    desk.venue.faults.arm(faults.ClockSkew(seconds=120))
    order_id = await desk.resting()
    assert desk.open_there == {order_id}


# -- stopping ---------------------------------------------------------------------------------------------------------


async def test_nothing_is_left_running_after_a_stop(venue):
    before = asyncio.all_tasks()
    async with at_work(venue) as desk:
        await desk.resting()
    await eventually(lambda: not venue.sessions)
    await eventually(lambda: not of_hummingbot(asyncio.all_tasks() - before))


def of_hummingbot(tasks: set[asyncio.Task]) -> list[str]:
    """Not the local exchange's, which keep their connections open for a while."""
    coroutines = [str(getattr(task.get_coro(), "cr_code", None)) for task in tasks]
    return [coroutine for coroutine in coroutines if "hummingbot" in coroutine and "simulator" not in coroutine]
