"""The matching engine: commands in, events out. No sockets, no asyncio, no wall clock.

Faithful to the venue: price-time priority; an order is accepted before it fills; trades happen at the
resting order's price; post-only and fill-or-kill are refused, not expired; fees are taken from what is
received; order ids from one counter, trade and update ids per market; every change of a book is one depth
update of one to three absolute levels; a market order stops at the impact band.
Simplified, where no recording tells (api-doc/NOTES.md): what is left of an IOC or market order expires;
self-trade prevention expires the taker's rest, the resting order, or both; the price band is measured from
the last trade (the mid price before the first one) and bounds both sides; a quote quantity is rounded down to
whole steps; taker fees are not locked in advance; duplicate client ids are accepted, the oldest open one answers.
Absent: trigger orders, take profit and stop loss, margin and borrowing, automatic lending, mark-price bands,
slippage tolerance, limits on the number of orders. The 100 ms taker delay is the caller's to schedule: an
order meets the book when it is submitted.
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import ROUND_CEILING, Decimal
from itertools import islice

from .book import Book
from .clock import Clock
from .ledger import HOUSE, Ledger, fee_on, is_exact
from .listing import DEFAULT_MARKETS
from .model import (
    ZERO,
    BalanceChanged,
    BookTicker,
    DepthSnapshot,
    DepthUpdated,
    ErrorCode,
    Event,
    ExpiryReason,
    Fill,
    Level,
    Market,
    Order,
    OrderAccepted,
    OrderBookState,
    OrderCancelled,
    OrderExpired,
    OrderFilled,
    OrderModified,
    OrderRequest,
    OrderStatus,
    OrderType,
    Rejected,
    SelfTradePrevention,
    Side,
    SystemOrderType,
    TimeInForce,
    Trade,
    Traded,
)
from .order_rules import check_grid, check_quantity, check_request, check_steps
from .statistics import Candle, Interval, Statistics, Ticker

Listener = Callable[[Sequence[Event]], None]

# Ids begin where the venue's were in 2026, so that a client that is too narrow for them notices.
FIRST_ORDER_ID = 66_605_000_000
FIRST_TRADE_ID = 7_558_558
FIRST_UPDATE_ID = 6_904_864_764

TRADES_KEPT = 5_000
LEVELS_PER_UPDATE = 3


@dataclass(slots=True, eq=False)
class Account:
    """A trader: fees, open orders and a bounded memory of what was done."""

    name: str
    maker_fee_bps: Decimal
    taker_fee_bps: Decimal
    history_limit: int
    open_orders: dict[int, Order] = field(default_factory=dict)
    orders: OrderedDict[int, Order] = field(default_factory=OrderedDict)
    done: deque[int] = field(default_factory=deque)
    fills: deque[Fill] = field(default_factory=deque)

    def finish(self, order: Order) -> None:
        """Move an order to the past and forget the order that ended longest ago."""
        del self.open_orders[order.id]
        self.done.append(order.id)
        if len(self.done) > self.history_limit:
            del self.orders[self.done.popleft()]

    def remember(self, fill: Fill) -> None:
        self.fills.append(fill)
        if len(self.fills) > self.history_limit:
            self.fills.popleft()


@dataclass(slots=True, eq=False)
class _Desk:
    """What the engine keeps per market."""

    market: Market
    statistics: Statistics
    book: Book = field(default_factory=Book)
    trades: deque[Trade] = field(default_factory=lambda: deque(maxlen=TRADES_KEPT))
    next_trade_id: int = FIRST_TRADE_ID
    update_id: int = FIRST_UPDATE_ID
    updated_us: int = 0
    # Levels changed by the command that is running, in order of their first change: what was taken
    # comes before what rests, so the book is uncrossed after each of several updates, too.
    changed: dict[tuple[Side, Decimal], None] = field(default_factory=dict)

    @property
    def active_price(self) -> Decimal | None:
        return self.trades[-1].price if self.trades else self.book.mid_price


@dataclass(frozen=True, slots=True)
class _Terms:
    """What an order comes to on the book as it stands; ``limit`` of a market order is the end of the impact band."""

    quantity: Decimal
    quote_quantity: Decimal | None
    limit: Decimal | None
    to_lock: Decimal


@dataclass(slots=True)
class _Plan:
    """What an incoming order would take from the book as it stands."""

    quantity: Decimal = ZERO
    quote: Decimal = ZERO
    worst_price: Decimal | None = None


class Exchange:
    """Markets, accounts and a ledger behind commands that run to completion one at a time.

    Every command returns its events and also hands them to ``listeners`` (once per command, after it
    is complete), so that whoever acts on the engine directly is still seen on the streams; a listener
    issues no commands. A command that raises ``Rejected`` changed nothing and produced no event.
    Engine times follow the clock and never repeat: each step of a command is at least 1 µs after the last.
    """

    def __init__(self, clock: Clock, markets: Iterable[Market] = DEFAULT_MARKETS) -> None:
        self.clock = clock
        self.ledger = Ledger()
        self.listeners: list[Listener] = []
        self._desks: dict[str, _Desk] = {}
        for market in markets:
            if not is_exact(market.tick_size * market.step_size):
                raise ValueError(f"{market.symbol}: tick size times step size has too many decimals for exact amounts")
            self._desks[market.symbol] = _Desk(market, Statistics(market.symbol))
        self._accounts: dict[str, Account] = {}
        self._orders: dict[int, Order] = {}
        self._next_order_id = FIRST_ORDER_ID
        self._time_us = 0
        self._events: list[Event] = []

    @property
    def markets(self) -> Mapping[str, Market]:
        """The listed markets by symbol, each with its present order book state."""
        return {symbol: desk.market for symbol, desk in self._desks.items()}

    def market(self, symbol: str) -> Market:
        return self._desk(symbol).market

    # Accounts -----------------------------------------------------------------------------------

    def add_account(
        self,
        name: str,
        balances: Mapping[str, Decimal] | None = None,
        *,
        maker_fee_bps: Decimal = Decimal(8),
        taker_fee_bps: Decimal = Decimal(10),
        history_limit: int = 100_000,
    ) -> Account:
        """Open an account, with deposits. ``history_limit`` bounds its past orders and its fills, each."""
        self.ledger.open_account(name)
        account = self._accounts[name] = Account(name, maker_fee_bps, taker_fee_bps, history_limit)
        for asset, amount in (balances or {}).items():
            if amount:
                self.deposit(name, asset, amount)
        return account

    def account(self, name: str) -> Account:
        return self._accounts[name]

    @property
    def accounts(self) -> list[Account]:
        return list(self._accounts.values())

    def deposit(self, account: str, asset: str, amount: Decimal) -> list[Event]:
        """Bring funds from outside; ``ValueError`` for an amount that the ledger cannot carry exactly."""
        self.ledger.deposit(account, asset, amount)
        self._balance_changed(account, asset, self._tick())
        return self._done()

    def withdraw(self, account: str, asset: str, amount: Decimal) -> list[Event]:
        self.ledger.withdraw(account, asset, amount)
        self._balance_changed(account, asset, self._tick())
        return self._done()

    def lend(self, account: str, asset: str, amount: Decimal) -> list[Event]:
        """Move available funds to the lent ones."""
        self.ledger.lend(account, asset, amount)
        self._balance_changed(account, asset, self._tick())
        return self._done()

    def redeem(self, account: str, asset: str, amount: Decimal) -> list[Event]:
        """Move lent funds back to the available ones."""
        self.ledger.redeem(account, asset, amount)
        self._balance_changed(account, asset, self._tick())
        return self._done()

    # Orders -------------------------------------------------------------------------------------

    def validate(self, request: OrderRequest) -> None:
        """Raise ``Rejected`` for what can be refused without the book: combinations, filters, book states.

        ``submit`` checks this again; a server may ask before the taker delay.
        """
        check_request(request, self._desk(request.symbol).market)

    def submit(self, request: OrderRequest, *, mirrored: bool = False) -> list[Event]:
        """Take an order as it arrives at the book. The first event is always its ``OrderAccepted``.

        A ``mirrored`` limit order repeats what another venue has let happen: it must fit tick and step, but this
        market's state, minima, maxima and price bands are not asked.
        """
        desk = self._desk(request.symbol)
        if mirrored:
            check_grid(request.price, request.quantity, desk.market)
        else:
            self.validate(request)
        account = self._accounts[request.account]
        if request.order_type is OrderType.MARKET:
            terms = self._market_order_terms(desk, request)
        else:
            terms = self._limit_order_terms(desk, request, mirrored)
        asset = _asset_spent(desk.market, request.side)
        self.ledger.lock(request.account, asset, terms.to_lock, redeem_lent=request.auto_lend_redeem)

        order = Order(
            id=self._next_order_id,
            account=request.account,
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            quantity=terms.quantity,
            price=request.price,
            quote_quantity=terms.quote_quantity,
            time_in_force=request.time_in_force,
            post_only=request.post_only,
            self_trade_prevention=request.self_trade_prevention,
            client_id=request.client_id,
            created_us=self._tick(),
        )
        self._next_order_id += 1
        self._orders[order.id] = account.open_orders[order.id] = account.orders[order.id] = order
        self._events.append(OrderAccepted(order.created_us, order))
        self._balance_changed(order.account, asset, order.created_us)

        self._match(desk, order, terms.limit)
        if order.status.is_open:
            self._rest_or_expire(desk, order)
        return self._done(desk)

    def cancel(
        self, account: str, symbol: str, *, order_id: int | None = None, client_id: int | None = None
    ) -> list[Event]:
        """Cancel one open order; ``Rejected(INVALID_CLIENT_REQUEST, "Order not found")`` if it is not open."""
        order = self.open_order(account, symbol, order_id=order_id, client_id=client_id)
        if order is None:
            raise Rejected(ErrorCode.INVALID_CLIENT_REQUEST, "Order not found")
        desk = self._desk(symbol)
        self._cancel(desk, order)
        return self._done(desk)

    def cancel_all(self, account: str, symbol: str) -> list[Event]:
        """Cancel the account's open orders of one market, oldest first; the venue has no account-wide cancel."""
        desk = self._desk(symbol)
        for order in self.open_orders(account, symbol):
            self._cancel(desk, order)
        return self._done(desk)

    def reduce(self, order_id: int, quantity: Decimal) -> list[Event]:
        """Take ``quantity`` off an open order, less than remains of it; it keeps its place in the queue."""
        order = self._open_order_by_id(order_id)
        desk = self._desk(order.symbol)
        if not ZERO < quantity < order.remaining:
            raise ValueError(f"order {order_id}: expected less than the remaining {order.remaining}, was {quantity}")
        check_steps(quantity, desk.market)
        price = _resting_price(order)
        self._release(desk.market, order, quantity)
        order.quantity -= quantity
        desk.book.side(order.side).take(order, price, quantity)
        desk.changed[order.side, price] = None
        time_us = self._tick()
        self._events.append(
            OrderModified(
                time_us, order, order.quantity, order.status, order.executed_quantity, order.executed_quote_quantity
            )
        )
        self._balance_changed(order.account, _asset_spent(desk.market, order.side), time_us)
        return self._done(desk)

    def requeue(self, order_id: int) -> None:
        """Put an open order behind all others at its price."""
        order = self._open_order_by_id(order_id)
        self._desk(order.symbol).book.side(order.side).to_the_back(order, _resting_price(order))

    def system_fill(
        self, order_id: int, quantity: Decimal, kind: SystemOrderType = SystemOrderType.COLLATERAL_CONVERSION
    ) -> list[Event]:
        """Fill part of an open order against the house at the order's price, without trade id and public trade."""
        order = self._open_order_by_id(order_id)
        if not ZERO < quantity <= order.remaining:
            raise ValueError(f"order {order_id}: expected up to the remaining {order.remaining}, was {quantity}")
        desk = self._desk(order.symbol)
        check_steps(quantity, desk.market)
        price = _resting_price(order)
        spent = quantity if order.side is Side.ASK else price * quantity
        received = price * quantity if order.side is Side.ASK else quantity
        self.ledger.receive(HOUSE, _asset_spent(desk.market, order.side), spent)
        self.ledger.receive(HOUSE, _asset_received(desk.market, order.side), -received)
        self._fill(desk, order, price, quantity, self._tick(), is_maker=True, trade_id=None, kind=kind)
        desk.book.side(order.side).take(order, price, quantity)
        desk.changed[order.side, price] = None
        return self._done(desk)

    def restore(self, account: str, orders: Iterable[Order], fills: Iterable[Fill]) -> None:
        """Give an account back its past, oldest first: its fills, and its orders, of which the open ones rest again.

        Ids go on after theirs. Locks what open orders need out of the available funds. Nothing is matched: an open
        order is met by what comes, as if it had been there all the time. To be called before the market opens.
        """
        owner = self._accounts[account]
        for fill in fills:
            owner.remember(fill)
            if fill.trade_id is not None:
                desk = self._desk(fill.symbol)
                desk.next_trade_id = max(desk.next_trade_id, fill.trade_id + 1)
        for order in orders:
            self._next_order_id = max(self._next_order_id, order.id + 1)
            owner.orders[order.id] = owner.open_orders[order.id] = order
            if not order.status.is_open:
                owner.finish(order)
                continue
            desk = self._desk(order.symbol)
            price = _resting_price(order)
            amount = order.remaining if order.side is Side.ASK else order.remaining * price
            self.ledger.lock(account, _asset_spent(desk.market, order.side), amount, redeem_lent=False)
            self._orders[order.id] = order
            desk.book.side(order.side).add(order, price)
            desk.changed[order.side, price] = None
            self._done(desk)

    def set_order_book_state(self, symbol: str, state: OrderBookState) -> None:
        """Open, close or restrict a market; resting orders stay and can be cancelled in any state."""
        desk = self._desk(symbol)
        desk.market = replace(desk.market, order_book_state=state)

    # Queries ------------------------------------------------------------------------------------

    def open_order(
        self, account: str, symbol: str, *, order_id: int | None = None, client_id: int | None = None
    ) -> Order | None:
        """One open order by either id; of several with one client id, the oldest."""
        open_orders = self._accounts[account].open_orders
        if order_id is not None:
            order = open_orders.get(order_id)
            return order if order is not None and order.symbol == symbol else None
        if client_id is None:
            return None
        return next((o for o in open_orders.values() if o.client_id == client_id and o.symbol == symbol), None)

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        """Oldest first."""
        return [order for order in self._accounts[account].open_orders.values() if symbol in (None, order.symbol)]

    def order_history(self, account: str, symbol: str | None = None, order_id: int | None = None) -> list[Order]:
        """All orders still remembered, open and done, newest first."""
        orders = self._accounts[account].orders
        if order_id is not None:
            found = orders.get(order_id)
            return [found] if found is not None and symbol in (None, found.symbol) else []
        return [order for order in reversed(orders.values()) if symbol in (None, order.symbol)]

    def fills(
        self,
        account: str,
        symbol: str | None = None,
        order_id: int | None = None,
        from_us: int | None = None,
        to_us: int | None = None,
    ) -> list[Fill]:
        """Newest first; ``from_us`` inclusive, ``to_us`` exclusive."""
        return [
            fill
            for fill in reversed(self._accounts[account].fills)
            if symbol in (None, fill.symbol)
            and order_id in (None, fill.order_id)
            and (from_us is None or fill.time_us >= from_us)
            and (to_us is None or fill.time_us < to_us)
        ]

    def trades(self, symbol: str, limit: int = 100, offset: int = 0) -> list[Trade]:
        """Public trades, newest first."""
        return list(islice(reversed(self._desk(symbol).trades), offset, offset + limit))

    def depth(self, symbol: str, limit: int | None = None) -> DepthSnapshot:
        """The book now; ``limit`` keeps the levels nearest the touch."""
        desk = self._desk(symbol)
        return DepthSnapshot(
            symbol,
            desk.update_id,
            desk.updated_us,
            bids=desk.book.bids.ascending(limit),
            asks=desk.book.asks.ascending(limit),
        )

    def book_ticker(self, symbol: str) -> BookTicker:
        desk = self._desk(symbol)
        bid, ask = desk.book.bids.best, desk.book.asks.best
        return BookTicker(
            symbol,
            desk.update_id,
            desk.updated_us,
            bid=(bid.price, bid.quantity) if bid else None,
            ask=(ask.price, ask.quantity) if ask else None,
        )

    def ticker(self, symbol: str, window_s: int = 86_400) -> Ticker | None:
        """Rolling figures, None without a trade in the window."""
        return self._desk(symbol).statistics.ticker(self._now_s(), window_s)

    def candles(self, symbol: str, interval: Interval, start_s: int, end_s: int | None = None) -> list[Candle]:
        """Buckets that start in [start_s, end_s], oldest first; those without trades have no prices."""
        now_s = self._now_s()
        end_s = now_s if end_s is None else min(end_s, now_s)
        return self._desk(symbol).statistics.candles(interval, start_s, end_s)

    def candle(self, symbol: str, interval: Interval, time_s: int | None = None) -> Candle:
        """The bucket that holds a time (seconds), by default the one that is running."""
        return self._desk(symbol).statistics.candle(interval, self._now_s() if time_s is None else time_s)

    # Matching -----------------------------------------------------------------------------------

    def _match(self, desk: _Desk, taker: Order, limit: Decimal | None) -> None:
        """Take from the opposite side, best price first and oldest order first, as far as the limit allows."""
        opposite = desk.book.side(taker.side.opposite)
        while taker.status.is_open and opposite.reaches(limit):
            level = opposite.best
            assert level is not None, "the side reaches the limit"
            maker = level.first
            if maker.account == taker.account:
                if taker.self_trade_prevention is not SelfTradePrevention.REJECT_TAKER:
                    self._leave_book(desk, maker)
                    self._expire(desk, maker, ExpiryReason.SELF_TRADE_PREVENTION)
                if taker.self_trade_prevention is not SelfTradePrevention.REJECT_MAKER:
                    self._expire(desk, taker, ExpiryReason.SELF_TRADE_PREVENTION)
                continue
            self._trade(desk, maker, taker, level.price, min(maker.remaining, taker.remaining))

    def _trade(self, desk: _Desk, maker: Order, taker: Order, price: Decimal, quantity: Decimal) -> None:
        time_us = self._tick()
        buyer, seller = (maker, taker) if maker.side is Side.BID else (taker, maker)
        trade = Trade(
            time_us,
            desk.market.symbol,
            desk.next_trade_id,
            price,
            quantity,
            buyer_order_id=buyer.id,
            seller_order_id=seller.id,
            is_buyer_maker=buyer is maker,
        )
        desk.next_trade_id += 1
        desk.trades.append(trade)
        desk.statistics.record(trade)
        self._events.append(Traded(time_us, trade))
        self._fill(desk, maker, price, quantity, time_us, is_maker=True, trade_id=trade.id)
        desk.book.side(maker.side).take(maker, price, quantity)
        desk.changed[maker.side, price] = None
        self._fill(desk, taker, price, quantity, time_us, is_maker=False, trade_id=trade.id)

    def _fill(
        self,
        desk: _Desk,
        order: Order,
        price: Decimal,
        quantity: Decimal,
        time_us: int,
        *,
        is_maker: bool,
        trade_id: int | None,
        kind: SystemOrderType | None = None,
    ) -> None:
        """Settle one side of a trade: pay from the lock, receive less the fee, tell the owner."""
        market, account = desk.market, self._accounts[order.account]
        quote = price * quantity
        order.executed_quantity += quantity
        order.executed_quote_quantity += quote
        order.status = OrderStatus.PARTIALLY_FILLED if order.remaining else OrderStatus.FILLED

        spent_asset, received_asset = _asset_spent(market, order.side), _asset_received(market, order.side)
        if order.side is Side.BID:
            locked, spent, received = (order.price or price) * quantity, quote, quantity
        else:
            locked, spent, received = quantity, quantity, quote
        fee = ZERO
        if not market.fees_waived:
            fee = fee_on(received, account.maker_fee_bps if is_maker else account.taker_fee_bps)
        self.ledger.spend_locked(order.account, spent_asset, locked=locked, spent=spent)
        self.ledger.receive(order.account, received_asset, received - fee)
        self.ledger.receive(HOUSE, received_asset, fee)

        fill = Fill(
            time_us,
            order.account,
            order.symbol,
            order.id,
            order.client_id,
            order.side,
            price,
            quantity,
            fee,
            received_asset,
            is_maker,
            trade_id,
            kind,
        )
        account.remember(fill)
        self._events.append(
            OrderFilled(time_us, order, fill, order.status, order.executed_quantity, order.executed_quote_quantity)
        )
        self._balance_changed(order.account, spent_asset, time_us)
        self._balance_changed(order.account, received_asset, time_us)
        if order.status is OrderStatus.FILLED:
            self._close(order)

    def _rest_or_expire(self, desk: _Desk, order: Order) -> None:
        """What happens to what matching has left over."""
        if order.order_type is OrderType.MARKET:
            beyond_the_band = desk.book.side(order.side.opposite).best is not None
            reason = ExpiryReason.PRICE_IMPACT if beyond_the_band else ExpiryReason.INSUFFICIENT_LIQUIDITY
            self._expire(desk, order, reason)
        elif order.time_in_force is TimeInForce.GTC:
            price = _resting_price(order)
            desk.book.side(order.side).add(order, price)
            desk.changed[order.side, price] = None
        else:
            self._expire(desk, order, ExpiryReason.IMMEDIATE_OR_CANCEL)

    def _cancel(self, desk: _Desk, order: Order) -> None:
        self._leave_book(desk, order)
        self._end(desk, order, OrderStatus.CANCELLED)
        time_us = self._tick()
        self._events.append(OrderCancelled(time_us, order))
        self._balance_changed(order.account, _asset_spent(desk.market, order.side), time_us)

    def _expire(self, desk: _Desk, order: Order, reason: ExpiryReason) -> None:
        order.expiry_reason = reason
        self._end(desk, order, OrderStatus.EXPIRED)
        time_us = self._tick()
        self._events.append(OrderExpired(time_us, order, reason))
        self._balance_changed(order.account, _asset_spent(desk.market, order.side), time_us)

    def _end(self, desk: _Desk, order: Order, status: OrderStatus) -> None:
        self._release(desk.market, order, order.remaining)
        order.status = status
        self._close(order)

    def _close(self, order: Order) -> None:
        del self._orders[order.id]
        self._accounts[order.account].finish(order)

    def _leave_book(self, desk: _Desk, order: Order) -> None:
        price = _resting_price(order)
        desk.book.side(order.side).remove(order, price)
        desk.changed[order.side, price] = None

    def _release(self, market: Market, order: Order, quantity: Decimal) -> None:
        """Unlock what was set aside for a quantity. A market bid has locked only what it could spend."""
        amount = quantity if order.side is Side.ASK else quantity * (order.price or ZERO)
        self.ledger.unlock(order.account, _asset_spent(market, order.side), amount)

    # Checks against the book --------------------------------------------------------------------

    def _limit_order_terms(self, desk: _Desk, request: OrderRequest, mirrored: bool) -> _Terms:
        quantity, price = request.quantity, request.price
        assert quantity is not None and price is not None, "validated before"
        market, active_price = desk.market, None if mirrored else desk.active_price
        if active_price is not None and (
            (market.min_multiplier is not None and price < active_price * market.min_multiplier)
            or (market.max_multiplier is not None and price > active_price * market.max_multiplier)
        ):
            raise Rejected(ErrorCode.INVALID_PRICE, "Price is too far from the last active price")
        if request.post_only and desk.book.side(request.side.opposite).reaches(price):
            raise Rejected(ErrorCode.INVALID_ORDER, "Order would immediately match and take")
        if request.time_in_force is TimeInForce.FOK:
            self._check_fillable(self._plan(desk, request, price, quantity=quantity), quantity)
        return _Terms(quantity, None, price, quantity if request.side is Side.ASK else quantity * price)

    def _market_order_terms(self, desk: _Desk, request: OrderRequest) -> _Terms:
        market, best = desk.market, desk.book.side(request.side.opposite).best
        if best is None:
            raise Rejected(ErrorCode.INVALID_ORDER, "No liquidity for market order")
        is_bid = request.side is Side.BID
        multiplier = market.max_impact_multiplier if is_bid else market.min_impact_multiplier
        limit = None if multiplier is None else best.price * multiplier
        plan = self._plan(desk, request, limit, quantity=request.quantity, quote=request.quote_quantity)
        if request.quantity is not None:
            quantity = request.quantity
            quote_quantity = plan.quote.quantize(market.tick_size, rounding=ROUND_CEILING)
        else:
            assert request.quote_quantity is not None, "validated: either quantity"
            beyond = request.quote_quantity - plan.quote
            quantity = plan.quantity + _affordable(beyond, plan.worst_price or best.price, market)
            quote_quantity = request.quote_quantity
            check_quantity(quantity, market)
        if request.time_in_force is TimeInForce.FOK:
            self._check_fillable(plan, quantity)
        return _Terms(quantity, quote_quantity, limit, plan.quote if is_bid else quantity)

    def _check_fillable(self, plan: _Plan, quantity: Decimal) -> None:
        if plan.quantity < quantity:
            raise Rejected(ErrorCode.INVALID_ORDER, "Fill or kill order would not complete fill immediately")

    def _plan(
        self,
        desk: _Desk,
        request: OrderRequest,
        limit: Decimal | None,
        *,
        quantity: Decimal | None = None,
        quote: Decimal | None = None,
    ) -> _Plan:
        """Walk the book as ``_match`` would, up to a quantity or a budget in the quote asset."""
        plan = _Plan()
        for maker, price in self._reachable(desk, request, limit):
            plan.worst_price = price
            take = maker.remaining
            if quantity is not None:
                take = min(take, quantity - plan.quantity)
            if quote is not None:
                take = min(take, _affordable(quote - plan.quote, price, desk.market))
            plan.quantity += take
            plan.quote += take * price
            if take < maker.remaining or plan.quantity == quantity:
                break
        return plan

    def _reachable(
        self, desk: _Desk, request: OrderRequest, limit: Decimal | None
    ) -> Iterator[tuple[Order, Decimal]]:
        """Resting orders that an incoming one would trade with, in order; its own stop it or are passed over."""
        opposite = desk.book.side(request.side.opposite)
        for level in opposite.from_best():
            if not opposite.accepts(level.price, limit):
                return
            for maker in level.orders.values():
                if maker.account != request.account:
                    yield maker, level.price
                elif request.self_trade_prevention is not SelfTradePrevention.REJECT_MAKER:
                    return

    # Housekeeping -------------------------------------------------------------------------------

    def _desk(self, symbol: str) -> _Desk:
        desk = self._desks.get(symbol)
        if desk is None:
            raise Rejected(ErrorCode.INVALID_CLIENT_REQUEST, "Invalid market symbol")
        return desk

    def _open_order_by_id(self, order_id: int) -> Order:
        order = self._orders.get(order_id)
        if order is None:
            raise Rejected(ErrorCode.RESOURCE_NOT_FOUND, "Not Found")
        return order

    def _now_s(self) -> int:
        return max(self.clock.now_us(), self._time_us) // 1_000_000

    def _tick(self) -> int:
        """The next engine time."""
        self._time_us = max(self.clock.now_us(), self._time_us + 1)
        return self._time_us

    def _balance_changed(self, account: str, asset: str, time_us: int) -> None:
        self._events.append(BalanceChanged(time_us, account, asset, self.ledger.balance(account, asset)))

    def _done(self, desk: _Desk | None = None) -> list[Event]:
        """Close a command: number the changed levels, give the events out."""
        if desk is not None and desk.changed:
            self._publish_depth(desk)
        events, self._events = self._events, []
        for listener in self.listeners:
            listener(events)
        return events

    def _publish_depth(self, desk: _Desk) -> None:
        changes = list(desk.changed)
        desk.changed.clear()
        for start in range(0, len(changes), LEVELS_PER_UPDATE):
            levels: dict[Side, list[Level]] = {Side.BID: [], Side.ASK: []}
            for side, price in changes[start : start + LEVELS_PER_UPDATE]:
                levels[side].append((price, desk.book.side(side).quantity_at(price)))
            desk.update_id += 1
            desk.updated_us = self._tick()
            self._events.append(
                DepthUpdated(
                    desk.updated_us,
                    desk.market.symbol,
                    desk.update_id,
                    bids=tuple(levels[Side.BID]),
                    asks=tuple(levels[Side.ASK]),
                )
            )


def _asset_spent(market: Market, side: Side) -> str:
    return market.quote if side is Side.BID else market.base


def _asset_received(market: Market, side: Side) -> str:
    return market.base if side is Side.BID else market.quote


def _resting_price(order: Order) -> Decimal:
    assert order.price is not None, "only limit orders rest"
    return order.price


def _affordable(quote: Decimal, price: Decimal, market: Market) -> Decimal:
    """The quantity in whole steps that a budget pays for; integer division, since a quotient would be rounded."""
    return quote // (price * market.step_size) * market.step_size
