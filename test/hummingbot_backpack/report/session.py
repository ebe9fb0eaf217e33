"""A session's database as Hummingbot writes it, through Hummingbot's own models."""

from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from sqlalchemy import create_engine
from sqlalchemy.orm import Session

from hummingbot.model import HummingbotBase
from hummingbot.model.market_data import MarketData
from hummingbot.model.order import Order
from hummingbot.model.order_status import OrderStatus  # noqa: F401  (Order needs to know it)
from hummingbot.model.trade_fill import TradeFill

BEGAN_MS = 1_795_457_400_000
MARKET = {"market": "backpack_local", "symbol": "SOL-USDC", "base_asset": "SOL", "quote_asset": "USDC"}
RUN = {"config_file_path": "conf.yml", "strategy": "pure_market_making"}


@dataclass
class Written:
    """Rows to be written; times are seconds after the start."""

    rows: list[object] = field(default_factory=list)

    def order(self, order_id: str, at_s: float, ended_s: float, status: str = "OrderCancelled", **market: str) -> None:
        self.rows.append(
            Order(
                id=order_id, **RUN, **(MARKET | market), creation_timestamp=_ms(at_s), order_type="LIMIT_MAKER",
                amount=Decimal("0.5"), leverage=1, price=Decimal(150), last_status=status,
                last_update_timestamp=_ms(ended_s), exchange_order_id=f"9{order_id}", position="NIL",
            )
        )  # fmt: skip

    def fill(
        self, trade_id: str, at_s: float, side: str, price: str, amount: str, fee: str, token: str, **market: str
    ) -> None:
        self.rows.append(
            TradeFill(
                **RUN, **(MARKET | market), timestamp=_ms(at_s), order_id=trade_id, trade_type=side,
                order_type="LIMIT_MAKER", price=Decimal(price), amount=Decimal(amount), leverage=1,
                trade_fee={
                    "fee_type": "DeductedFromReturns", "percent": "0", "percent_token": None,
                    "flat_fees": [{"token": token, "amount": fee}],
                },
                trade_fee_in_quote=None, exchange_trade_id=trade_id, position="NIL",
            )
        )  # fmt: skip

    def mid(self, at_s: float, price: str) -> None:
        self.rows.append(
            MarketData(
                timestamp=Decimal(_ms(at_s)), exchange="backpack_local", trading_pair="SOL-USDC",
                mid_price=Decimal(price), best_bid=Decimal(price), best_ask=Decimal(price), order_book={},
            )
        )  # fmt: skip

    def to(self, file: Path) -> Path:
        file.parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(f"sqlite:///{file}")
        HummingbotBase.metadata.create_all(engine)
        with Session(engine) as session:
            session.add_all(self.rows)
            session.commit()
        engine.dispose()
        return file


def _ms(at_s: float) -> int:
    return BEGAN_MS + round(at_s * 1000)


def a_session() -> Written:
    """Two buys, one sell of both, at prices that are known; a mid every five seconds."""
    written = Written()
    for trade_id, at_s in (("1", 0.0), ("2", 5.0), ("3", 10.0)):
        written.order(trade_id, at_s, at_s + 2, "SellOrderCompleted" if trade_id == "3" else "BuyOrderCompleted")
    written.order("4", 1.0, 4.5)
    written.order("5", 12.0, 12.0, "SellOrderCreated")
    written.fill("1", 1.0, "BUY", "150", "1", "0", "USDC")
    written.fill("2", 6.0, "BUY", "152", "1", "0", "USDC")
    written.fill("3", 11.0, "SELL", "154", "1.5", "0.231", "USDC")
    for number, price in enumerate(["150.5", "151.5", "153", "155"]):
        written.mid(number * 5, price)
    return written
