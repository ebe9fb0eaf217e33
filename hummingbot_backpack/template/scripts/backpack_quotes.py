"""A V2 script: one quote on each side of the mid price, and a market order when fills have piled up on one side.

Start it with a file in ``conf/scripts``, as ``conf_backpack_quotes_local.yml`` shows.
"""

from decimal import Decimal

from pydantic import Field

from hummingbot.connector.connector_base import ConnectorBase
from hummingbot.core.data_type.common import MarketDict, OrderType, PriceType, TradeType
from hummingbot.core.event.events import OrderFilledEvent
from hummingbot.strategy.strategy_v2_base import StrategyV2Base, StrategyV2ConfigBase


class BackpackQuotesConfig(StrategyV2ConfigBase):  # type: ignore[misc]  # Hummingbot is untyped
    script_file_name: str = "backpack_quotes.py"
    exchange: str = "backpack"
    trading_pair: str = "SOL-USDC"
    order_amount: Decimal = Field(default=Decimal("0.1"), gt=0, description="In the base asset.")
    spread_pct: Decimal = Field(default=Decimal("0.5"), gt=0, description="Of each quote from the mid price, per cent.")
    refresh_s: int = Field(default=30, gt=0, description="How long a quote stays.")
    max_imbalance: Decimal = Field(
        default=Decimal("0.5"), gt=0, description="Bought less sold, in the base asset; beyond it is traded back."
    )

    def update_markets(self, markets: MarketDict) -> MarketDict:
        return markets.add_or_update(self.exchange, self.trading_pair)


class BackpackQuotes(StrategyV2Base):  # type: ignore[misc]
    def __init__(self, connectors: dict[str, ConnectorBase], config: BackpackQuotesConfig) -> None:
        super().__init__(connectors, config)
        self._connector = connectors[config.exchange]
        self._quoted_at_s = 0.0
        self._imbalance = Decimal(0)

    def on_tick(self) -> None:
        if self.current_timestamp < self._quoted_at_s + self.config.refresh_s:
            return
        standing = self.get_active_orders(self.config.exchange)
        if standing:
            for order in standing:
                self.cancel(self.config.exchange, self.config.trading_pair, order.client_order_id)
            return  # once they are gone, the next tick quotes anew
        self._quoted_at_s = self.current_timestamp
        self._trade_back()
        self._quote()

    def did_fill_order(self, event: OrderFilledEvent) -> None:
        self._imbalance += event.amount if event.trade_type is TradeType.BUY else -event.amount

    def _trade_back(self) -> None:
        if abs(self._imbalance) > self.config.max_imbalance:
            trade = self.sell if self._imbalance > 0 else self.buy
            amount = self._connector.quantize_order_amount(self.config.trading_pair, abs(self._imbalance))
            trade(self.config.exchange, self.config.trading_pair, amount, OrderType.MARKET)

    def _quote(self) -> None:
        mid = self._connector.get_price_by_type(self.config.trading_pair, PriceType.MidPrice)
        for trade, sign in ((self.buy, -1), (self.sell, 1)):
            price = mid * (1 + sign * self.config.spread_pct / 100)
            trade(
                self.config.exchange,
                self.config.trading_pair,
                self.config.order_amount,
                OrderType.LIMIT_MAKER,
                self._connector.quantize_order_price(self.config.trading_pair, price),
            )
