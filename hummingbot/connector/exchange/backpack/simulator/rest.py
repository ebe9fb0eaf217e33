"""The REST calls: read the parameters, check who asks, ask the engine, put the answer into the venue's words."""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from enum import StrEnum
from typing import Any, TypeVar

from . import rest_bodies as bodies
from .access import Keyring, SimAccount, canonical, credentials_of
from .answers import (
    Answer,
    Refused,
    client_error,
    error_answer,
    json_answer,
    not_imitated,
    rejection,
    stripped,
    text_answer,
    unparsable_body,
    unparsable_parameter,
)
from .matching import Exchange
from .model import (
    ZERO,
    Fill,
    Order,
    OrderAccepted,
    OrderBookState,
    OrderCancelled,
    OrderRequest,
    OrderType,
    Rejected,
    SelfTradePrevention,
    Side,
    TimeInForce,
)
from .statistics import Interval
from .time_control import ControllableClock

DEPTH_LIMITS = ("5", "10", "20", "50", "100", "500", "1000")
MARKET_TYPES = ("SPOT", "PERP", "IPERP", "DATED", "PREDICTION", "RFQ")
TICKER_WINDOWS_S = {"1d": 86_400, "1w": 7 * 86_400}
FILL_TYPES = {
    "User": frozenset({None}),
    "CollateralConversion": frozenset({"CollateralConversion"}),
    "BookLiquidation": frozenset({"LiquidatePositionOnBook"}),
    "Adl": frozenset({"LiquidatePositionOnAdl"}),
    "Backstop": frozenset({"LiquidatePositionOnBackstop"}),
    "Liquidation": frozenset({"LiquidatePositionOnBook"}),
    "AllLiquidation": frozenset({"LiquidatePositionOnBook", "LiquidatePositionOnAdl", "LiquidatePositionOnBackstop"}),
    "CollateralConversionAndSpotLiquidation": frozenset({"CollateralConversion"}),
}
"""Which system order types each fillType filter lets through; None is an ordinary fill."""

PAGE_DEFAULT, PAGE_MAX = 100, 1_000
QUOTE_OF_LAST_RESORT = "USDC"
TRIGGER_KEYS = (
    "triggerPrice", "triggerQuantity", "triggerBy",
    "takeProfitTriggerPrice", "takeProfitLimitPrice", "takeProfitTriggerBy",
    "stopLossTriggerPrice", "stopLossLimitPrice", "stopLossTriggerBy",
)  # fmt: skip
NOT_IMITATED_IF_TRUE = ("reduceOnly", "autoBorrow", "autoBorrowRepay", "autoLend")
NOT_IMITATED_IF_GIVEN = ("slippageTolerance", "slippageToleranceType")

ABSENT = frozenset({
    ("PATCH", "/api/v1/account"),
    ("POST", "/api/v1/account/convertDust"),
    ("GET", "/api/v1/account/limits/borrow"),
    ("GET", "/api/v1/account/limits/withdrawal"),
    ("GET", "/api/v1/collateral"),
    ("POST", "/api/v1/borrowLend"),
    ("GET", "/api/v1/borrowLend/apy"),
    ("GET", "/api/v1/borrowLend/markets"),
    ("GET", "/api/v1/borrowLend/markets/history"),
    ("GET", "/api/v1/borrowLend/position/liquidationPrice"),
    ("GET", "/api/v1/fundingRates"),
    ("GET", "/api/v1/markPrices"),
    ("GET", "/api/v1/market-sessions"),
    ("GET", "/api/v1/openInterest"),
    ("GET", "/api/v1/position"),
    ("GET", "/api/v1/prediction"),
    ("GET", "/api/v1/prediction/tags"),
    ("POST", "/api/v1/rfq"),
    ("POST", "/api/v1/rfq/accept"),
    ("POST", "/api/v1/rfq/cancel"),
    ("POST", "/api/v1/rfq/quote"),
    ("POST", "/api/v1/rfq/refresh"),
    ("GET", "/api/v1/rfqs"),
    ("DELETE", "/api/v1/strategies"),
    ("GET", "/api/v1/strategies"),
    ("DELETE", "/api/v1/strategy"),
    ("GET", "/api/v1/strategy"),
    ("POST", "/api/v1/strategy"),
    ("POST", "/api/v1/vault/mint"),
    ("DELETE", "/api/v1/vault/redeem"),
    ("POST", "/api/v1/vault/redeem"),
    ("GET", "/api/v1/vault/nav"),
    ("GET", "/api/v1/vault/redeems/pending"),
    ("GET", "/api/v1/vaults"),
    ("GET", "/api/v1/vaults/history"),
    ("GET", "/api/v1/wallets"),
    ("GET", "/wapi/v1/capital/deposit/address"),
    ("GET", "/wapi/v1/capital/deposits"),
    ("GET", "/wapi/v1/capital/withdrawals"),
    ("POST", "/wapi/v1/capital/withdrawals"),
    ("GET", "/wapi/v1/capital/withdrawals/delay"),
    ("PATCH", "/wapi/v1/capital/withdrawals/delay"),
    ("POST", "/wapi/v1/capital/withdrawals/delay"),
    ("GET", "/wapi/v1/history/borrowLend"),
    ("GET", "/wapi/v1/history/borrowLend/positions"),
    ("GET", "/wapi/v1/history/dust"),
    ("GET", "/wapi/v1/history/funding"),
    ("GET", "/wapi/v1/history/interest"),
    ("GET", "/wapi/v1/history/position"),
    ("GET", "/wapi/v1/history/quote"),
    ("GET", "/wapi/v1/history/quote/fill"),
    ("GET", "/wapi/v1/history/rfq"),
    ("GET", "/wapi/v1/history/rfq/fill"),
    ("GET", "/wapi/v1/history/settlement"),
    ("GET", "/wapi/v1/history/strategies"),
})  # fmt: skip
"""Calls that Backpack has and this exchange does not."""

_DECIMAL = re.compile(r"[0-9]{1,18}(\.[0-9]{1,18})?")
_Word = TypeVar("_Word", bound=StrEnum)
_Row = TypeVar("_Row")


class NumberText(str):
    """A JSON number with a fraction, as it was written: it is signed so, and it is not a decimal string."""


@dataclass(frozen=True, slots=True)
class Request:
    """A call as it came in. ``body`` is parsed JSON, None where the call has none."""

    method: str
    path: str
    query: Mapping[str, Sequence[str]]
    headers: Mapping[str, str]
    raw_body: bytes = b""

    @property
    def symbol(self) -> str | None:
        """The market that the call names, wherever it does; of a batch, that of the first order."""
        if "symbol" in self.query:
            return self.query["symbol"][-1]
        try:
            body = json.loads(self.raw_body)
        except (ValueError, RecursionError):
            return None
        first = body[0] if isinstance(body, list) and body else body
        symbol = first.get("symbol") if isinstance(first, dict) else None
        return symbol if isinstance(symbol, str) else None


class Query:
    """Query parameters with the venue's complaints about them."""

    def __init__(self, values: Mapping[str, Sequence[str]]) -> None:
        self._values = values

    def optional(self, name: str) -> str | None:
        values = self._values.get(name)
        return values[-1] if values else None

    def required(self, name: str) -> str:
        value = self.optional(name)
        if value is None:
            raise unparsable_parameter(name, 'Type "string" expects an input value.')
        return value

    def one_of(self, name: str, words: Iterable[str], kind: str) -> str | None:
        value = self.optional(name)
        if value is not None and value not in words:
            raise unparsable_parameter(name, f'failed to parse "{kind}": Expect a valid enumeration value.')
        return value

    def all_of(self, name: str, words: Iterable[str], kind: str) -> list[str]:
        values = list(self._values.get(name, ()))
        for value in values:
            if value not in words:
                raise unparsable_parameter(name, f'failed to parse "{kind}": Expect a valid enumeration value.')
        return values

    def integer(self, name: str, default: int | None = None) -> int | None:
        value = self.optional(name)
        if value is None:
            return default
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise unparsable_parameter(name, 'failed to parse "integer": invalid digit found in string')
        return int(value)

    def page(self) -> tuple[int, int]:
        """limit and offset."""
        limit = self.integer("limit", PAGE_DEFAULT)
        offset = self.integer("offset", 0)
        assert limit is not None and offset is not None
        if limit > PAGE_MAX:
            raise unparsable_parameter("limit", f"verification failed. maximum({PAGE_MAX}, exclusive: false)")
        if limit < 1:
            raise unparsable_parameter("limit", "verification failed. minimum(1, exclusive: false)")
        if offset < 0:
            raise unparsable_parameter("offset", 'failed to parse "integer": invalid digit found in string')
        return limit, offset

    def flag(self, name: str) -> bool | None:
        value = self.one_of(name, ("true", "false"), "boolean")
        return None if value is None else value == "true"

    def decimal(self, name: str) -> Decimal | None:
        value = self.optional(name)
        if value is not None and not _DECIMAL.fullmatch(value):
            raise unparsable_parameter(name, 'failed to parse "decimal": Invalid decimal')
        return None if value is None else Decimal(value)


class Body:
    """A JSON object with the venue's complaints about its fields."""

    def __init__(self, kind: str, values: Mapping[str, Any]) -> None:
        self._kind = kind
        self._values = values

    def _bad(self, what: str, reason: str) -> Refused:
        return unparsable_body(f'failed to parse "{what}": {reason} (occurred while parsing "{self._kind}")')

    def given(self, name: str) -> bool:
        return self._values.get(name) is not None

    def text(self, name: str, what: str = "string") -> str | None:
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or isinstance(value, NumberText):
            raise self._bad(what, f'Expected input type "string", found {json.dumps(value)}.')
        return value

    def word(self, name: str, words: type[_Word]) -> _Word | None:
        value = self.text(name, words.__name__)
        if value is None:
            return None
        try:
            return words(value)
        except ValueError:
            raise self._bad(words.__name__, "Expect a valid enumeration value.") from None

    def required_word(self, name: str, words: type[_Word]) -> _Word:
        value = self.word(name, words)
        if value is None:
            raise self._missing(name)
        return value

    def required_text(self, name: str, what: str = "string") -> str:
        value = self.text(name, what)
        if value is None:
            raise self._missing(name)
        return value

    def _missing(self, name: str) -> Refused:
        return unparsable_body(f'field "{name}" is required (occurred while parsing "{self._kind}")')

    def flag(self, name: str) -> bool:
        value = self._values.get(name)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self._bad("boolean", f'Expected input type "boolean", found {json.dumps(value)}.')
        return value

    def decimal(self, name: str) -> Decimal | None:
        value = self.text(name, "decimal")
        if value is None:
            return None
        if not _DECIMAL.fullmatch(value):
            raise self._bad("decimal", "Invalid decimal")
        return Decimal(value)

    def uint32(self, name: str) -> int | None:
        value = self._values.get(name)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 0xFFFF_FFFF:
            raise self._bad("integer(uint32)", f'Expected input type "integer", found {json.dumps(value)}.')
        return value

    def symbol(self, markets: Mapping[str, Any]) -> str:
        value = self.required_text("symbol", "MarketSymbol")
        if value not in markets:
            raise self._bad("MarketSymbol", "Invalid market symbol")
        return value

    def order_id(self) -> int | None:
        """A number or a text with one; anything else is an id that nobody has."""
        value = self._values.get("orderId")
        if value is None:
            return None
        text = str(value)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1


class Instruction(StrEnum):
    """What a request is signed as."""

    ACCOUNT = "accountQuery"
    BALANCE = "balanceQuery"
    COLLATERAL = "collateralQuery"
    LOANS = "borrowLendPositionQuery"
    MAX_ORDER = "maxOrderQuantity"
    EXECUTE = "orderExecute"
    ORDER = "orderQuery"
    ORDERS = "orderQueryAll"
    CANCEL = "orderCancel"
    CANCEL_ALL = "orderCancelAll"
    ORDER_HISTORY = "orderHistoryQueryAll"
    FILL_HISTORY = "fillHistoryQueryAll"


PublicCall = Callable[[Query], Answer]
PrivateQuery = Callable[[SimAccount, Query], Answer]
PrivateCommand = Callable[[SimAccount, Any], Awaitable[Answer]]


@dataclass(frozen=True, slots=True)
class Trading:
    """A call with a signed JSON body."""

    instruction: Instruction
    kind: str
    run: PrivateCommand
    batch: bool = False


@dataclass(frozen=True, slots=True)
class Reading:
    """A call with a signed query string."""

    instruction: Instruction
    run: PrivateQuery
    optional_headers: bool = False


class Rest:
    """Backpack's REST interface over one engine."""

    def __init__(self, exchange: Exchange, clock: ControllableClock, keyring: Keyring, taker_delay_s: float) -> None:
        self._exchange = exchange
        self._clock = clock
        self._keyring = keyring
        self._taker_delay_s = taker_delay_s
        self.history_filters: list[Callable[[Order | Fill], bool]] = []
        self._calls: dict[tuple[str, str], PublicCall | Reading | Trading] = {
            ("GET", "/api/v1/status"): self._status,
            ("GET", "/api/v1/ping"): self._ping,
            ("GET", "/api/v1/time"): self._time,
            ("GET", "/api/v1/assets"): self._assets,
            ("GET", "/api/v1/markets"): self._markets,
            ("GET", "/api/v1/market"): self._market,
            ("GET", "/api/v1/ticker"): self._ticker,
            ("GET", "/api/v1/tickers"): self._tickers,
            ("GET", "/api/v1/depth"): self._depth,
            ("GET", "/api/v1/trades"): self._trades,
            ("GET", "/api/v1/trades/history"): self._older_trades,
            ("GET", "/api/v1/klines"): self._klines,
            ("GET", "/api/v1/securities"): self._securities,
            ("GET", "/api/v1/account"): Reading(Instruction.ACCOUNT, self._account),
            ("GET", "/api/v1/account/limits/order"): Reading(Instruction.MAX_ORDER, self._max_order),
            ("GET", "/api/v1/capital"): Reading(Instruction.BALANCE, self._capital),
            ("GET", "/api/v1/capital/collateral"): Reading(Instruction.COLLATERAL, self._collateral),
            ("GET", "/api/v1/borrowLend/positions"): Reading(Instruction.LOANS, self._loans),
            ("GET", "/api/v1/order"): Reading(Instruction.ORDER, self._order),
            ("GET", "/api/v1/orders"): Reading(Instruction.ORDERS, self._orders),
            ("POST", "/api/v1/order"): Trading(Instruction.EXECUTE, "OrderExecutePayload", self._submit),
            ("POST", "/api/v1/orders"): Trading(
                Instruction.EXECUTE, "OrderExecutePayload", self._submit_batch, batch=True
            ),
            ("DELETE", "/api/v1/order"): Trading(Instruction.CANCEL, "OrderCancelPayload", self._cancel),
            ("DELETE", "/api/v1/orders"): Trading(Instruction.CANCEL_ALL, "OrderCancelAllPayload", self._cancel_all),
            ("GET", "/wapi/v1/history/orders"): Reading(
                Instruction.ORDER_HISTORY, self._order_history, optional_headers=True
            ),
            ("GET", "/wapi/v1/history/fills"): Reading(
                Instruction.FILL_HISTORY, self._fill_history, optional_headers=True
            ),
        }

    async def answer(self, request: Request) -> Answer:
        """Carry out one call. Never raises for what a client can send."""
        call = self._calls.get((request.method, request.path))
        try:
            if call is None:
                return self._unknown(request)
            if isinstance(call, Reading):
                credentials = credentials_of(request.headers, optional=call.optional_headers)
                flat = {name: values[-1] for name, values in request.query.items()}
                account = self._keyring.verify(credentials, canonical(call.instruction, flat), self._clock.judged_ms())
                return call.run(account, Query(request.query))
            if isinstance(call, Trading):
                body = _parsed_body(request.raw_body, call)
                account = self._keyring.verify(
                    credentials_of(request.headers, optional=False),
                    canonical(call.instruction, body),
                    self._clock.judged_ms(),
                )
                return await call.run(
                    account, [Body(call.kind, one) for one in body] if call.batch else Body(call.kind, body)
                )
            return call(Query(request.query))
        except Refused as refused:
            return refused.answer
        except Rejected as rejected:
            return rejection(rejected)

    def _unknown(self, request: Request) -> Answer:
        if (request.method, request.path) in ABSENT:
            return not_imitated(f"{request.method} {request.path}").answer
        if any(path == request.path for _, path in self._calls):
            return text_answer("method not allowed", 405)
        return text_answer("not found", 404)

    # Public

    def _status(self, query: Query) -> Answer:
        return json_answer({"message": None, "status": "Ok"})

    def _ping(self, query: Query) -> Answer:
        return text_answer("pong")

    def _time(self, query: Query) -> Answer:
        return json_answer(self._clock.judged_ms())

    def _assets(self, query: Query) -> Answer:
        symbols = {asset for market in self._exchange.markets.values() for asset in (market.base, market.quote)}
        return json_answer([bodies.asset(symbol) for symbol in sorted(symbols)])

    def _securities(self, query: Query) -> Answer:
        return json_answer([])

    def _markets(self, query: Query) -> Answer:
        kinds = query.all_of("marketType", MARKET_TYPES, "MarketType")
        if kinds and "SPOT" not in kinds:
            return json_answer([])
        return json_answer([bodies.market(market) for market in self._exchange.markets.values()])

    def _market(self, query: Query) -> Answer:
        return json_answer(bodies.market(self._exchange.market(self._known_symbol(query))))

    def _ticker(self, query: Query) -> Answer:
        window_s = TICKER_WINDOWS_S[query.one_of("interval", TICKER_WINDOWS_S, "TickerInterval") or "1d"]
        ticker = self._exchange.ticker(self._known_symbol(query), window_s)
        return Answer(204) if ticker is None else json_answer(bodies.ticker(ticker))

    def _tickers(self, query: Query) -> Answer:
        window_s = TICKER_WINDOWS_S[query.one_of("interval", TICKER_WINDOWS_S, "TickerInterval") or "1d"]
        tickers = (self._exchange.ticker(symbol, window_s) for symbol in self._exchange.markets)
        return json_answer([bodies.ticker(ticker) for ticker in tickers if ticker is not None])

    def _depth(self, query: Query) -> Answer:
        limit = query.one_of("limit", DEPTH_LIMITS, "DepthLimit")
        symbol = self._known_symbol(query)
        if self._exchange.market(symbol).order_book_state is OrderBookState.CLOSED:
            return error_answer(404, "RESOURCE_NOT_FOUND", "Not Found")
        snapshot = self._exchange.depth(symbol, None if limit is None else int(limit))
        return json_answer(bodies.depth(snapshot, self._clock.now_us()))

    def _trades(self, query: Query) -> Answer:
        limit, _ = query.page()
        trades = self._exchange.trades(self._known_symbol(query), limit)
        return json_answer([bodies.trade(trade) for trade in trades])

    def _older_trades(self, query: Query) -> Answer:
        limit, offset = query.page()
        trades = self._exchange.trades(self._known_symbol(query), limit, offset)
        return json_answer([bodies.trade(trade) for trade in trades])

    def _klines(self, query: Query) -> Answer:
        query.required("interval")
        interval = query.one_of("interval", [one.value for one in Interval], "KlineInterval")
        query.required("startTime")
        start_s, end_s = query.integer("startTime"), query.integer("endTime")
        price_type = query.one_of("priceType", ("Last", "Index", "Mark"), "KlinePriceType")
        if price_type not in (None, "Last"):
            raise not_imitated(f"klines of the {price_type} price")
        symbol = self._known_symbol(query)
        assert interval is not None and start_s is not None
        now_s = self._clock.now_us() // 1_000_000
        end_s = now_s if end_s is None else min(end_s, now_s)
        if start_s < 0 or end_s < start_s:
            return json_answer([])
        candles = self._exchange.candles(symbol, Interval(interval), start_s, end_s)
        return json_answer([bodies.kline(candle) for candle in candles])

    def _known_symbol(self, query: Query) -> str:
        symbol = query.required("symbol")
        if symbol not in self._exchange.markets:
            raise client_error("Invalid market symbol")
        return symbol

    def _known_symbol_if_given(self, query: Query) -> str | None:
        return None if query.optional("symbol") is None else self._known_symbol(query)

    # Account

    def _account(self, account: SimAccount, query: Query) -> Answer:
        trader = self._exchange.account(account.name)
        return json_answer(bodies.account(trader.maker_fee_bps, trader.taker_fee_bps, len(trader.open_orders)))

    def _capital(self, account: SimAccount, query: Query) -> Answer:
        return json_answer(bodies.capital(self._exchange.ledger.balances(account.name)))

    def _collateral(self, account: SimAccount, query: Query) -> Answer:
        balances = self._exchange.ledger.balances(account.name)
        return json_answer(bodies.collateral(balances, {asset: self._mark_price(asset) for asset in balances}))

    def _loans(self, account: SimAccount, query: Query) -> Answer:
        balances = self._exchange.ledger.balances(account.name)
        return json_answer([
            bodies.loan(number, asset, balance.lent, self._mark_price(asset))
            for number, (asset, balance) in enumerate(balances.items(), 1)
            if balance.lent
        ])  # fmt: skip

    def _mark_price(self, asset: str) -> Decimal:
        """The last price of the day in dollars, else the middle of the book, else zero."""
        if asset == QUOTE_OF_LAST_RESORT:
            return Decimal(1)
        symbol = f"{asset}_{QUOTE_OF_LAST_RESORT}"
        if symbol not in self._exchange.markets:
            return ZERO
        ticker = self._exchange.ticker(symbol)
        if ticker is not None:
            return ticker.last_price
        book = self._exchange.book_ticker(symbol)
        return ZERO if book.bid is None or book.ask is None else (book.bid[0] + book.ask[0]) / 2

    def _max_order(self, account: SimAccount, query: Query) -> Answer:
        query.required("side")
        side = query.one_of("side", [one.value for one in Side], "Side")
        symbol = self._known_symbol(query)
        price = query.decimal("price")
        redeem = query.flag("autoLendRedeem")
        market = self._exchange.market(symbol)
        balance = self._exchange.ledger.balance(account.name, market.base if side == Side.ASK else market.quote)
        quantity = balance.available + (balance.lent if redeem else ZERO)
        if side == Side.BID:
            best_ask = self._exchange.book_ticker(symbol).ask
            at = price or (best_ask[0] if best_ask is not None else ZERO)
            quantity = quantity / at if at else ZERO
        steps = (quantity / market.step_size).to_integral_value(ROUND_DOWN)
        return json_answer({
            "autoBorrow": query.flag("autoBorrow"),
            "autoBorrowRepay": query.flag("autoBorrowRepay"),
            "autoLendRedeem": redeem,
            "maxOrderQuantity": stripped(steps * market.step_size),
            "price": bodies.optional(price),
            "reduceOnly": query.flag("reduceOnly"),
            "side": side,
            "symbol": symbol,
        })  # fmt: skip

    # Orders

    def _order(self, account: SimAccount, query: Query) -> Answer:
        symbol = self._known_symbol(query)
        order_id, client_id = query.optional("orderId"), query.integer("clientId")
        if order_id is None and client_id is None:
            raise client_error("Must specify either `orderId` or `clientId`")
        if order_id is not None:
            order = self._exchange.open_order(account.name, symbol, order_id=_order_number(order_id))
        else:
            order = self._exchange.open_order(account.name, symbol, client_id=client_id)
        if order is None:
            return error_answer(404, "RESOURCE_NOT_FOUND", "Not Found")
        return json_answer(bodies.order(order))

    def _orders(self, account: SimAccount, query: Query) -> Answer:
        symbol = self._known_symbol_if_given(query)
        if query.one_of("marketType", MARKET_TYPES, "MarketType") not in (None, "SPOT"):
            return json_answer([])
        return json_answer([bodies.order(order) for order in self._exchange.open_orders(account.name, symbol)])

    async def _submit(self, account: SimAccount, body: Body) -> Answer:
        request = self.order_request(account.name, body)
        self._exchange.validate(request)
        await self._taker_delay(request)
        return json_answer(bodies.order(self.execute(request)))

    async def _submit_batch(self, account: SimAccount, batch: list[Body]) -> Answer:
        """Orders that cannot take go first, the others after one common delay; results stay in the given order."""
        results: list[dict[str, Any]] = [{} for _ in batch]
        requests = [self.order_request(account.name, body) for body in batch]
        for delayed in (False, True):
            if delayed and not all(request.post_only for request in requests):
                await self._clock.sleep(self._taker_delay_s)
            for number, request in enumerate(requests):
                if request.post_only is delayed:
                    continue
                try:
                    results[number] = {"operation": "Ok", **bodies.order(self.execute(request))}
                except Rejected as rejected:
                    results[number] = {"operation": "Err", "code": rejected.code, "message": rejected.message}
        return json_answer(results)

    async def _taker_delay(self, request: OrderRequest) -> None:
        if not request.post_only:
            await self._clock.sleep(self._taker_delay_s)

    def execute(self, request: OrderRequest) -> Order:
        for event in self._exchange.submit(request):
            if isinstance(event, OrderAccepted):
                return event.order
        raise AssertionError("an order was taken without OrderAccepted")

    def order_request(self, account_name: str, body: Body) -> OrderRequest:
        """Read the body of an order; refuses with 501 what this exchange does not imitate."""
        symbol = body.symbol(self._exchange.markets)
        request = OrderRequest(
            account=account_name,
            symbol=symbol,
            side=body.required_word("side", Side),
            order_type=body.required_word("orderType", OrderType),
            quantity=body.decimal("quantity"),
            quote_quantity=body.decimal("quoteQuantity"),
            price=body.decimal("price"),
            time_in_force=body.word("timeInForce", TimeInForce) or TimeInForce.GTC,
            post_only=body.flag("postOnly"),
            self_trade_prevention=(
                body.word("selfTradePrevention", SelfTradePrevention) or SelfTradePrevention.REJECT_TAKER
            ),
            client_id=body.uint32("clientId"),
            auto_lend_redeem=body.flag("autoLendRedeem"),
        )
        if body.given("triggerPrice") != body.given("triggerQuantity"):
            raise client_error("Must specify both `triggerPrice` and `triggerQuantity` or neither")
        if any(body.given(key) for key in TRIGGER_KEYS):
            raise not_imitated("a trigger order")
        for key in NOT_IMITATED_IF_TRUE:
            if body.flag(key):
                raise not_imitated(f"an order with {key}")
        for key in NOT_IMITATED_IF_GIVEN:
            if body.given(key):
                raise not_imitated(f"an order with {key}")
        return request

    async def _cancel(self, account: SimAccount, body: Body) -> Answer:
        symbol = body.symbol(self._exchange.markets)
        order_id, client_id = body.order_id(), body.uint32("clientId")
        if order_id is None and client_id is None:
            raise client_error("Must specify either `orderId` or `clientId`")
        if order_id is not None:
            events = self._exchange.cancel(account.name, symbol, order_id=order_id)
        else:
            events = self._exchange.cancel(account.name, symbol, client_id=client_id)
        for event in events:
            if isinstance(event, OrderCancelled):
                return json_answer(bodies.order(event.order))
        raise AssertionError("an order was cancelled without OrderCancelled")

    async def _cancel_all(self, account: SimAccount, body: Body) -> Answer:
        symbol = body.symbol(self._exchange.markets)
        kind = body.text("orderType")
        if kind not in (None, "RestingLimitOrder", "ConditionalOrder"):
            raise unparsable_body(
                'failed to parse "CancelOrderTypeEnum": Expect a valid enumeration value. '
                '(occurred while parsing "OrderCancelAllPayload")'
            )
        if kind == "ConditionalOrder":
            return json_answer([])
        events = self._exchange.cancel_all(account.name, symbol)
        return json_answer([bodies.order(event.order) for event in events if isinstance(event, OrderCancelled)])

    # History

    def _order_history(self, account: SimAccount, query: Query) -> Answer:
        order_id = query.optional("orderId")
        rows = self._exchange.order_history(
            account.name,
            self._known_symbol_if_given(query),
            None if order_id is None else _order_number(order_id),
        )
        return _page(query, [row for row in rows if self._shows(row)], bodies.historical_order)

    def _fill_history(self, account: SimAccount, query: Query) -> Answer:
        order_id = query.optional("orderId")
        from_ms, to_ms = query.integer("from"), query.integer("to")
        kinds = FILL_TYPES.get(query.one_of("fillType", FILL_TYPES, "FillType") or "")
        rows: list[Fill] = self._exchange.fills(
            account.name,
            self._known_symbol_if_given(query),
            None if order_id is None else _order_number(order_id),
            None if from_ms is None else from_ms * 1_000,
            None if to_ms is None else to_ms * 1_000,
        )
        if kinds is not None:
            rows = [fill for fill in rows if fill.system_order_type in kinds]
        return _page(query, [row for row in rows if self._shows(row)], bodies.historical_fill)

    def _shows(self, row: Order | Fill) -> bool:
        """Whether history knows it yet; faults may let it lag."""
        return all(shows(row) for shows in self.history_filters)


def _page(query: Query, rows: list[_Row], body: Callable[[_Row], dict[str, Any]]) -> Answer:
    """One page of rows that come newest first, with the paging headers."""
    limit, offset = query.page()
    market_types = query.all_of("marketType", MARKET_TYPES, "MarketType")
    direction = query.one_of("sortDirection", ("Asc", "Desc"), "SortDirection")
    if (market_types and "SPOT" not in market_types) or query.optional("strategyId") is not None:
        rows = []
    if direction == "Asc":
        rows = rows[::-1]
    headers = {
        "X-PAGE-COUNT": str(-(-len(rows) // limit)),
        "X-CURRENT-PAGE": str(offset // limit + 1),
        "X-PAGE-SIZE": str(limit),
        "X-TOTAL": str(len(rows)),
    }
    return json_answer([body(row) for row in rows[offset : offset + limit]], headers=headers)


def _order_number(text: str) -> int:
    """Ids are numbers written as text; any other text is an id that nobody has."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 20 else -1


def _parsed_body(raw: bytes, call: Trading) -> Any:
    """The body as JSON of the right shape: a list of objects for a batch, else an object."""
    try:
        body = json.loads(raw, parse_float=NumberText, parse_constant=NumberText)
    except (ValueError, RecursionError):
        raise unparsable_body("expected value at line 1 column 1") from None
    whole = (
        isinstance(body, list) and all(isinstance(one, dict) for one in body) if call.batch else isinstance(body, dict)
    )
    if not whole:
        raise unparsable_body(f'Expected input type "{call.kind}", found {json.dumps(body)[:200]}.')
    return body
