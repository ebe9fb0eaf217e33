"""The connector on the exchange itself: books, balances, orders far from the market, streams that are cut."""

from decimal import Decimal

import pytest

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.wire import parse_balances, read_depth_snapshot
from hummingbot.core.data_type.common import PriceType, TradeType
from hummingbot.core.event.events import MarketEvent
from test.hummingbot.connector.exchange.backpack.live.trader import LiveTrader, OverBudget

pytestmark = [pytest.mark.live, pytest.mark.timeout(180)]

RECONNECTED_WITHIN_S = 30.0
SETTLED_WITHIN_S = 15.0


# -- public data ------------------------------------------------------------------------------------------------------


async def test_the_book_is_the_exchanges(onlooker: LiveTrader):
    params = {"symbol": onlooker.trading_pair.replace("-", "_"), "limit": "5"}
    request = onlooker.connector._web_assistants_factory.request
    depth = await request(CONSTANTS.DEPTH, params=params, read=read_depth_snapshot)
    their_mid = Decimal(str((depth.bids[-1].price + depth.asks[0].price) / 2))
    book = onlooker.connector.get_order_book(onlooker.trading_pair)
    best_bid, best_ask = (Decimal(str(book.get_price(is_buy))) for is_buy in (False, True))
    assert best_bid < best_ask
    # Asked a moment apart, while the market moves.
    assert abs((best_bid + best_ask) / 2 - their_mid) / their_mid < Decimal("0.005")


async def test_the_book_keeps_moving(onlooker: LiveTrader):
    source, pair = onlooker.connector._orderbook_ds, onlooker.trading_pair
    before = source.applied_id(pair)
    await onlooker.until(lambda: source.applied_id(pair) > before, 60, "the book moves")


async def test_a_cut_market_stream_comes_back(onlooker: LiveTrader):
    onlooker.cut_market_stream()
    await onlooker.until(lambda: not onlooker.connector.ready, SETTLED_WITHIN_S, "it says that it is not ready")
    await onlooker.until(lambda: onlooker.connector.ready, RECONNECTED_WITHIN_S, "it is ready again")


# -- an account -------------------------------------------------------------------------------------------------------


async def test_balances_are_the_exchanges(trader: LiveTrader):
    ours = trader.connector.get_all_balances()
    assert ours, "the account is empty: it needs a few USDC"
    for balance in parse_balances(await trader.connector._request(CONSTANTS.CAPITAL)):
        # What is lent out, or staked, is in one of the two figures only.
        assert ours.get(balance.asset, Decimal(0)) >= balance.available + balance.locked


@pytest.mark.parametrize("side", [TradeType.BUY, TradeType.SELL], ids=["buy", "sell"])
async def test_a_far_order_is_placed_seen_and_cancelled(trader: LiveTrader, side: TradeType):
    asset = trader.trading_pair.split("-")[side is TradeType.BUY]
    free_before = trader.connector.get_available_balance(asset)
    if side is TradeType.SELL and free_before < trader.connector.trading_rules[trader.trading_pair].min_order_size:
        pytest.skip(f"the account has no {asset} to sell")
    order_id, locked = await trader.resting_order(side)
    less = free_before - locked / 2  # half: interest may come in meanwhile
    assert order_id in await trader.open_on_the_exchange()
    assert trader.connector.in_flight_orders[order_id].is_open
    await trader.until(
        lambda: trader.connector.get_available_balance(asset) < less, SETTLED_WITHIN_S, "its funds are locked"
    )
    await trader.cancelled(order_id)
    assert order_id not in await trader.open_on_the_exchange()
    await trader.until(
        lambda: trader.connector.get_available_balance(asset) > less, SETTLED_WITHIN_S, "its funds are free"
    )


async def test_an_order_survives_cut_streams(trader: LiveTrader):
    order_id, _ = await trader.resting_order(TradeType.BUY)
    trader.cut_private_stream()
    trader.cut_market_stream()
    await trader.until(lambda: not trader.connector.ready, SETTLED_WITHIN_S, "it says that it is not ready")
    await trader.until(lambda: trader.connector.ready, RECONNECTED_WITHIN_S, "it is ready again")
    assert trader.connector.in_flight_orders[order_id].is_open
    assert order_id in await trader.open_on_the_exchange()
    await trader.cancelled(order_id)
    assert len(trader.heard(MarketEvent.OrderCancelled, order_id)) == 1


async def test_an_order_survives_a_restart(trader: LiveTrader):
    order_id, _ = await trader.resting_order(TradeType.BUY)
    await trader.restart()
    assert trader.connector.in_flight_orders[order_id].is_open
    await trader.cancelled(order_id)
    assert order_id not in await trader.open_on_the_exchange()


async def test_cancel_all_cancels_our_orders(trader: LiveTrader):
    try:
        order_ids = {(await trader.resting_order(TradeType.BUY))[0] for _ in range(2)}
    except OverBudget as error:
        pytest.skip(f"two orders at a time: {error}")
    results = await trader.connector.cancel_all(timeout_seconds=20)
    assert {result.order_id for result in results if result.success} == order_ids
    assert not order_ids & await trader.open_on_the_exchange()


async def test_a_price_is_known(trader: LiveTrader):
    last = (await trader.connector.get_last_traded_prices([trader.trading_pair]))[trader.trading_pair]
    mid = trader.connector.get_price_by_type(trader.trading_pair, PriceType.MidPrice)
    assert abs(Decimal(last) - mid) / mid < Decimal("0.05")
