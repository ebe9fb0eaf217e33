"""Takes the place of ``hummingbot.core.rate_oracle.sources.backpack_rate_source`` (see ``hook``).

Hummingbot's file asks the connector for a trading pair without ``await``, which fits only its own connector.
"""

import os
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from hummingbot.core.rate_oracle.sources.rate_source_base import RateSourceBase
from hummingbot.core.utils import async_ttl_cache

if TYPE_CHECKING:
    from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange


class BackpackRateSource(RateSourceBase):  # type: ignore[misc]  # Hummingbot is untyped
    """Last prices of Backpack's spot markets; of the local exchange if ``BACKPACK_RATE_DOMAIN=backpack_local``."""

    def __init__(self) -> None:
        super().__init__()
        self._exchange: BackpackExchange | None = None
        self._lost = False

    @property
    def name(self) -> str:
        return "backpack"

    @async_ttl_cache(ttl=30, maxsize=1)  # type: ignore[untyped-decorator]
    async def get_prices(self, quote_token: str | None = None) -> dict[str, Decimal]:
        """All pairs, whatever the quote token: the oracle finds its way to it over common quotes (USDC, USDT-USDC)."""
        exchange = self._connector()
        try:
            rows: list[dict[str, Any]] = await exchange.get_all_pairs_prices()
            pair_of = await exchange.trading_pair_symbol_map()
        except Exception as error:
            # The oracle keeps asking and keeps its last prices meanwhile: say it once.
            if not self._lost:
                self.logger().warning("Rate oracle: no prices from Backpack, keeping the last (%s).", error)
            self._lost = True
            return {}
        if self._lost:
            self.logger().info("Rate oracle: prices from Backpack again.")
            self._lost = False
        prices = {pair_of[row["symbol"]]: Decimal(str(row["lastPrice"])) for row in rows if row["symbol"] in pair_of}
        return {pair: price for pair, price in prices.items() if price > 0}

    def _connector(self) -> "BackpackExchange":
        if self._exchange is None:
            from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange

            domain = os.environ.get("BACKPACK_RATE_DOMAIN", "backpack")
            keys: dict[str, Any] = {f"{domain}_api_key": "", f"{domain}_api_secret": ""}
            self._exchange = BackpackExchange(**keys, trading_pairs=[], trading_required=False, domain=domain)
        return self._exchange
