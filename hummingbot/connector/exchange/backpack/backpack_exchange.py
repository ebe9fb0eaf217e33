"""The Backpack connector: Hummingbot's exchange members, carried out with the modules beside this one.

Two promises shape it. An order's fate is never guessed: it ends when the venue has said so, in an answer, a frame or
its records. And what a stream may have missed is asked of REST: at every (re)connect, when a frame tells of fills that
were not seen, and at every poll.
"""

import asyncio
import math
import random
import secrets
import sys
import time
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from async_timeout import timeout
from bidict import bidict

from hummingbot.connector.constants import s_decimal_NaN
from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack import backpack_utils as utils
from hummingbot.connector.exchange.backpack import backpack_web_utils as web_utils
from hummingbot.connector.exchange.backpack import wire
from hummingbot.connector.exchange.backpack.backpack_api_order_book_data_source import BackpackAPIOrderBookDataSource
from hummingbot.connector.exchange.backpack.backpack_api_user_stream_data_source import (
    BALANCES,
    BackpackAPIUserStreamDataSource,
    Interrupted,
    Resumed,
)
from hummingbot.connector.exchange.backpack.backpack_auth import BackpackAuth
from hummingbot.connector.exchange.backpack.backpack_clock import VenueClock
from hummingbot.connector.exchange.backpack.backpack_constants import Endpoint
from hummingbot.connector.exchange.backpack.backpack_demo import BadDemoSettings, DemoConfigMap, DemoExchange
from hummingbot.connector.exchange.backpack.backpack_order_book import BackpackOrderBookTracker
from hummingbot.connector.exchange.backpack.backpack_order_tracker import BackpackOrderTracker
from hummingbot.connector.exchange.backpack.backpack_placing import BackpackPlacing
from hummingbot.connector.exchange.backpack.backpack_records import BackpackRecords, Records
from hummingbot.connector.exchange.backpack.errors import (
    BackpackError,
    ClockSkew,
    NotFound,
    NotSent,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    WireFormatError,
    advice,
)
from hummingbot.connector.exchange.backpack.orders import (
    FINAL_STATES,
    ORDER_STATES,
    client_id_of,
    is_behind,
    is_same_order,
    order_update,
    reconcile,
    refusal,
    trade_update,
)
from hummingbot.connector.exchange.backpack.supervision import backoff
from hummingbot.connector.exchange.backpack.wire import (
    Balance,
    Market,
    MarketType,
    Order,
    OrderEvent,
    Side,
)
from hummingbot.connector.exchange_py_base import ExchangePyBase
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.api_throttler.data_types import RateLimit
from hummingbot.core.data_type.cancellation_result import CancellationResult
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState, OrderUpdate, TradeUpdate
from hummingbot.core.data_type.trade_fee import TradeFeeBase, TradeFeeSchema
from hummingbot.core.utils.async_utils import safe_ensure_future, safe_gather

# What POST, or its absence from every record, has to have had time for before an order counts as never accepted: the
# venue refuses a request older than its window, and its records may lag.
UNKNOWN_OUTCOME_GRACE_S = CONSTANTS.SIGNATURE_WINDOW_MS / 1000 + 5.0
# An order the venue has acknowledged cannot vanish: that none of its records has it is taken for their lag this long.
ACKNOWLEDGED_GRACE_S = 300.0
ABSENCES_BEFORE_FAILED = 2
# So many orders are compared with the venue's records before something else gets its turn: a few milliseconds.
ORDERS_AT_A_STRETCH = 100
# A late frame often brings what seems missing: wait this long before asking REST.
LATE_FRAME_S = 0.2
# How often a cancel looks whether its order's submission is over.
SUBMISSION_LOOK_S = 0.02
# REST balances may be a little older than the stream's.
BALANCE_LAG_S = 2.0
# How often lent funds are looked up, at the most, while the balances of a lending account move.
LEND_CHECK_S = 2.0
# A market's state that forbids an order is believed for this long.
MARKETS_FRESH_S = 1.0


class BackpackExchange(ExchangePyBase):
    SHORT_POLL_INTERVAL = 5.0
    ORDERS_POLL_INTERVAL = 8.0  # the stream is live and orders are open: a lost frame is made good within 10 s
    UNSETTLED_POLL_INTERVAL = 2.0  # an order's fate is being found out, or the venue has not answered
    CHECK_INTERVAL = 60.0  # of what the streams tell as well: balances, clock
    TRADING_RULES_INTERVAL = 5 * 60.0  # the venue's cache of them is that old (api-doc/NOTES.md, "Markets")

    web_utils = web_utils

    def __init__(
        self,
        backpack_api_key: str = "",
        backpack_api_secret: str = "",
        balance_asset_limit: dict[str, dict[str, Decimal]] | None = None,
        rate_limits_share_pct: Decimal = Decimal("100"),
        trading_pairs: list[str] | None = None,
        trading_required: bool = True,
        domain: str = CONSTANTS.DEFAULT_DOMAIN,
        auto_lend_redeem: bool = True,
        demo_mode: bool = False,
        demo_config: DemoConfigMap | None = None,
        **_: Any,  # Hummingbot passes every field of the configuration by name as well
    ):
        """Without keys, or with ``demo_mode``, it trades on an exchange of its own that follows the real market; if
        ``trading_required`` is false, it starts none and has public data only.

        ``demo_config``: how, if not as ``conf/backpack_demo.yml`` says.
        ``auto_lend_redeem``: let orders use funds that the venue has lent out. Raises InvalidKeys.
        """
        no_keys = not (backpack_api_key + backpack_api_secret).strip()
        is_demo = domain == CONSTANTS.DEFAULT_DOMAIN and (demo_mode or no_keys)
        self._demo = DemoExchange(demo_config, trading_pairs or []) if is_demo else None
        self._demo_failure = ""  # what was told last
        self._is_starting = False
        self._api_key = self._demo.api_key if self._demo else backpack_api_key
        self._api_secret = self._demo.api_secret if self._demo else backpack_api_secret
        self._domain = domain
        self._trading_pairs = trading_pairs or []
        self._trading_required = trading_required
        self._auto_lend_redeem = auto_lend_redeem
        self._markets: dict[str, Market] = {}
        self._markets_read_s = -math.inf
        self._lent: dict[str, Decimal] = {}
        self._unlent: dict[str, Balance] = {}
        self._lending: set[str] = set()  # assets that were ever seen lent
        self._balance_heard_s: dict[str, float] = {}
        self._foreign_client_ids: set[int] = set()  # of open orders on the account that are not this bot's
        self._shared_markets: set[wire.Symbol] = set()  # in which somebody else was seen to have orders
        self._doubts: dict[str, _Doubt] = {}  # by client order id
        self._orders_reconciled = False
        self._interruptions = 0
        self._reconcile_wanted = False
        self._reconcile_task: asyncio.Task[None] | None = None
        self._reconcile_lock = asyncio.Lock()
        self._markets_failure_told = False
        self._update_failure_told = False
        self._lend_failure_told = False
        self._next_balance_check_s = 0.0
        self._balances_asked_s = -math.inf
        self._next_clock_check_s = 0.0
        self._venue_clock = VenueClock()
        self._rate_limits_share_pct = rate_limits_share_pct
        super().__init__(balance_asset_limit, rate_limits_share_pct)
        self._placing = BackpackPlacing(self._web_assistants_factory)
        self._records = BackpackRecords(self._web_assistants_factory, self._time_synchronizer.time)
        self._set_order_book_tracker(
            BackpackOrderBookTracker(
                data_source=self._orderbook_ds, trading_pairs=self._trading_pairs, domain=self._domain
            )
        )
        self.real_time_balance_update = False  # until the venue offers its balance stream

    # -- what this connector is ---------------------------------------------------------------------------------------

    @property
    def name(self) -> str:
        return self._domain

    @property
    def domain(self) -> str:
        return self._domain

    @property
    def authenticator(self) -> BackpackAuth:
        return BackpackAuth(self._api_key, self._api_secret, time_provider=self._venue_clock)

    @property
    def rate_limits_rules(self) -> list[RateLimit]:
        return CONSTANTS.RATE_LIMITS

    @property
    def client_order_id_max_length(self) -> int:
        return CONSTANTS.MAX_CLIENT_ORDER_ID_LENGTH

    @property
    def client_order_id_prefix(self) -> str:
        return ""  # the venue's client ids are numbers

    @property
    def trading_rules_request_path(self) -> str:
        return CONSTANTS.MARKETS.path

    @property
    def trading_pairs_request_path(self) -> str:
        return CONSTANTS.MARKETS.path

    @property
    def check_network_request_path(self) -> str:
        return CONSTANTS.TIME.path

    @property
    def trading_pairs(self) -> list[str]:
        return self._trading_pairs

    @property
    def is_cancel_request_in_exchange_synchronous(self) -> bool:
        return True

    @property
    def is_trading_required(self) -> bool:
        return self._trading_required

    def supported_order_types(self) -> list[OrderType]:
        return [OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET]

    @property
    def status_dict(self) -> dict[str, bool]:
        """Ready: every book is the venue's book, and every order's fate up to the stream's start is known."""
        return super().status_dict | {
            "order_books_initialized": self.order_book_tracker.ready
            and all(self._is_book_current(trading_pair) for trading_pair in self._trading_pairs),
        }

    def _is_book_current(self, trading_pair: str) -> bool:
        return trading_pair in self.order_book_tracker.order_books and self._orderbook_ds.is_live(trading_pair)

    def _is_user_stream_initialized(self) -> bool:
        return not self.is_trading_required or (super()._is_user_stream_initialized() and self._orders_reconciled)

    # -- how it is put together (called by the base class's constructor) ----------------------------------------------

    def _create_web_assistants_factory(self) -> web_utils.BackpackAPIFactory:
        """The base class has just made a clock and a throttler of its own; ours, which cost less, take their places."""
        self._time_synchronizer = self._venue_clock
        self._throttler = web_utils.create_throttler(self._rate_limits_share_pct)
        return web_utils.build_api_factory(self._throttler, self._time_synchronizer, self._domain, self._auth)

    def _create_order_book_data_source(self) -> BackpackAPIOrderBookDataSource:
        return BackpackAPIOrderBookDataSource(
            trading_pairs=self._trading_pairs,
            connector=self,
            api_factory=self._web_assistants_factory,
            domain=self._domain,
        )

    def _create_user_stream_data_source(self) -> BackpackAPIUserStreamDataSource:
        return BackpackAPIUserStreamDataSource(api_factory=self._web_assistants_factory, domain=self._domain)

    def _create_order_tracker(self) -> BackpackOrderTracker:
        return BackpackOrderTracker(connector=self)

    async def start_network(self) -> None:
        self._orders_reconciled = False
        self._next_balance_check_s = self._next_clock_check_s = 0.0
        await self._start_demo()
        self._is_starting = True
        try:
            await super().start_network()  # begins with stop_network, which the demo's exchange has to survive
        finally:
            self._is_starting = False

    async def stop_network(self) -> None:
        if self._reconcile_task is not None:
            self._reconcile_task.cancel()
            self._reconcile_task = None
        await super().stop_network()
        if self._demo is not None and not self._is_starting:
            await self._demo.stop()

    async def _start_demo(self) -> None:
        """Demo begins with the network, not with the object: Hummingbot makes many that never trade."""
        if self._demo is None or not self.is_trading_required:
            return
        try:
            self._web_assistants_factory.venue = await self._demo.start()
            self._demo_failure = ""
        except BadDemoSettings as error:
            if str(error) != self._demo_failure:  # Hummingbot tries again every few seconds
                self._demo_failure = str(error)
                self.logger().error("DEMO: not started. %s", error)
                _show_person(f"DEMO: not started. {error}")
            raise

    def restore_tracking_states(self, saved_states: Mapping[str, Any]) -> None:
        """Orders that were being submitted when the bot stopped may or may not have arrived."""
        super().restore_tracking_states(saved_states)
        for order in self._order_tracker.all_updatable_orders.values():
            if order.exchange_order_id is None:
                self._doubts[order.client_order_id] = _Doubt(time.monotonic())

    async def _request(
        self, endpoint: Endpoint, params: Mapping[str, str] | None = None, body: Mapping[str, Any] | None = None
    ) -> Any:
        return await self._web_assistants_factory.request(endpoint, params=params, body=body)

    # -- clock and connectivity ---------------------------------------------------------------------------------------

    async def _make_network_check_request(self) -> None:
        """Hummingbot asks every 10 s whether the venue can be reached. Any answer since the last time says so; else
        asking for the time does, and serves two purposes."""
        await self._start_demo()
        if self._web_assistants_factory.is_pausing(CONSTANTS.TIME):
            return  # it can be reached, and to connect anew, as Hummingbot would, only adds to the requests
        is_reached = self._web_assistants_factory.has_answered_within(CONSTANTS.REACHED_S)
        if is_reached and time.monotonic() < self._next_clock_check_s:
            return
        with suppress(RateLimited):
            await self._update_time_synchronizer_from_venue()

    async def _update_time_synchronizer(self, pass_on_non_cancelled_error: bool = False) -> None:
        if time.monotonic() < self._next_clock_check_s:
            return
        try:
            await self._update_time_synchronizer_from_venue()
        except BackpackError as error:
            self.logger().debug("clock not compared with the venue's: %s", error)

    async def _update_time_synchronizer_from_venue(self) -> None:
        before_ms = time.perf_counter() * 1e3
        server_ms = await self._web_assistants_factory.server_time_ms()
        after_ms = time.perf_counter() * 1e3
        self._time_synchronizer.add_time_offset_ms_sample(server_ms - (before_ms + after_ms) / 2)
        self._next_clock_check_s = time.monotonic() + self.CHECK_INTERVAL

    def _is_request_exception_related_to_time_synchronizer(self, request_exception: Exception) -> bool:
        return isinstance(request_exception, ClockSkew)

    def _is_order_not_found_during_status_update_error(self, status_update_exception: Exception) -> bool:
        return isinstance(status_update_exception, NotFound)

    def _is_order_not_found_during_cancelation_error(self, cancelation_exception: Exception) -> bool:
        return isinstance(cancelation_exception, NotFound)

    # -- markets, prices, fees ----------------------------------------------------------------------------------------

    async def _make_trading_rules_request(self) -> Any:
        return await self._request(CONSTANTS.MARKETS)

    async def _make_trading_pairs_request(self) -> Any:
        return await self._request(CONSTANTS.MARKETS)

    async def _initialize_trading_pair_symbol_map(self) -> None:
        """As inherited, but that the venue cannot be asked is one line in the log, not a traceback."""
        try:
            self._initialize_trading_pair_symbols_from_exchange_info(await self._make_trading_pairs_request())
            self._markets_failure_told = False
        except BackpackError as error:
            if not self._markets_failure_told:  # paper trade asks every second
                self.logger().warning("The markets cannot be listed: %s", error)
            self._markets_failure_told = True
        except Exception:
            self.logger().exception("The markets could not be read.")

    def _initialize_trading_pair_symbols_from_exchange_info(self, exchange_info: Any) -> None:
        markets = self._readable_markets(exchange_info)
        self._set_trading_pair_symbol_map(
            bidict({market.symbol: wire.trading_pair_of(market.base, market.quote) for market in markets})
        )

    async def _format_trading_rules(self, exchange_info_dict: Any) -> list[TradingRule]:
        markets = self._readable_markets(exchange_info_dict, tell=True)
        self._markets = {wire.trading_pair_of(market.base, market.quote): market for market in markets}
        self._markets_read_s = time.monotonic()
        return [
            TradingRule(
                trading_pair=trading_pair,
                min_order_size=market.min_quantity,
                max_order_size=market.max_quantity or Decimal("1e56"),  # TradingRule's own "no limit"
                min_price_increment=market.tick_size,
                min_base_amount_increment=market.step_size,
            )
            for trading_pair, market in self._markets.items()
        ]

    def _readable_markets(self, rows: Any, tell: bool = False) -> list[Market]:
        """Spot markets that the venue shows under the name of their pair; an odd one must not hide the others."""
        markets, unreadable = wire.parse_readable(rows, wire.parse_market, "markets")
        if tell and unreadable:
            self.logger().error("%d markets cannot be read and are skipped: %s", len(unreadable), unreadable[0])
        return [
            market
            for market in markets
            if market.market_type is MarketType.SPOT
            and market.visible
            and market.symbol == wire.symbol_of(wire.trading_pair_of(market.base, market.quote))
        ]

    async def get_all_pairs_prices(self) -> list[dict[str, str]]:
        """``[{"symbol": "SOL_USDC", "lastPrice": "150.1"}, ..]``, for Hummingbot's rate source."""
        return [{"symbol": t.symbol, "lastPrice": wire.decimal_text(t.last_price)} for t in await self._tickers()]

    async def get_last_traded_prices(self, trading_pairs: list[str]) -> dict[str, float]:
        """Last price by pair, all from one request. A pair without a ticker (a market nobody has traded in for a
        while) keeps its last known price, or gets its mid price, or else NaN: for a pair that is left out Hummingbot
        asks again at once, for ever."""
        last_prices = {ticker.symbol: float(ticker.last_price) for ticker in await self._tickers()}
        prices = {}
        for trading_pair in trading_pairs:
            symbol = await self.exchange_symbol_associated_to_pair(trading_pair=trading_pair)
            prices[trading_pair] = last_prices.get(symbol) or self._own_price(trading_pair)
        return prices

    async def _get_last_traded_price(self, trading_pair: str) -> float:
        """What V2 strategies ask for; 0 tells them that there is no price."""
        price = (await self.get_last_traded_prices([trading_pair]))[trading_pair]
        return 0.0 if math.isnan(price) else price

    async def _tickers(self) -> list[wire.Ticker]:
        return wire.parse_readable(await self._request(CONSTANTS.TICKERS), wire.parse_ticker, "tickers")[0]

    def _own_price(self, trading_pair: str) -> float:
        book = self.order_book_tracker.order_books.get(trading_pair)
        if book is None:
            return math.nan
        if book.last_trade_price > 0:
            return book.last_trade_price
        bid, ask = next(book.bid_entries(), None), next(book.ask_entries(), None)
        return (bid.price + ask.price) / 2 if bid and ask else math.nan

    async def _update_trading_fees(self) -> None:
        """The account's own tier, which every reader of the fee schema then sees."""
        fees = wire.parse_account_fees(await self._request(CONSTANTS.ACCOUNT))
        self._trade_fee_schema = TradeFeeSchema(
            maker_percent_fee_decimal=fees.spot_maker,
            taker_percent_fee_decimal=fees.spot_taker,
            buy_percent_fee_deducted_from_returns=utils.DEFAULT_FEES.buy_percent_fee_deducted_from_returns,
        )

    def _get_fee(
        self,
        base_currency: str,
        quote_currency: str,
        order_type: OrderType,
        order_side: TradeType,
        amount: Decimal,
        price: Decimal = s_decimal_NaN,
        is_maker: bool | None = None,
    ) -> TradeFeeBase:
        maker = order_type is OrderType.LIMIT_MAKER if is_maker is None else is_maker
        schema = self.trade_fee_schema()
        percent = schema.maker_percent_fee_decimal if maker else schema.taker_percent_fee_decimal
        return TradeFeeBase.new_spot_fee(fee_schema=schema, trade_type=order_side, percent=percent)

    # -- placing ------------------------------------------------------------------------------------------------------

    def buy(
        self,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType = OrderType.LIMIT,
        price: Decimal = s_decimal_NaN,
        **kwargs: Any,
    ) -> str:
        return self._start_order(TradeType.BUY, trading_pair, amount, order_type, price, **kwargs)

    def sell(
        self,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType = OrderType.LIMIT,
        price: Decimal = s_decimal_NaN,
        **kwargs: Any,
    ) -> str:
        return self._start_order(TradeType.SELL, trading_pair, amount, order_type, price, **kwargs)

    def _start_order(
        self,
        trade_type: TradeType,
        trading_pair: str,
        amount: Decimal,
        order_type: OrderType,
        price: Decimal,
        **kwargs: Any,
    ) -> str:
        if trading_pair not in self._trading_rules:
            known = "its trading rules are not loaded yet" if not self._trading_rules else "Backpack has no such market"
            raise ValueError(f"{trading_pair}: {known}. The order was not created.")
        order_id = self._new_client_order_id()
        if order_type is OrderType.MARKET and (price is None or price.is_nan()):
            price = self.get_price(trading_pair, trade_type is TradeType.BUY)  # what it will about cost
        safe_ensure_future(
            self._create_order(
                trade_type,
                order_id,
                trading_pair,
                amount=amount,
                order_type=order_type,
                price=price,
                **kwargs,
            )
        )
        return order_id

    async def _create_order(self, trade_type: TradeType, order_id: str, trading_pair: str, **kwargs: Any) -> None:
        """A market without prices leaves the base class with a NaN to compare, and the order tracked for ever."""
        try:
            await super()._create_order(trade_type, order_id, trading_pair, **kwargs)
        except ArithmeticError:
            reason = NotSent(f"{trading_pair}: its order book is empty, there is no price to reckon with")
            self._update_order_after_failure(order_id, trading_pair, reason)

    def _new_client_order_id(self) -> str:
        """A number no order on this account is known to have: other bots draw from the same 2**32."""
        while True:
            number = secrets.randbelow(wire.MAX_CLIENT_ID) + 1
            if number not in self._foreign_client_ids and str(number) not in self._order_tracker.all_fillable_orders:
                return str(number)

    async def _place_order(
        self,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        trade_type: TradeType,
        order_type: OrderType,
        price: Decimal,
        **kwargs: Any,
    ) -> tuple[str, float]:
        placed = await self._submit(order_id, trading_pair, amount, trade_type, order_type, price)
        return placed.order_id, placed.created_s

    async def _place_order_and_process_update(self, order: InFlightOrder, **kwargs: Any) -> str:
        """The answer's own status counts: an order may be filled, or expired, before it is heard of."""
        placed = await self._submit(
            order.client_order_id, order.trading_pair, order.amount, order.trade_type, order.order_type, order.price
        )
        await self._take_note(order, placed, self.current_timestamp)
        return placed.order_id

    async def _submit(
        self,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        trade_type: TradeType,
        order_type: OrderType,
        price: Decimal,
    ) -> Order:
        is_limit = order_type.is_limit_type()
        try:
            body = wire.new_order(
                symbol=wire.Symbol(await self.exchange_symbol_associated_to_pair(trading_pair=trading_pair)),
                side=Side.BID if trade_type is TradeType.BUY else Side.ASK,
                order_type=wire.OrderType.LIMIT if is_limit else wire.OrderType.MARKET,
                quantity=amount,
                price=price if is_limit else None,
                client_id=int(order_id),
                post_only=order_type is OrderType.LIMIT_MAKER,
                redeem_lent=self._needs_lent_funds(trading_pair, trade_type, amount, price),
            )
            reason = await self._refusal(trading_pair, body)
        except (ArithmeticError, LookupError, ValueError) as error:
            reason = f"the order makes no sense to the venue ({type(error).__name__}: {error})"
        if reason:
            raise NotSent(f"{trading_pair}: {reason}. The order was not sent.")
        asked_s = time.monotonic()
        placed = await self._placing.place(body)
        self._expect_balance_frame(asked_s)
        return placed

    async def _refusal(self, trading_pair: str, order: dict[str, Any]) -> str | None:
        """Why the venue's list of markets forbids an order; a list that is not fresh is asked for anew first."""
        market = self._markets.get(trading_pair)
        if market is not None and refusal(market, order) and time.monotonic() > self._markets_read_s + MARKETS_FRESH_S:
            with suppress(BackpackError):
                await self._update_trading_rules()
            market = self._markets.get(trading_pair)
        return None if market is None else refusal(market, order)

    def _needs_lent_funds(self, trading_pair: str, trade_type: TradeType, amount: Decimal, price: Decimal) -> bool:
        base, quote = trading_pair.split("-")
        asset, needed = (quote, amount * price) if trade_type is TradeType.BUY else (base, amount)
        if not self._auto_lend_redeem or asset not in self._lent:
            return False
        return needed.is_nan() or asset not in self._unlent or needed > self._unlent[asset].available

    def _on_order_failure(
        self,
        order_id: str,
        trading_pair: str,
        amount: Decimal,
        trade_type: TradeType,
        order_type: OrderType,
        price: Decimal | None,
        exception: Exception,
        **kwargs: Any,
    ) -> None:
        """Only what positively did not happen is a failure; anything else stays in flight until it is found out."""
        if isinstance(exception, (NotSent, Rejected)):
            # As inherited, but with the reason instead of a guess at it, and without a trace of our own code.
            what = f"{trade_type.name.lower()} {order_type.name} order"
            self.logger().network(
                f"Error submitting {what} to {self.name_cap} for {amount} {trading_pair} {price}.",
                app_warning_msg=f"The {what} {order_id} for {amount} {trading_pair} was not accepted: {exception}",
            )
            self._update_order_after_failure(order_id, trading_pair, exception)
            return
        self.logger().warning(
            "Whether order %s (%s %s %s) was accepted is not known: %s. Finding out.",
            order_id, trade_type.name.lower(), amount, trading_pair, exception or type(exception).__name__,
            exc_info=None if isinstance(exception, BackpackError) else exception,
        )  # fmt: skip
        self._doubts[order_id] = _Doubt(time.monotonic())
        self._reconcile_soon()

    # -- cancelling ---------------------------------------------------------------------------------------------------

    async def _place_cancel(self, order_id: str, tracked_order: InFlightOrder) -> bool:
        return await self._execute_order_cancel(tracked_order) is not None

    async def _execute_order_cancel(self, order: InFlightOrder) -> str | None:
        """Ask the venue to cancel; the id if it is cancelled, or the venue has taken the request (202)."""
        try:
            return order.client_order_id if await self._is_cancel_taken(order) else None
        except Rejected as error:
            self.logger().error(f"Failed to cancel order {order.client_order_id}: {error}")
        except BackpackError as error:
            self.logger().error(f"Failed to cancel order {order.client_order_id}: {error}. Finding out whether it is.")
            self._reconcile_soon()
        return None

    async def _is_cancel_taken(self, order: InFlightOrder) -> bool:
        """Ask the venue to cancel. Raises BackpackError; Rejected means that asking again will not help."""
        client_id = client_id_of(order)
        if client_id is None and order.exchange_order_id is None:
            raise Rejected("", "Backpack cannot know it by that id")
        while order.is_pending_create and self._is_being_submitted(order):
            await self._sleep(SUBMISSION_LOOK_S)  # before it has arrived the venue would know nothing of it
        if order.client_order_id not in self._order_tracker.all_updatable_orders:
            return False  # refused, or over before it could be cancelled
        try:
            symbol = wire.symbol_of(order.trading_pair)  # its market may have left the list of those shown
            body = wire.cancel_order(symbol, order_id=order.exchange_order_id, client_id=client_id or 0)
            asked_s = time.monotonic()
            answer = await self._request(CONSTANTS.CANCEL_ORDER, body=body)
            self._expect_balance_frame(asked_s)
        except NotFound:
            self.logger().warning(f"Failed to cancel order {order.client_order_id}: it is not open. Finding out why.")
            await self._try_to_reconcile([order])
            return order.is_cancelled
        await self._take_note_of_cancel(order, None if answer is None else wire.parse_order(answer))
        return True

    async def _take_note_of_cancel(self, order: InFlightOrder, cancelled: Order | None) -> None:
        """``cancelled`` is None where the venue only said that it will (202, empty)."""
        if cancelled is not None:
            await self._take_note(order, cancelled, self.current_timestamp)
        if order.is_open and order.exchange_order_id is not None:  # a 202 does not say that there is such an order
            pending = OrderUpdate(
                client_order_id=order.client_order_id,
                trading_pair=order.trading_pair,
                update_timestamp=self.current_timestamp,
                new_state=OrderState.PENDING_CANCEL,
            )
            await self._order_tracker._process_order_update(pending)
        if order.is_open:
            self._reconcile_soon()

    async def cancel_all(self, timeout_seconds: float) -> list[CancellationResult]:
        """Cancel this bot's orders, and no others: a market in which only this bot has orders with one request, the
        rest one by one, and again what went astray. Says of each whether the venue has confirmed it."""
        await asyncio.sleep(0)  # an order that was placed in this very moment becomes known
        orders = [order for order in self.in_flight_orders.values() if not order.is_done]
        try:
            async with timeout(timeout_seconds):
                refused = await self._cancel_in_groups(orders)
                for delay_s in backoff(random.random, LATE_FRAME_S):
                    left = [order for order in orders if order.is_open and order.client_order_id not in refused]
                    if not left:
                        break
                    await self._sleep(delay_s)
                    await self._try_to_reconcile(left)
                    refused |= await self._cancel_singly([order for order in left if self._may_be_cancelled(order)])
        except TimeoutError:
            self.logger().error("Cancelling took longer than %.0f s; some orders may still be open.", timeout_seconds)
        return [CancellationResult(order.client_order_id, order.is_cancelled) for order in orders]

    def _may_be_cancelled(self, order: InFlightOrder) -> bool:
        """Whether to ask (again): not what the venue has promised, nor what it does not have."""
        return (
            order.is_open
            and not order.is_pending_cancel_confirmation
            and (order.exchange_order_id is not None or order.client_order_id not in self._doubts)
        )

    async def _cancel_singly(self, orders: list[InFlightOrder]) -> set[str]:
        """The ids of those that the venue refuses to cancel."""
        results = await safe_gather(*(self._is_cancel_taken(order) for order in orders), return_exceptions=True)
        refused = set()
        for order, result in zip(orders, results, strict=True):
            if isinstance(result, Exception):
                self.logger().error(f"Failed to cancel order {order.client_order_id}: {result}")
                if not isinstance(result, OutcomeUnknown | NotSent):
                    refused.add(order.client_order_id)
        return refused

    async def _cancel_in_groups(self, orders: list[InFlightOrder]) -> set[str]:
        """The ids of those that the venue refuses to cancel."""
        if not orders:
            return set()
        try:
            open_orders = await self._open_orders()
        except BackpackError as error:
            self.logger().warning("Open orders cannot be listed (%s): cancelling one by one.", error)
            open_orders = Records(complete=False)
        single: list[InFlightOrder] = []
        requests = []
        for trading_pair in {order.trading_pair for order in orders}:
            symbol = wire.symbol_of(trading_pair)
            ours = [order for order in orders if order.trading_pair == trading_pair]
            there = [seen for seen in open_orders.rows if seen.symbol == symbol]
            listed = [order for order in ours if open_orders.of(order) is not None]
            only_ours = symbol not in self._shared_markets and open_orders.complete and len(there) == len(listed)
            if only_ours and len(listed) > 1:
                requests.append(self._cancel_market(symbol, listed))
                ours = [order for order in ours if open_orders.of(order) is None]
            single += ours
        refused = await safe_gather(*requests, self._cancel_singly(single))
        return set().union(*refused)

    async def _cancel_market(self, symbol: wire.Symbol, orders: list[InFlightOrder]) -> set[str]:
        try:
            asked_s = time.monotonic()
            answer = await self._request(CONSTANTS.CANCEL_ORDERS, body={"symbol": symbol})
            self._expect_balance_frame(asked_s)
            cancelled = Records(wire.parse_rows(answer or [], wire.parse_order, "cancelled orders"))
            for order in orders:
                await self._take_note_of_cancel(order, cancelled.of(order))
            return set()
        except BackpackError as error:
            self.logger().warning("%s: cancelling all at once did not work (%s): cancelling one by one.", symbol, error)
            return await self._cancel_singly(orders)

    # -- what happens to orders ---------------------------------------------------------------------------------------

    async def _take_note(self, order: InFlightOrder, seen: Order | OrderEvent, time_s: float) -> None:
        """Bring ``order`` to what the venue shows of it; fills that it counts and we lack are asked for."""
        self._doubts.pop(order.client_order_id, None)
        update = order_update(seen, order, order.executed_amount_base, time_s)
        if update is not None:
            await self._tell_state(order, update)
        else:
            await self._acknowledge(order, seen.order_id, time_s)
        if order.executed_amount_base < seen.executed_quantity:
            self._reconcile_soon()

    async def _tell_state(self, order: InFlightOrder, update: OrderUpdate) -> None:
        if update.new_state is OrderState.FILLED:
            # All fills that the venue counts are known. Hummingbot would wait for those of the amount once asked for,
            # which never come if the venue has reduced the order.
            order.completely_filled_event.set()
        await self._order_tracker._process_order_update(update)

    async def _acknowledge(self, order: InFlightOrder, exchange_order_id: str, time_s: float) -> None:
        """An order is created before it is filled, in whatever order the news comes."""
        if order.is_pending_create:
            created = OrderUpdate(
                client_order_id=order.client_order_id,
                exchange_order_id=exchange_order_id,
                trading_pair=order.trading_pair,
                update_timestamp=time_s,
                new_state=OrderState.OPEN,
            )
            await self._order_tracker._process_order_update(created)

    async def _tell_fill(self, order: InFlightOrder, trade: TradeUpdate) -> None:
        await self._acknowledge(order, trade.exchange_order_id, trade.fill_timestamp)
        self._order_tracker.process_trade_update(trade)

    def _tracked(self, seen: OrderEvent) -> InFlightOrder | None:
        """Our order that a frame tells of, among all that can still be filled: by the client id, which every order of
        ours has; by the venue's, should the frame leave that out."""
        orders = self._order_tracker.all_fillable_orders
        if seen.client_id is not None:
            order = orders.get(str(seen.client_id))
            return order if order is not None and is_same_order(order, seen) else None
        return next((order for order in orders.values() if order.exchange_order_id == seen.order_id), None)

    # -- the private stream -------------------------------------------------------------------------------------------

    async def _user_stream_event_listener(self) -> None:
        async for message in self._iter_user_event_queue():
            try:
                await self._on_user_message(message)
            except asyncio.CancelledError:
                raise
            except Exception:
                # What the frame would have told is asked of REST; the stream goes on.
                self.logger().error("Unexpected error in user stream listener loop.", exc_info=True)
                self._reconcile_soon()

    async def _on_user_message(self, message: object) -> None:
        if isinstance(message, Resumed):
            self.real_time_balance_update = message.with_balances
            self._orders_reconciled = False
            self._next_balance_check_s = 0.0
            self._reconcile_soon()
        elif isinstance(message, Interrupted):
            self._interruptions += 1
            self._orders_reconciled = False
            self.real_time_balance_update = False
            self._begin_estimate()
        else:
            frame = wire.parse_frame(message)
            if isinstance(frame, wire.StreamRefusal):
                raise WireFormatError(f"unexpected refusal {frame.code} {frame.message}")
            if frame.stream == BALANCES:
                self._on_balance(wire.parse_balance_event(frame.data))
            else:
                await self._on_order_event(wire.parse_order_event(frame.data))

    async def _on_order_event(self, event: OrderEvent) -> None:
        order = self._tracked(event)
        if order is None:
            self._note_foreign(event)
            return
        if event.fill is not None and event.fill.trade_id is not None:
            await self._tell_fill(order, trade_update(event.fill, order))
        elif event.fill is not None:
            self._reconcile_soon()  # a fill of the venue's own making: taken from the history only
        if event.expiry_reason is not None:
            self.logger().info("Order %s expired: %s", order.client_order_id, event.expiry_reason)
        await self._take_note(order, event, event.time_s)

    def _note_foreign(self, event: OrderEvent) -> None:
        """Another bot's order, or one that was placed by hand: nothing of ours may be taken for it."""
        self._shared_markets.add(event.symbol)
        if event.client_id is not None:
            is_over = ORDER_STATES[event.status] in FINAL_STATES
            (self._foreign_client_ids.discard if is_over else self._foreign_client_ids.add)(event.client_id)

    # -- balances -----------------------------------------------------------------------------------------------------

    def _on_balance(self, balance: Balance) -> None:
        self._balance_heard_s[balance.asset] = time.monotonic()
        self._set_balance(balance)
        if balance.asset in self._lending:  # the venue may have lent or redeemed: how much, no stream tells
            self._next_balance_check_s = min(self._next_balance_check_s, self._balances_asked_s + LEND_CHECK_S)

    def _expect_balance_frame(self, asked_s: float) -> None:
        """An order that is placed or cancelled locks or frees funds: if no frame tells of it, ask REST."""

        def check() -> None:
            if max(self._balance_heard_s.values(), default=-math.inf) < asked_s:
                self._next_balance_check_s = 0.0

        asyncio.get_running_loop().call_later(BALANCE_LAG_S, check)

    def _set_balance(self, balance: Balance) -> None:
        """Total and available include what is lent out, if orders may use it."""
        asset = balance.asset
        lent = self._lent.get(asset, Decimal(0))
        self._unlent[asset] = balance
        self._account_balances[asset] = balance.available + balance.locked + balance.staked + lent
        self._account_available_balances[asset] = balance.available + (lent if self._auto_lend_redeem else 0)

    async def _update_balances(self) -> None:
        if self._demo is not None and not self._demo.is_running:
            self._take_demo_balances(self._demo)
            return
        is_first = not self._account_balances
        asked_s = self._balances_asked_s = self._next_balance_check_s = time.monotonic()  # due until it is answered
        try:
            answer = await self._request(CONSTANTS.CAPITAL)
        except BackpackError as error:
            if self.is_trading_required:
                raise
            raise BackpackError(advice(error)) from error  # `connect` shows a person this text
        balances = {balance.asset: balance for balance in wire.parse_balances(answer)}
        await self._update_lent()
        for asset in self._lent.keys() - balances.keys():
            balances[asset] = Balance(asset, available=Decimal(0), locked=Decimal(0), staked=Decimal(0))
        # REST may lag the stream, so what was heard around the time of asking is newer than the answer.
        heard = {asset for asset, at_s in self._balance_heard_s.items() if at_s >= asked_s - BALANCE_LAG_S}
        balances |= {asset: self._unlent[asset] for asset in heard & self._unlent.keys()}
        for balance in balances.values():
            self._set_balance(balance)
        for asset in self._account_balances.keys() - balances.keys():
            for table in (self._account_balances, self._account_available_balances, self._unlent):
                table.pop(asset, None)
        is_sure = not heard and not self._lend_failure_told
        if self._next_balance_check_s == asked_s:  # else a check was asked for meanwhile, which this answer may predate
            self._next_balance_check_s = time.monotonic() + (self.CHECK_INTERVAL if is_sure else BALANCE_LAG_S)
        if is_first and not self.is_trading_required:
            _show_person(f"The account on {self.name} has {self._holdings()}.")

    def _take_demo_balances(self, demo: DemoExchange) -> None:
        balances = demo.balances()
        self._account_balances.clear()
        self._account_available_balances.clear()
        for balance in balances:
            self._set_balance(balance)
        told = f"DEMO, no real money: without an API key {self.name} trades on paper and has {self._holdings()}."
        self.logger().warning(told)
        _show_person(told)

    def _holdings(self) -> str:
        held = [f"{amount.normalize():f} {asset}" for asset, amount in self._account_balances.items() if amount]
        return ", ".join(held) or "nothing"

    async def _update_lent(self) -> None:
        try:
            self._lent = wire.parse_lent(await self._request(CONSTANTS.LEND_POSITIONS))
            self._lending |= self._lent.keys()
            self._lend_failure_told = False
        except BackpackError as error:
            if not self._lend_failure_told:
                self.logger().warning("Lent balances cannot be refreshed, the last known ones stay: %s", error)
            self._lend_failure_told = True

    async def _update_all_balances(self) -> None:
        await self._update_balances()
        if not self.real_time_balance_update:
            self._begin_estimate()

    def _begin_estimate(self) -> None:
        """Without the stream Hummingbot estimates what is available from the orders that changed since this moment."""
        self._in_flight_orders_snapshot = {key: copy(order) for key, order in self.in_flight_orders.items()}
        self._in_flight_orders_snapshot_timestamp = self.current_timestamp

    # -- reconciliation -----------------------------------------------------------------------------------------------

    def _get_poll_interval(self, timestamp: float) -> float:
        if not self._is_user_stream_initialized():
            return self.SHORT_POLL_INTERVAL
        is_check_due = self._update_failure_told or time.monotonic() >= self._next_balance_check_s
        if is_check_due or self._doubts.keys() - self._order_tracker.lost_orders.keys():
            return self.UNSETTLED_POLL_INTERVAL
        if self._order_tracker.active_orders or self._lend_failure_told:
            return self.ORDERS_POLL_INTERVAL
        return self.CHECK_INTERVAL

    async def _status_polling_loop_fetch_updates(self) -> None:
        """One warning for each episode of not being able to ask."""
        failure = await _failure_of(self._update_order_status())
        if not self.real_time_balance_update or time.monotonic() >= self._next_balance_check_s:
            failure = await _failure_of(self._update_all_balances()) or failure
        if failure is not None and not self._update_failure_told:
            self.logger().warning("Backpack cannot be asked about orders and balances, trying on: %s", failure)
        self._update_failure_told = failure is not None

    def _reconcile_soon(self) -> None:
        self._reconcile_wanted = True
        if self._reconcile_task is None or self._reconcile_task.done():
            self._reconcile_task = safe_ensure_future(self._reconcile_while_wanted())

    async def _reconcile_while_wanted(self) -> None:
        while self._reconcile_wanted:
            await self._sleep(LATE_FRAME_S)
            self._reconcile_wanted = False
            await self._status_polling_loop_fetch_updates()

    async def _update_order_status(self) -> None:
        """Counts as reconciled if the stream has told of everything since the venue's records were asked for."""
        is_live, interruptions = super()._is_user_stream_initialized(), self._interruptions
        await self._reconcile(list(self._order_tracker.active_orders.values()))
        if is_live and interruptions == self._interruptions:
            self._orders_reconciled = True

    async def _update_lost_orders_status(self) -> None:
        await self._try_to_reconcile(list(self._order_tracker.lost_orders.values()))

    async def _try_to_reconcile(self, orders: list[InFlightOrder]) -> None:
        try:
            await self._reconcile(orders)
        except BackpackError as error:
            self.logger().debug("orders not reconciled, the next poll will: %s", error)

    async def _reconcile(self, orders: list[InFlightOrder]) -> None:
        """Ask the venue's records about ``orders``: one list of what is open, then history and fills of those that it
        does not explain. Raises BackpackError if a record cannot be had; nothing is concluded from that."""
        async with self._reconcile_lock:
            tracked = self._order_tracker.all_updatable_orders
            self._doubts = {key: doubt for key, doubt in self._doubts.items() if key in tracked}
            orders = [order for order in orders if not self._is_being_submitted(order)]
            if not orders:
                return
            open_orders = await self._open_orders()
            history = await self._records.history_of([order for order in orders if open_orders.of(order) is None])
            shown = [(order, open_orders.of(order), history.of(order)) for order in orders]
            fills = await self._records.fills_of([order for order, *told in shown if _lacks_fills(order, *told)])
            for number, (order, open_order, record) in enumerate(shown, start=1):
                if number % ORDERS_AT_A_STRETCH == 0:
                    await asyncio.sleep(0)  # market data and cancels do not wait for all of them
                seen = open_order or record
                if order.is_failure and seen:
                    order.update_exchange_order_id(seen.order_id)  # a lost one has shown itself
                of_order = fills.about(order, seen.order_id if seen else None)
                verdict = reconcile(order, open_order, record, of_order, self._now_s())
                for trade in verdict.trade_updates:
                    await self._tell_fill(order, trade)
                if verdict.order_update is not None:
                    await self._tell_state(order, verdict.order_update)
                if verdict.trade_updates or verdict.order_update is not None:
                    # Frames were missed, those of balances maybe too: what was heard so far counts no more.
                    self._next_balance_check_s = 0.0
                    self._balance_heard_s.clear()
                if verdict.found and verdict.complete:
                    self._doubts.pop(order.client_order_id, None)
                elif verdict.found:
                    self._doubts.setdefault(order.client_order_id, _Doubt(time.monotonic()))
                elif open_orders.complete and history.complete and fills.complete:
                    await self._on_absence(order)

    def _is_being_submitted(self, order: InFlightOrder) -> bool:
        return order.exchange_order_id is None and order.client_order_id not in self._doubts

    async def _on_absence(self, order: InFlightOrder) -> None:
        """None of the venue's records has the order: it was never accepted, or they lag. Time tells."""
        doubt = self._doubts.setdefault(order.client_order_id, _Doubt(time.monotonic()))
        doubt.absences += 1
        is_fresh = order.exchange_order_id is None and not order.is_failure
        grace_s = UNKNOWN_OUTCOME_GRACE_S if is_fresh else ACKNOWLEDGED_GRACE_S
        if doubt.absences < ABSENCES_BEFORE_FAILED or time.monotonic() - doubt.since_s < grace_s:
            return
        del self._doubts[order.client_order_id]
        reason = NotFound("", "Backpack has no record of this order: it was not accepted")
        failed = OrderUpdate(
            client_order_id=order.client_order_id,
            trading_pair=order.trading_pair,
            update_timestamp=self._now_s(),
            new_state=OrderState.FAILED,
            misc_updates={"error_message": str(reason), "error_type": type(reason).__name__},
        )
        was_lost = order.is_failure
        await self._order_tracker._process_order_update(failed)
        if not was_lost:
            self._watch_as_lost(order)

    def _watch_as_lost(self, order: InFlightOrder) -> None:
        """Should it show itself after all, because the records lagged, its fills are told and it is cancelled."""
        self._order_tracker._cached_orders.pop(order.client_order_id, None)
        self._order_tracker._lost_orders[order.client_order_id] = order
        self._doubts[order.client_order_id] = _Doubt(time.monotonic())

    async def _cancel_lost_orders(self) -> None:
        for order in self._order_tracker.lost_orders.values():
            if order.exchange_order_id is not None:
                await self._execute_order_cancel(order)

    async def _open_orders(self) -> Records[Order]:
        open_orders = await self._records.open_orders()
        ours = self._order_tracker.all_updatable_orders
        self._foreign_client_ids = {
            row.client_id for row in open_orders.rows if row.client_id is not None and str(row.client_id) not in ours
        }
        return open_orders

    async def _all_trade_updates_for_order(self, order: InFlightOrder) -> list[TradeUpdate]:
        fills = await self._records.fills_of([order])
        return reconcile(order, None, None, fills.about(order), self._now_s()).trade_updates

    async def _request_order_status(self, tracked_order: InFlightOrder) -> OrderUpdate:
        """The state the venue shows; the order's own if that is no news. Raises NotFound."""
        open_orders = await self._open_orders()
        history = await self._records.history_of([tracked_order])
        seen = open_orders.of(tracked_order) or history.of(tracked_order)
        if seen is None:
            raise NotFound("", f"Backpack has no record of order {tracked_order.client_order_id}")
        return OrderUpdate(
            client_order_id=tracked_order.client_order_id,
            exchange_order_id=seen.order_id,
            trading_pair=tracked_order.trading_pair,
            update_timestamp=self._now_s(),
            new_state=ORDER_STATES[seen.status],
        )

    def _now_s(self) -> float:
        return time.time() if math.isnan(self.current_timestamp) else self.current_timestamp


@dataclass
class _Doubt:
    """An order whose fate is being found out: since when, and how often the venue's records did not have it."""

    since_s: float
    absences: int = 0


async def _failure_of(update: Awaitable[None]) -> BackpackError | None:
    try:
        await update
    except BackpackError as error:
        return error
    return None


def _lacks_fills(order: InFlightOrder, open_order: Order | None, history: Order | None) -> bool:
    shown = open_order or history
    return shown is None or is_behind(open_order, history) or shown.executed_quantity > order.executed_amount_base


def _show_person(text: str) -> None:
    """Among the answers of the full-screen client, where that runs: a person looks there and not at the log."""
    module = sys.modules.get("hummingbot.client.hummingbot_application")
    application = module and module.HummingbotApplication._main_app
    if application and not application.headless_mode:
        application.notify(f"\n{text}")
