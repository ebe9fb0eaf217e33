"""Orders on an exchange that does not match: they are checked, kept, told and cancelled, and that is all.

Where a client's own speed is measured, the matching engine's would hide it. What is kept of the venue: one signature
verified for each request; for each order an answer in the venue's words, a frame of the order and one of the balance
that it locks or frees. Nothing trades, and history knows only what was cancelled.
"""

import base64
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

from nacl.exceptions import BadSignatureError
from nacl.signing import VerifyKey

from hummingbot.connector.exchange.backpack.simulator import rest_bodies as bodies
from hummingbot.connector.exchange.backpack.simulator.access import SimAccount, credentials_of
from hummingbot.connector.exchange.backpack.simulator.answers import (
    Answer,
    Refused,
    client_error,
    error_answer,
    json_answer,
    padded,
    stripped,
)
from hummingbot.connector.exchange.backpack.simulator.model import Balance
from hummingbot.connector.exchange.backpack.simulator.rest import Query, Request, Rest
from test.hummingbot.connector.exchange.backpack.benchmarks.feed import text_header

FIRST_ORDER_ID = 66_605_000_000
ORDERS, BALANCES = "account.orderUpdate", "account.balanceUpdate"
INSTRUCTIONS = {
    ("POST", "/api/v1/order"): "orderExecute",
    ("POST", "/api/v1/orders"): "orderExecute",
    ("DELETE", "/api/v1/order"): "orderCancel",
    ("DELETE", "/api/v1/orders"): "orderCancelAll",
}

Tell = Callable[[str, str, bytes], None]
"""Account, stream, frames: to the sockets that listen."""


@dataclass(slots=True)
class LightOrder:
    id: int
    account: str
    symbol: str
    side: str
    price: Decimal
    quantity: Decimal
    client_id: int | None
    post_only: bool
    created_us: int
    status: str = "New"

    def answer(self) -> str:
        """As ``rest_bodies.order``, which takes as long as everything else here."""
        return (
            f'{{"clientId":{_json(self.client_id)},"createdAt":{self.created_us // 1000},"executedQuantity":"0",'
            f'"executedQuoteQuantity":"0","id":"{self.id}","orderType":"Limit","postOnly":{_json(self.post_only)},'
            f'"price":"{stripped(self.price)}","quantity":"{stripped(self.quantity)}","reduceOnly":null,'
            f'"relatedOrderId":null,"selfTradePrevention":"RejectTaker","side":"{self.side}","status":"{self.status}",'
            '"stopLossLimitPrice":null,"stopLossTriggerBy":null,"stopLossTriggerPrice":null,"strategyId":null,'
            f'"symbol":"{self.symbol}","takeProfitLimitPrice":null,"takeProfitTriggerBy":null,'
            '"takeProfitTriggerPrice":null,"timeInForce":"GTC","triggerBy":null,"triggerPrice":null,'
            '"triggerQuantity":null,"triggeredAt":null}'
        )

    def frame(self, event: str, decimals: tuple[int, int], now_us: int) -> bytes:
        """As ``stream_frames.order``; ``decimals`` of price and quantity."""
        of_price, of_quantity = decimals
        client_id = "" if self.client_id is None else f'"c":{self.client_id},'
        maker = ',"y":true' if self.post_only else ""
        return _frame(
            f'{{"E":{now_us},"O":"USER","Q":"{padded(self.price * self.quantity, of_price + of_quantity)}",'
            f'"S":"{self.side}","T":{now_us},"V":"RejectTaker","X":"{self.status}","Z":"0",{client_id}"e":"{event}",'
            f'"f":"GTC","i":"{self.id}","o":"LIMIT","p":"{padded(self.price, of_price)}",'
            f'"q":"{padded(self.quantity, of_quantity)}","r":false,"s":"{self.symbol}","t":null{maker},"z":"0"}}',
            ORDERS,
        )


class LightRest(Rest):
    """In place of ``SimulatedBackpack.rest``; what is not about orders and funds is answered as ever."""

    def __init__(self, *arguments: Any, tell: Tell) -> None:
        super().__init__(*arguments)
        self._tell = tell
        self._verifiers: dict[str, VerifyKey] = {}
        self._next_id = FIRST_ORDER_ID
        self._open: dict[str, dict[int, LightOrder]] = {}
        self._by_client_id: dict[tuple[str, int | None], LightOrder] = {}
        self._over: dict[str, list[LightOrder]] = {}
        self._locked: dict[tuple[str, str], Decimal] = {}
        self.loses_next_order = False  # for the benchmarks' own test

    def open_orders(self, account: str, symbol: str | None = None) -> list[LightOrder]:
        return [order for order in self._open.get(account, {}).values() if symbol in (None, order.symbol)]

    def place(self, account: str, wanted: Iterable[dict[str, Any]]) -> list[LightOrder]:
        """Take limit orders as ``POST /order`` has them; frames leave before the answer does. Raises Refused."""
        now_us = time.time_ns() // 1_000
        placed = [self._order_of(account, body, now_us) for body in wanted]
        for order in placed:
            self._open.setdefault(account, {})[order.id] = order
            self._by_client_id[account, order.client_id] = order
        if self.loses_next_order:
            self.loses_next_order = False
            del self._open[account][placed[-1].id]
        self._tell_all(placed, "orderAccepted", 1, now_us)
        return placed

    def _order_of(self, account: str, body: dict[str, Any], now_us: int) -> LightOrder:
        try:
            price, quantity = Decimal(body["price"]), Decimal(body["quantity"])
            if body["orderType"] != "Limit" or body["side"] not in ("Bid", "Ask") or not price * quantity > 0:
                raise ValueError(body)
            self._exchange.market(body["symbol"])
        except (KeyError, TypeError, ValueError, InvalidOperation):
            raise client_error("expected a limit order with a market, a side, a price and a quantity") from None
        self._next_id += 1
        return LightOrder(
            self._next_id, account, body["symbol"], body["side"], price, quantity, body.get("clientId"),
            body.get("postOnly", False), now_us,
        )  # fmt: skip

    def _end(self, orders: list[LightOrder]) -> list[LightOrder]:
        for order in orders:
            order.status = "Cancelled"
            del self._open[order.account][order.id]
            self._by_client_id.pop((order.account, order.client_id), None)
            self._over.setdefault(order.account, []).append(order)
        self._tell_all(orders, "orderCancelled", -1, time.time_ns() // 1_000)
        return orders

    # -- funds and frames ----------------------------------------------------------------------------------------------

    def _tell_all(self, orders: list[LightOrder], event: str, sign: int, now_us: int) -> None:
        """``orders`` are of one account; ``sign``: they lock their funds, or free them."""
        frames, balances = [], []
        for order in orders:
            market = self._exchange.market(order.symbol)
            frames.append(order.frame(event, (market.price_decimals, market.quantity_decimals), now_us))
            asset, amount = market.base, order.quantity
            if order.side == "Bid":
                asset, amount = market.quote, order.quantity * order.price
            key = (order.account, asset)
            self._locked[key] = self._locked.get(key, Decimal(0)) + sign * amount
            balances.append(_balance_frame(asset, self._balance(*key), now_us))
        if orders:
            self._tell(orders[0].account, ORDERS, b"".join(frames))
            self._tell(orders[0].account, BALANCES, b"".join(balances))

    def _balance(self, account: str, asset: str) -> Balance:
        """The ledger's, less what the orders here have locked."""
        held, locked = self._exchange.ledger.balance(account, asset), self._locked.get((account, asset), Decimal(0))
        return Balance(held.available - locked, held.locked + locked, held.lent, held.staked)

    # -- the calls -----------------------------------------------------------------------------------------------------

    async def answer(self, request: Request) -> Answer:
        instruction = INSTRUCTIONS.get((request.method, request.path))
        if instruction is None:
            return await super().answer(request)
        try:
            body = json.loads(request.raw_body)
            account = self._verified(request, instruction, body)
            if request.method == "POST":
                return self._place(account, body)
            return self._cancel_of(account, body, request.path.endswith("s"))
        except Refused as refused:
            return refused.answer

    def _verified(self, request: Request, instruction: str, body: Any) -> str:
        """The account that signed, or Refused."""
        credentials = credentials_of(request.headers, optional=False)
        account = self._keyring.account_of(credentials.api_key)
        late_ms = abs(self._clock.judged_ms() - credentials.timestamp_ms)
        if account is None or late_ms > credentials.window_ms:
            raise client_error("Invalid signature" if account is None else "Request has expired")
        verifier = self._verifiers.get(account.name)
        if verifier is None:
            verifier = self._verifiers[account.name] = VerifyKey(base64.b64decode(account.api_key))
        parts = [_canonical(instruction, one) for one in (body if isinstance(body, list) else [body])]
        text = f"{'&'.join(parts)}&timestamp={credentials.timestamp_ms}&window={credentials.window_ms}"
        try:
            verifier.verify(text.encode(), base64.b64decode(credentials.signature))
        except (BadSignatureError, ValueError):
            raise client_error("Invalid signature") from None
        return account.name

    def _place(self, account: str, body: Any) -> Answer:
        if not isinstance(body, list):
            return _text(self.place(account, [body])[0].answer())
        answers = (order.answer() for order in self.place(account, body))
        return _text("[" + ",".join(f'{{"operation":"Ok",{answer[1:]}' for answer in answers) + "]")

    def _cancel_of(self, account: str, body: dict[str, Any], is_all: bool) -> Answer:
        if is_all:
            ended = self._end(self.open_orders(account, body["symbol"]))
            return _text("[" + ",".join(order.answer() for order in ended) + "]")
        order = self._found(account, body.get("orderId"), body.get("clientId"))
        if order is None or order.symbol != body["symbol"]:
            return error_answer(400, "INVALID_CLIENT_REQUEST", "Order not found")
        self._end([order])
        return _text(order.answer())

    def _found(self, account: str, order_id: str | int | None, client_id: int | None) -> LightOrder | None:
        if order_id is not None:
            return self._open.get(account, {}).get(int(order_id))
        order = self._by_client_id.get((account, client_id))
        return order if order is not None and order.id in self._open[account] else None

    def _order(self, account: SimAccount, query: Query) -> Answer:
        order = self._found(account.name, query.optional("orderId"), query.integer("clientId"))
        if order is None or order.symbol != self._known_symbol(query):
            return error_answer(404, "RESOURCE_NOT_FOUND", "Not Found")
        return _text(order.answer())

    def _orders(self, account: SimAccount, query: Query) -> Answer:
        orders = self.open_orders(account.name, self._known_symbol_if_given(query))
        return _text("[" + ",".join(order.answer() for order in orders) + "]")

    def _capital(self, account: SimAccount, query: Query) -> Answer:
        assets = self._exchange.ledger.balances(account.name)
        return json_answer(bodies.capital({asset: self._balance(account.name, asset) for asset in assets}))

    def _order_history(self, account: SimAccount, query: Query) -> Answer:
        limit, offset = query.page()
        rows = []
        for order in self._over.get(account.name, [])[::-1][offset : offset + limit]:
            rows.append(json.loads(order.answer()) | {"createdAt": bodies.naive_time(order.created_us)})
        return json_answer(rows)

    def _fill_history(self, account: SimAccount, query: Query) -> Answer:
        return json_answer([])


def _canonical(instruction: str, body: dict[str, Any]) -> str:
    """As ``access.canonical`` for bodies of text, numbers and booleans."""
    fields = [f"{key}={value if isinstance(value, str) else _json(value)}" for key, value in sorted(body.items())]
    return "&".join([f"instruction={instruction}", *fields])


def _json(value: int | None) -> str:
    """Numbers, booleans and nothing, as JSON has them."""
    if value is None:
        return "null"
    return str(value).lower()


def _text(body: str) -> Answer:
    return Answer(200, body.encode())


def _frame(payload: str, stream: str) -> bytes:
    text = f'{{"data":{payload},"stream":"{stream}"}}'.encode()
    return text_header(len(text)) + text


def _balance_frame(asset: str, balance: Balance, now_us: int) -> bytes:
    """As ``stream_frames.balance``."""
    return _frame(
        f'{{"A":"{stripped(balance.available)}","E":{now_us},"L":"{stripped(balance.locked)}",'
        f'"S":"{stripped(balance.staked)}","T":{now_us},"a":"{asset}","e":"balanceUpdate"}}',
        BALANCES,
    )
