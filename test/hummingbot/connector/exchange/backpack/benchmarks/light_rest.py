"""Orders on an exchange that does not match: they are checked, kept, told and cancelled, and that is all.

Where a client's own speed is measured, the matching engine's would hide it. What is kept of the venue: one signature
verified for each request, an answer and a private frame for each order in the venue's words, funds locked and freed and
a frame of the balance. Nothing trades and nothing is written to the histories but what was cancelled.
"""

import time
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

from feed import text_header
from simulator import rest_bodies as bodies
from simulator import stream_frames
from simulator.access import SimAccount
from simulator.answers import Answer, error_answer, json_answer, json_text
from simulator.model import (
    Balance,
    BalanceChanged,
    ErrorCode,
    Order,
    OrderAccepted,
    OrderCancelled,
    OrderRequest,
    OrderStatus,
    Rejected,
    Side,
)
from simulator.rest import Body, Query, Rest

FIRST_ORDER_ID = 66_605_000_000

Tell = Callable[[str, str, bytes], None]
"""Account, stream, frames: to the sockets that listen."""


class LightRest(Rest):
    """In place of ``SimulatedBackpack.rest``; everything that is not about orders and funds is answered as ever."""

    def __init__(self, *arguments: Any, tell: Tell) -> None:
        super().__init__(*arguments)
        self._tell = tell
        self._next_id = FIRST_ORDER_ID
        self._open: dict[str, dict[int, Order]] = {}
        self._by_client_id: dict[tuple[str, int], Order] = {}
        self._over: dict[str, list[Order]] = {}
        self._locked: dict[tuple[str, str], Decimal] = {}

    def open_orders(self, account: str, symbol: str | None = None) -> list[Order]:
        return [order for order in self._open.get(account, {}).values() if symbol in (None, order.symbol)]

    def place(self, requests: Iterable[OrderRequest]) -> list[Order]:
        """Take all of them, unseen by the book; frames leave before the answer does, as on the venue."""
        now_us = time.time_ns() // 1_000
        placed = [self._kept(request, now_us) for request in requests]
        self._tell_all(placed, OrderAccepted, now_us)
        return placed

    def _kept(self, request: OrderRequest, now_us: int) -> Order:
        if request.price is None or request.quantity is None or not request.price * request.quantity > 0:
            raise Rejected(ErrorCode.INVALID_ORDER, "expected a limit order with a price and a quantity")
        order = Order(
            id=self._next_id,
            account=request.account,
            symbol=request.symbol,
            side=request.side,
            order_type=request.order_type,
            quantity=request.quantity,
            price=request.price,
            quote_quantity=None,
            time_in_force=request.time_in_force,
            post_only=request.post_only,
            self_trade_prevention=request.self_trade_prevention,
            client_id=request.client_id,
            created_us=now_us,
        )
        self._next_id += 1
        self._open.setdefault(order.account, {})[order.id] = order
        if order.client_id is not None:
            self._by_client_id[order.account, order.client_id] = order
        self._lock(order, 1)
        return order

    def _end(self, orders: Iterable[Order]) -> list[Order]:
        ended, now_us = list(orders), time.time_ns() // 1_000
        for order in ended:
            order.status = OrderStatus.CANCELLED
            del self._open[order.account][order.id]
            self._by_client_id.pop((order.account, order.client_id or 0), None)
            self._over.setdefault(order.account, []).append(order)
            self._lock(order, -1)
        self._tell_all(ended, OrderCancelled, now_us)
        return ended

    # -- funds and frames ----------------------------------------------------------------------------------------------

    def _lock(self, order: Order, sign: int) -> None:
        key = (order.account, self._asset_of(order))
        amount = order.quantity if order.side is Side.ASK else order.quantity * (order.price or 0)
        self._locked[key] = self._locked.get(key, Decimal(0)) + sign * amount

    def _asset_of(self, order: Order) -> str:
        market = self._exchange.market(order.symbol)
        return market.base if order.side is Side.ASK else market.quote

    def _balances(self, account: str) -> dict[str, Balance]:
        """The ledger's, less what the orders here have locked."""
        return {
            asset: self._balance(account, asset, balance)
            for asset, balance in self._exchange.ledger.balances(account).items()
        }

    def _balance(self, account: str, asset: str, held: Balance) -> Balance:
        locked = self._locked.get((account, asset), Decimal(0))
        return Balance(held.available - locked, held.locked + locked, held.lent, held.staked)

    def _tell_all(self, orders: list[Order], event: type[OrderAccepted] | type[OrderCancelled], now_us: int) -> None:
        for account in {order.account for order in orders}:
            mine = [order for order in orders if order.account == account]
            stream = "account.orderUpdate"
            frames = [
                _frame(stream_frames.order(self._exchange.market(order.symbol), event(now_us, order), now_us), stream)
                for order in mine
            ]
            self._tell(account, stream, b"".join(frames))
            stream = "account.balanceUpdate"
            frames = []
            for asset in [self._asset_of(order) for order in mine]:  # one for each order, as the venue settles them
                balance = self._balance(account, asset, self._exchange.ledger.balance(account, asset))
                change = BalanceChanged(now_us, account, asset, balance)
                frames.append(_frame(stream_frames.balance(change, now_us), stream))
            self._tell(account, stream, b"".join(frames))

    # -- the calls -----------------------------------------------------------------------------------------------------

    async def _submit(self, account: SimAccount, body: Body) -> Answer:
        [order] = self.place([self.order_request(account.name, body)])
        return json_answer(bodies.order(order))

    async def _submit_batch(self, account: SimAccount, batch: list[Body]) -> Answer:
        orders = self.place([self.order_request(account.name, body) for body in batch])
        return json_answer([{"operation": "Ok", **bodies.order(order)} for order in orders])

    async def _cancel(self, account: SimAccount, body: Body) -> Answer:
        order = self._found(account.name, body.order_id(), body.uint32("clientId"))
        if order is None or order.symbol != body.symbol(self._exchange.markets):
            raise Rejected(ErrorCode.INVALID_CLIENT_REQUEST, "Order not found")
        self._end([order])
        return json_answer(bodies.order(order))

    async def _cancel_all(self, account: SimAccount, body: Body) -> Answer:
        ended = self._end(self.open_orders(account.name, body.symbol(self._exchange.markets)))
        return json_answer([bodies.order(order) for order in ended])

    def _found(self, account: str, order_id: int | None, client_id: int | None) -> Order | None:
        if order_id is not None:
            return self._open.get(account, {}).get(order_id)
        return self._by_client_id.get((account, client_id or 0))

    def _order(self, account: SimAccount, query: Query) -> Answer:
        text = query.optional("orderId")
        order = self._found(account.name, None if text is None else int(text), query.integer("clientId"))
        if order is None or order.symbol != self._known_symbol(query):
            return error_answer(404, "RESOURCE_NOT_FOUND", "Not Found")
        return json_answer(bodies.order(order))

    def _orders(self, account: SimAccount, query: Query) -> Answer:
        symbol = self._known_symbol_if_given(query)
        return json_answer([bodies.order(order) for order in self.open_orders(account.name, symbol)])

    def _capital(self, account: SimAccount, query: Query) -> Answer:
        return json_answer(bodies.capital(self._balances(account.name)))

    def _order_history(self, account: SimAccount, query: Query) -> Answer:
        limit, offset = query.page()
        newest = self._over.get(account.name, [])[::-1]
        return json_answer([bodies.historical_order(order) for order in newest[offset : offset + limit]])

    def _fill_history(self, account: SimAccount, query: Query) -> Answer:
        return json_answer([])


def _frame(payload: dict[str, Any], stream: str) -> bytes:
    text = f'{{"data":{json_text(payload)},"stream":"{stream}"}}'.encode()
    return text_header(len(text)) + text
