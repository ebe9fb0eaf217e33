"""The matching engine: commands in, events out. No sockets, no asyncio, no wall clock."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal

from .clock import Clock
from .ledger import Ledger
from .listing import DEFAULT_MARKETS
from .model import (
    BookTicker,
    DepthSnapshot,
    Event,
    Fill,
    Market,
    Order,
    OrderBookState,
    OrderRequest,
    SystemOrderType,
    Trade,
)
from .statistics import Candle, Interval, Ticker

Listener = Callable[[Sequence[Event]], None]


class Exchange:
    """Markets, accounts and a ledger behind commands that run to completion one at a time.

    Every command returns its events and also hands them to ``listeners`` (once per command, after it
    is complete), so that whoever acts on the engine directly is still seen on the streams. A command
    that raises ``Rejected`` changed nothing and produced no event.
    """

    listeners: list[Listener]
    markets: Mapping[str, Market]
    ledger: Ledger
    clock: Clock

    def __init__(self, clock: Clock, markets: Iterable[Market] = DEFAULT_MARKETS) -> None: ...

    # Accounts

    def add_account(
        self,
        name: str,
        balances: Mapping[str, Decimal] | None = None,
        *,
        maker_fee_bps: Decimal = Decimal(8),
        taker_fee_bps: Decimal = Decimal(10),
        history_limit: int = 100_000,
    ) -> None: ...

    def deposit(self, account: str, asset: str, amount: Decimal) -> list[Event]: ...
    def withdraw(self, account: str, asset: str, amount: Decimal) -> list[Event]: ...
    def lend(self, account: str, asset: str, amount: Decimal) -> list[Event]: ...
    def redeem(self, account: str, asset: str, amount: Decimal) -> list[Event]: ...

    # Orders

    def validate(self, request: OrderRequest) -> None:
        """Raise ``Rejected`` for what can be refused without the book: filters, states, combinations.

        ``submit`` checks this again; a server may call it before the taker delay.
        """

    def submit(self, request: OrderRequest) -> list[Event]:
        """Take an order as it arrives at the book. The first event is always ``OrderAccepted``; its ``order`` is live."""

    def cancel(
        self, account: str, symbol: str, *, order_id: int | None = None, client_id: int | None = None
    ) -> list[Event]:
        """Cancel one open order; ``Rejected(INVALID_CLIENT_REQUEST, "Order not found")`` if it is not open."""

    def cancel_all(self, account: str, symbol: str) -> list[Event]:
        """Cancel the account's open orders of one market, oldest first; the venue has no account-wide cancel."""

    def reduce(self, order_id: int, quantity: Decimal) -> list[Event]:
        """Shrink an open order's remaining quantity in place, as the venue does; it keeps its place in the queue."""

    def system_fill(
        self, order_id: int, quantity: Decimal, kind: SystemOrderType = SystemOrderType.COLLATERAL_CONVERSION
    ) -> list[Event]:
        """Fill part of an open order against the house, at the order's price, without trade id and public trade."""

    def set_order_book_state(self, symbol: str, state: OrderBookState) -> None: ...

    # Queries

    def open_order(
        self, account: str, symbol: str, *, order_id: int | None = None, client_id: int | None = None
    ) -> Order | None: ...
    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Oldest first."""

    def order_history(self, account: str, symbol: str | None = None, order_id: int | None = None) -> list[Order]:
        """All orders still remembered, open and done, newest first."""

    def fills(
        self,
        account: str,
        symbol: str | None = None,
        order_id: int | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
    ) -> list[Fill]:
        """Newest first; ``from_us`` inclusive, ``to_us`` exclusive."""

    def trades(self, symbol: str, limit: int = 100, offset: int = 0) -> list[Trade]:
        """Public trades, newest first."""

    def depth(self, symbol: str, limit: int | None = None) -> DepthSnapshot:
        """The book now; ``limit`` keeps the levels nearest the touch."""

    def book_ticker(self, symbol: str) -> BookTicker: ...
    def ticker(self, symbol: str, window_s: int = 86_400) -> Ticker | None:
        """Rolling figures, None without a trade in the window."""

    def candles(self, symbol: str, interval: Interval, start_s: int, end_s: int | None = None) -> list[Candle]:
        """Oldest first, from the first bucket that starts at or after ``start_s``; empty buckets have no prices."""

    def candle(self, symbol: str, interval: Interval) -> Candle:
        """The bucket that is running now."""
