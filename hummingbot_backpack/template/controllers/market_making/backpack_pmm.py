"""A V2 controller: quotes at fixed distances from the mid price; a fill is closed at its profit, loss or time limit."""

from decimal import Decimal

from hummingbot.core.data_type.common import TradeType
from hummingbot.strategy_v2.controllers.market_making_controller_base import (
    MarketMakingControllerBase,
    MarketMakingControllerConfigBase,
)
from hummingbot.strategy_v2.executors.position_executor.data_types import PositionExecutorConfig


class BackpackPMMConfig(MarketMakingControllerConfigBase):  # type: ignore[misc]  # Hummingbot is untyped
    controller_name: str = "backpack_pmm"
    connector_name: str = "backpack"
    trading_pair: str = "SOL-USDC"
    leverage: int = 1


class BackpackPMM(MarketMakingControllerBase):  # type: ignore[misc]
    def get_executor_config(self, level_id: str, price: Decimal, amount: Decimal) -> PositionExecutorConfig:
        side: TradeType = self.get_trade_type_from_level_id(level_id)
        return PositionExecutorConfig(
            timestamp=self.market_data_provider.time(),
            level_id=level_id,
            connector_name=self.config.connector_name,
            trading_pair=self.config.trading_pair,
            entry_price=price,
            amount=amount,
            triple_barrier_config=self.config.triple_barrier_config,
            leverage=self.config.leverage,
            side=side,
        )
