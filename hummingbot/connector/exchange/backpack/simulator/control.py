"""The control plane under ``/_sim/``: look into the exchange and change it by hand. Plain JSON, no signatures.

=======================  ==========================================================================================
``GET  /_sim/``          what there is: seed, time, markets, accounts, sockets
``GET  /_sim/live``      what the page at ``/`` shows: funds, orders, latest fills, armed faults, market
``GET  /_sim/book``      a book and its latest trades (``?symbol=``), past all faults
``GET  /_sim/ws``        the websocket for onlookers: past all faults, and none is used up by it
``GET  /_sim/ledger``    all fills and balances, oldest fill first (``?account=NAME`` for one account)
``GET  /_sim/accounts``  names and API keys; ``POST`` {name?, balances, secret?, makerFeeBps?, takerFeeBps?}
``POST /_sim/deposit``   {account, asset, amount}; likewise ``/_sim/withdraw``, ``/_sim/lend``, ``/_sim/redeem``
``GET  /_sim/orders``    open orders (``?account=``, ``?symbol=``); ``POST`` an order body plus {account}, unsigned
``GET  /_sim/time``      the clock; ``POST`` {freeze: bool?, advanceSeconds?, skewSeconds?}
``GET  /_sim/seed``      the seed of the run
``GET  /_sim/market``    the market source, whether it trades, and how it is; ``POST`` {running: bool}
``POST /_sim/markets``   {symbol, orderBookState}
``GET  /_sim/faults``    the catalogue and the armed faults; ``POST`` {fault, parameters?, count?, probability?, seed?,
                         match?: {method?, path?, account?, symbol?, stream?}}; ``DELETE`` all, or one (``?id=N``)
=======================  ==========================================================================================

A request that makes no sense is answered 400 with ``{"error": "..."}`` and changes nothing; one that a web page of
another origin sends, 403.
"""

import json
from collections.abc import Callable, Mapping, Reversible
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

from . import rest_bodies as bodies
from .answers import Answer, json_answer, rejection, stripped, text_answer
from .faults import CATALOGUE, BadFault, described, fault_order_of
from .model import Balance, Fill, OrderBookState, Rejected
from .rest import Body, Request

if TYPE_CHECKING:
    from .server import SimulatedBackpack

PREFIX = "/_sim/"

T = TypeVar("T")

FILLS_SHOWN = 30
TRADES_SHOWN = 300


class BadControl(ValueError):
    """A control request makes no sense; says what was expected."""


class Control:
    """Everything under ``/_sim/``."""

    def __init__(self, sim: "SimulatedBackpack") -> None:
        self._sim = sim
        self._calls: dict[tuple[str, str], Callable[[Mapping[str, str], Mapping[str, Any]], Any]] = {
            ("GET", ""): self._overview,
            ("GET", "live"): self._live,
            ("GET", "book"): self._book,
            ("GET", "ledger"): self._ledger,
            ("GET", "accounts"): self._accounts,
            ("POST", "accounts"): self._add_account,
            ("POST", "deposit"): self._move_funds(sim.exchange.deposit),
            ("POST", "withdraw"): self._move_funds(sim.exchange.withdraw),
            ("POST", "lend"): self._move_funds(sim.exchange.lend),
            ("POST", "redeem"): self._move_funds(sim.exchange.redeem),
            ("GET", "orders"): self._orders,
            ("POST", "orders"): self._submit,
            ("GET", "time"): self._time,
            ("POST", "time"): self._set_time,
            ("GET", "seed"): self._seed,
            ("GET", "market"): self._market,
            ("POST", "market"): self._set_market,
            ("POST", "markets"): self._set_order_book_state,
            ("GET", "faults"): self._faults,
            ("POST", "faults"): self._arm,
            ("DELETE", "faults"): self._clear,
        }

    def answer(self, request: Request) -> Answer:
        call = self._calls.get((request.method, request.path.removeprefix(PREFIX)))
        if call is None:
            return text_answer("not found", 404)
        query = {name: values[-1] for name, values in request.query.items()}
        try:
            body = json.loads(request.raw_body) if request.raw_body else {}
            if not isinstance(body, dict):
                raise BadControl("expected a JSON object as body")
            return json_answer(call(query, body))
        except json.JSONDecodeError as error:
            return json_answer({"error": f"expected JSON as body: {error}"}, 400)
        except (BadControl, BadFault, ValueError) as error:
            return json_answer({"error": str(error)}, 400)
        except Rejected as rejected:
            return rejection(rejected)

    # Looking

    def _overview(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        return {
            "accounts": [account.name for account in self._sim.accounts],
            "market": self._market(query, body),
            "markets": {market.symbol: market.order_book_state for market in self._sim.exchange.markets.values()},
            "seed": self._sim.seed,
            "sockets": [
                {
                    "accounts": sorted(session.accounts),
                    "backlogBytes": session.backlog_bytes,
                    "id": session.number,
                    "streams": sorted(session.subscriptions),
                }
                for session in self._sim.sessions
            ],
            "time": self._time(query, body),
        }

    def _live(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        exchange = self._sim.exchange
        return {
            "accounts": [
                {
                    "balances": {
                        asset: _balance(balance) for asset, balance in exchange.ledger.balances(account.name).items()
                    },
                    "fills": [_fill(fill) for fill in _newest(exchange.account(account.name).fills, FILLS_SHOWN)],
                    "name": account.name,
                    "orders": [bodies.order(order) for order in exchange.open_orders(account.name)],
                }
                for account in self._sim.accounts
            ],
            "faults": [armed.as_json() for armed in self._sim.faults],
            "market": self._market(query, body),
            "markets": [
                {
                    "orderBookState": market.order_book_state,
                    "priceDecimals": market.price_decimals,
                    "quantityDecimals": market.quantity_decimals,
                    "symbol": market.symbol,
                }
                for market in exchange.markets.values()
            ],
            "sockets": len(self._sim.sessions),
            "time": self._time(query, body),
        }

    def _book(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        symbol = query.get("symbol", "")
        if symbol not in self._sim.exchange.markets:
            raise BadControl(f"expected a symbol among {', '.join(self._sim.exchange.markets)}, was {symbol!r}")
        depth = bodies.depth(self._sim.exchange.depth(symbol), self._sim.clock.now_us())
        return depth | {"trades": [bodies.trade(trade) for trade in self._sim.exchange.trades(symbol, TRADES_SHOWN)]}

    def _ledger(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        names = [self._account_named(query["account"])] if "account" in query else self._traders()
        snapshot = self._sim.exchange.ledger.snapshot()
        fills = [fill for name in names for fill in self._sim.exchange.fills(name)]
        fills.sort(key=lambda fill: (fill.time_us, fill.order_id))
        return {
            "balances": {
                name: {asset: _balance(balance) for asset, balance in snapshot[name].items()} for name in names
            },
            "fills": [_fill(fill) for fill in fills],
        }

    def _accounts(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        return [{"apiKey": account.api_key, "name": account.name} for account in self._sim.accounts]

    def _orders(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        names = [self._account_named(query["account"])] if "account" in query else self._traders()
        orders = (order for name in names for order in self._sim.exchange.open_orders(name, query.get("symbol")))
        return [{"account": order.account, **bodies.order(order)} for order in orders]

    def _time(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        clock = self._sim.clock
        return {"frozen": clock.frozen, "nowMicroseconds": clock.now_us(), "skewSeconds": clock.skew_us / 1_000_000}

    def _seed(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        return {"seed": self._sim.seed}

    def _market(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        source = self._sim.market
        return {
            "running": self._sim.market_running,
            "source": None if source is None else type(source).__name__,
            "status": {} if source is None else source.status(),
        }

    def _faults(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        return {
            "about": {name: described(kind) for name, kind in sorted(CATALOGUE.items())},
            "armed": [armed.as_json() for armed in self._sim.faults],
            "catalogue": sorted(CATALOGUE),
        }

    # Changing

    def _add_account(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        balances = body.get("balances", {})
        for key in ("name", "secret"):
            if not isinstance(body.get(key), str | None):
                raise BadControl(f"expected {key} as text, was {body[key]!r}")
        if not isinstance(balances, dict):
            raise BadControl(f"expected balances as {{asset: amount}}, was {balances!r}")
        account = self._sim.add_account(
            {asset: _amount(amount, f"the balance of {asset}") for asset, amount in balances.items()},
            name=body.get("name"),
            secret=body.get("secret"),
            maker_fee_bps=_decimal(body.get("makerFeeBps", "8"), "makerFeeBps"),
            taker_fee_bps=_decimal(body.get("takerFeeBps", "10"), "takerFeeBps"),
        )
        return {"apiKey": account.api_key, "apiSecret": account.api_secret, "name": account.name}

    def _move_funds(self, move: Callable[[str, str, Decimal], Any]) -> Callable[..., Any]:
        def moved(query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
            name, asset = self._account_named(body.get("account")), body.get("asset")
            if not isinstance(asset, str) or not asset:
                raise BadControl(f"expected asset as text, was {asset!r}")
            move(name, asset, _amount(body.get("amount"), "amount"))
            return {asset: _balance(self._sim.exchange.ledger.balance(name, asset))}

        return moved

    def _submit(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        name = self._account_named(body.get("account"))
        order = {key: value for key, value in body.items() if key != "account"}
        return bodies.order(self._sim.rest.execute(self._sim.rest.order_request(name, Body("order", order))))

    def _set_time(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        clock = self._sim.clock
        freeze = body.get("freeze")
        skew_s = _number(body.get("skewSeconds"), "skewSeconds")
        advance_s = _number(body.get("advanceSeconds"), "advanceSeconds")
        if freeze is not None and not isinstance(freeze, bool):
            raise BadControl(f"expected freeze as true or false, was {freeze!r}")
        if advance_s is not None:
            clock.advance(advance_s)
        if skew_s is not None:
            clock.skew_us = round(skew_s * 1_000_000)
        if freeze is not None:
            (clock.freeze if freeze else clock.resume)()
        return self._time(query, body)

    def _set_market(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        running = body.get("running")
        if not isinstance(running, bool):
            raise BadControl(f"expected running as true or false, was {running!r}")
        if self._sim.market is None:
            raise BadControl("this exchange was started without a market source: nobody to stop or start")
        (self._sim.resume_market if running else self._sim.pause_market)()
        return self._market(query, body)

    def _set_order_book_state(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        symbol, state = body.get("symbol"), body.get("orderBookState")
        if not isinstance(symbol, str) or symbol not in self._sim.exchange.markets:
            raise BadControl(f"expected a symbol among {', '.join(self._sim.exchange.markets)}, was {symbol!r}")
        if state not in list(OrderBookState):
            raise BadControl(f"expected orderBookState among {', '.join(OrderBookState)}, was {state!r}")
        self._sim.exchange.set_order_book_state(symbol, OrderBookState(state))
        return {symbol: state}

    def _arm(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        return fault_order_of(body).arm(self._sim.faults).as_json()

    def _clear(self, query: Mapping[str, str], body: Mapping[str, Any]) -> Any:
        if "id" in query:
            armed = self._sim.faults.get(int(query["id"])) if query["id"].isdigit() else None
            if armed is None:
                raise BadControl(f"expected the id of an armed fault, was {query['id']!r}")
            self._sim.faults.clear(armed)
        else:
            self._sim.faults.clear()
        return self._faults(query, body)

    def _account_named(self, name: Any) -> str:
        if name not in self._traders():
            raise BadControl(f"expected an account among {', '.join(self._traders())}, was {name!r}")
        return str(name)

    def _traders(self) -> list[str]:
        return [trader.name for trader in self._sim.exchange.accounts]


def _balance(balance: Balance) -> dict[str, str]:
    return {
        "available": stripped(balance.available),
        "lent": stripped(balance.lent),
        "locked": stripped(balance.locked),
        "staked": stripped(balance.staked),
        "total": stripped(balance.total),
    }


def _fill(fill: Fill) -> dict[str, Any]:
    return {
        "account": fill.account,
        "clientId": fill.client_id,
        "fee": stripped(fill.fee),
        "feeAsset": fill.fee_asset,
        "isMaker": fill.is_maker,
        "orderId": str(fill.order_id),
        "price": stripped(fill.price),
        "quantity": stripped(fill.quantity),
        "side": fill.side,
        "symbol": fill.symbol,
        "systemOrderType": fill.system_order_type,
        "timeMicroseconds": fill.time_us,
        "tradeId": fill.trade_id,
    }


def _newest(items: Reversible[T], number: int) -> list[T]:
    return list(islice(reversed(items), number))


def _decimal(value: Any, name: str) -> Decimal:
    try:
        number = Decimal(value) if isinstance(value, str | int) and not isinstance(value, bool) else Decimal("NaN")
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise BadControl(f"expected {name} as a decimal in text, was {value!r}")
    return number


def _amount(value: Any, name: str) -> Decimal:
    amount = _decimal(value, name)
    if amount < 0:
        raise BadControl(f"expected {name} of 0 or more, was {value!r}")
    return amount


def _number(value: Any, name: str) -> float | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
        raise BadControl(f"expected {name} as a number, was {value!r}")
    return value


def _whole(value: Any, name: str) -> int | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int)):
        raise BadControl(f"expected {name} as a whole number, was {value!r}")
    return value
