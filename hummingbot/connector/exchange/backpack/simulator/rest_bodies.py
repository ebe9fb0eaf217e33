"""The engine's objects as the bodies of REST answers: stripped decimals, nulls present, times as each call has them."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from .answers import stripped
from .model import Balance, DepthSnapshot, Fill, Level, Market, Order, OrderType, Trade
from .statistics import Candle, Ticker

Body = dict[str, Any]

NEVER_SET = dict.fromkeys(
    ("stopLossLimitPrice", "stopLossTriggerBy", "stopLossTriggerPrice", "strategyId", "takeProfitLimitPrice",
     "takeProfitTriggerBy", "takeProfitTriggerPrice", "triggerBy", "triggerPrice", "triggerQuantity")
)  # fmt: skip
"""Keys of every order that only trigger orders and strategies fill in."""

DISPLAY_NAMES = {"SOL": "Solana", "BTC": "Bitcoin", "ETH": "Ethereum", "USDC": "USD Coin", "USDT": "Tether"}


def optional(value: Decimal | None) -> str | None:
    return None if value is None else stripped(value)


def naive_time(time_us: int) -> str:
    """History rows: UTC without a zone, milliseconds."""
    return datetime.fromtimestamp(time_us // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S.") + (
        f"{time_us // 1_000 % 1_000:03d}"
    )


def kline_time(time_s: int) -> str:
    """Candles over REST have a space between date and time."""
    return datetime.fromtimestamp(time_s, UTC).strftime("%Y-%m-%d %H:%M:%S")


def order(order: Order) -> Body:
    body: Body = {
        **NEVER_SET,
        "clientId": order.client_id,
        "createdAt": order.created_us // 1_000,
        "executedQuantity": stripped(order.executed_quantity),
        "executedQuoteQuantity": stripped(order.executed_quote_quantity),
        "id": str(order.id),
        "orderType": order.order_type.value,
        "quantity": stripped(order.quantity),
        "reduceOnly": None,
        "relatedOrderId": None,
        "selfTradePrevention": order.self_trade_prevention.value,
        "side": order.side.value,
        "status": order.status.value,
        "symbol": order.symbol,
        "timeInForce": order.time_in_force.value,
        "triggeredAt": None,
    }
    if order.order_type is OrderType.LIMIT:
        body["postOnly"] = order.post_only
        body["price"] = optional(order.price)
    else:
        body["quoteQuantity"] = optional(order.quote_quantity)
        body["slippageTolerance"] = None
        body["slippageToleranceType"] = None
    return body


def historical_order(order: Order) -> Body:
    return {
        **NEVER_SET,
        "clientId": order.client_id,
        "createdAt": naive_time(order.created_us),
        "executedQuantity": stripped(order.executed_quantity),
        "executedQuoteQuantity": stripped(order.executed_quote_quantity),
        "expiryReason": None if order.expiry_reason is None else order.expiry_reason.value,
        "id": str(order.id),
        "orderType": order.order_type.value,
        "postOnly": order.post_only if order.order_type is OrderType.LIMIT else None,
        "price": optional(order.price),
        "quantity": stripped(order.quantity),
        "quoteQuantity": optional(order.quote_quantity),
        "selfTradePrevention": order.self_trade_prevention.value,
        "side": order.side.value,
        "slippageTolerance": None,
        "slippageToleranceType": None,
        "status": order.status.value,
        "symbol": order.symbol,
        "systemOrderType": None,
        "timeInForce": order.time_in_force.value,
    }


def historical_fill(fill: Fill) -> Body:
    return {
        "clientId": None if fill.client_id is None else str(fill.client_id),  # text here, a number elsewhere
        "fee": stripped(fill.fee),
        "feeSymbol": fill.fee_asset,
        "isMaker": fill.is_maker,
        "orderId": str(fill.order_id),
        "price": stripped(fill.price),
        "quantity": stripped(fill.quantity),
        "side": fill.side.value,
        "symbol": fill.symbol,
        "systemOrderType": None if fill.system_order_type is None else fill.system_order_type.value,
        "timestamp": naive_time(fill.time_us),
        "tradeId": fill.trade_id,
    }


def trade(trade: Trade) -> Body:
    return {
        "id": trade.id,
        "isBuyerMaker": trade.is_buyer_maker,
        "price": stripped(trade.price),
        "quantity": stripped(trade.quantity),
        "quoteQuantity": stripped(trade.price * trade.quantity),
        "timestamp": trade.time_us // 1_000,
    }


def levels(levels: tuple[Level, ...]) -> list[list[str]]:
    return [[stripped(price), stripped(quantity)] for price, quantity in levels]


def depth(snapshot: DepthSnapshot, now_us: int) -> Body:
    """A book that never changed bears the present time."""
    return {
        "asks": levels(snapshot.asks),
        "bids": levels(snapshot.bids),
        "lastUpdateId": str(snapshot.last_update_id),
        "timestamp": snapshot.time_us or now_us,
    }


def ticker(ticker: Ticker) -> Body:
    change = ticker.last_price - ticker.first_price
    return {
        "firstPrice": stripped(ticker.first_price),
        "high": stripped(ticker.high),
        "lastPrice": stripped(ticker.last_price),
        "low": stripped(ticker.low),
        "priceChange": stripped(change),
        "priceChangePercent": stripped(round(change / ticker.first_price, 6)),
        "quoteVolume": stripped(ticker.quote_volume),
        "symbol": ticker.symbol,
        "trades": str(ticker.trades),
        "volume": stripped(ticker.volume),
    }


def kline(candle: Candle) -> Body:
    return {
        "close": optional(candle.close),
        "end": kline_time(candle.end_s),
        "high": optional(candle.high),
        "low": optional(candle.low),
        "open": optional(candle.open),
        "quoteVolume": stripped(candle.quote_volume),
        "start": kline_time(candle.start_s),
        "trades": str(candle.trades),
        "volume": stripped(candle.volume),
    }


def market(market: Market) -> Body:
    band = market.mean_mark_price_band
    return {
        "baseSymbol": market.base,
        "createdAt": market.created_at,
        "filters": {
            "price": {
                "borrowEntryFeeMaxMultiplier": None,
                "borrowEntryFeeMinMultiplier": None,
                "discoveryBoundBand": None,
                "maxImpactMultiplier": optional(market.max_impact_multiplier),
                "maxMultiplier": optional(market.max_multiplier),
                "maxPrice": optional(market.max_price),
                "maxPriceUpdateMultiplier": None,
                "meanMarkPriceBand": (
                    None if band is None else {"maxMultiplier": stripped(band[1]), "minMultiplier": stripped(band[0])}
                ),
                "meanPremiumBand": None,
                "minImpactMultiplier": optional(market.min_impact_multiplier),
                "minMultiplier": optional(market.min_multiplier),
                "minPrice": stripped(market.min_price),
                "minPriceUpdateMultiplier": None,
                "tickSize": stripped(market.tick_size),
            },
            "quantity": {
                "maxQuantity": optional(market.max_quantity),
                "minQuantity": stripped(market.min_quantity),
                "stepSize": stripped(market.step_size),
            },
        },
        "fundingInterval": None,
        "fundingRateLowerBound": None,
        "fundingRateUpperBound": None,
        "imfFunction": None,
        "marketType": "SPOT",
        "mmfFunction": None,
        "openInterestLimit": "0",
        "orderBookState": market.order_book_state.value,
        "positionLimitWeight": None,
        "quoteSymbol": market.quote,
        "rwaMarketType": None,
        "symbol": market.symbol,
        "visible": market.visible,
    }


def asset(symbol: str) -> Body:
    """Assets cannot be moved in or out here, so no chain is offered."""
    return {
        "coingeckoId": None,
        "displayName": DISPLAY_NAMES.get(symbol, symbol),
        "symbol": symbol,
        "tokens": [],
    }


def capital(balances: Mapping[str, Balance]) -> Body:
    """Lent amounts are elsewhere; an asset that is lent out entirely does not appear."""
    return {
        asset: {
            "available": stripped(balance.available),
            "locked": stripped(balance.locked),
            "staked": stripped(balance.staked),
        }
        for asset, balance in balances.items()
        if balance.total != balance.lent or not balance.lent
    }


def account(maker_bps: Decimal, taker_bps: Decimal, limit_orders: int) -> Body:
    return {
        "autoBorrowSettlements": False,
        "autoLend": False,
        "autoRealizePnl": False,
        "autoRepayBorrows": False,
        "borrowLimit": "0",
        "futuresMakerFee": "2",
        "futuresTakerFee": "5",
        "leverageLimit": "1",
        "limitOrders": limit_orders,
        "liquidating": False,
        "positionLimit": "0",
        "spotMakerFee": stripped(maker_bps),
        "spotTakerFee": stripped(taker_bps),
        "triggerOrders": 0,
    }


def loan(position_id: int, asset: str, lent: Decimal, mark_price: Decimal) -> Body:
    return {
        "cumulativeInterest": "0",
        "estLiquidationPrice": "0",
        "id": str(position_id),
        "imf": "0",
        "imfFunction": None,
        "markPrice": stripped(mark_price),
        "mmf": "0",
        "mmfFunction": None,
        "netExposureNotional": stripped(lent * mark_price),
        "netExposureQuantity": stripped(lent),
        "netQuantity": stripped(lent),
        "symbol": asset,
    }


def collateral(balances: Mapping[str, Balance], prices: Mapping[str, Decimal]) -> Body:
    """Every asset counts in full at its mark price; there are no borrows and no positions to subtract."""
    rows = []
    equity = locked = Decimal(0)
    for asset, balance in balances.items():
        price = prices[asset]
        equity += balance.total * price
        locked += balance.locked * price
        rows.append({
            "assetMarkPrice": stripped(price),
            "availableQuantity": stripped(balance.available),
            "balanceNotional": stripped(balance.total * price),
            "collateralValue": stripped(balance.total * price),
            "collateralWeight": "1",
            "lendQuantity": stripped(balance.lent),
            "openOrderQuantity": stripped(balance.locked),
            "symbol": asset,
            "totalQuantity": stripped(balance.total),
        })  # fmt: skip
    return {
        "assetsValue": stripped(equity),
        "borrowLiability": "0",
        "collateral": rows,
        "imf": "0",
        "liabilitiesValue": "0",
        "marginFraction": None,
        "mmf": "0",
        "netEquity": stripped(equity),
        "netEquityAvailable": stripped(equity - locked),
        "netEquityLocked": stripped(locked),
        "netExposureFutures": "0",
        "pnlUnrealized": "0",
        "unsettledEquity": "0",
    }
