"""Hummingbot's own acceptance suite for exchange connectors, implemented in full.

Where a test of it asserts a weakness of the framework's base class, it is overridden, and one comment says why.
"""

import json
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any
from unittest.mock import patch

from aioresponses import CallbackResult, aioresponses
from aioresponses.core import RequestCall

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack import backpack_exchange, backpack_web_utils
from hummingbot.connector.exchange.backpack.backpack_connections import BackpackConnectionsFactory
from hummingbot.connector.exchange.backpack.backpack_constants import Endpoint
from hummingbot.connector.exchange.backpack.backpack_exchange import BackpackExchange
from hummingbot.connector.exchange.backpack.errors import OutcomeUnknown, Rejected
from hummingbot.connector.test_support.exchange_connector_test import AbstractExchangeConnectorTests
from hummingbot.connector.trading_rule import TradingRule
from hummingbot.core.data_type.common import OrderType, TradeType
from hummingbot.core.data_type.in_flight_order import InFlightOrder, OrderState
from hummingbot.core.data_type.trade_fee import DeductedFromReturnsTradeFee, TokenAmount, TradeFeeBase
from test.hummingbot.connector.exchange.backpack.support import eventually, payload

KEY = "A6EHv/POEL4dcN0Y50vAmWfk1jCbpQ1fHdyGZBJVMbg="
SECRET = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
NOW_S = 1640780000
Callback = Callable[..., object]


def nothing(*args: object, **kwargs: object) -> None: ...


def url_of(endpoint: Endpoint) -> str:
    return str(backpack_web_utils.public_rest_url(endpoint.path))


def any_query(endpoint: Endpoint) -> re.Pattern[str]:
    return re.compile(f"^{re.escape(url_of(endpoint))}(\\?.*)?$")


class BackpackExchangeTests(AbstractExchangeConnectorTests.ExchangeConnectorTests):
    async def asyncTearDown(self) -> None:
        await self.exchange.stop_network()
        await BackpackConnectionsFactory().close()  # its session belongs to this test's loop
        await super().asyncTearDown()

    def create_exchange_instance(self) -> BackpackExchange:
        return BackpackExchange(KEY, SECRET, trading_pairs=[self.trading_pair])

    def exchange_symbol_for_tokens(self, base_token: str, quote_token: str) -> str:
        return f"{base_token}_{quote_token}"

    # -- addresses and answers ----------------------------------------------------------------------------------------

    all_symbols_url = url_of(CONSTANTS.MARKETS)
    latest_prices_url = url_of(CONSTANTS.TICKERS)
    network_status_url = url_of(CONSTANTS.TIME)
    trading_rules_url = url_of(CONSTANTS.MARKETS)
    order_creation_url = url_of(CONSTANTS.PLACE_ORDER)
    balance_url = url_of(CONSTANTS.CAPITAL)

    network_status_request_successful_mock_response = NOW_S * 1000
    expected_latest_price = 9999.9
    expected_exchange_order_id = 28
    expected_partial_fill_price = Decimal(10500)
    expected_partial_fill_amount = Decimal("0.5")
    expected_fill_trade_id = "30000"
    expected_supported_order_types = [OrderType.LIMIT, OrderType.LIMIT_MAKER, OrderType.MARKET]
    is_order_fill_http_update_included_in_status_update = True
    is_order_fill_http_update_executed_during_websocket_order_event_processing = False

    def market(self, **changes: Any) -> dict[str, Any]:
        facts = {"symbol": self.exchange_trading_pair, "baseSymbol": self.base_asset, "quoteSymbol": self.quote_asset}
        return dict(payload("rest_market_spot")) | facts | changes

    @property
    def all_symbols_request_mock_response(self) -> Any:
        return [self.market(), payload("rest_market_perp")]

    @property
    def all_symbols_including_invalid_pair_mock_response(self) -> tuple[str, Any]:
        hidden = self.market(symbol="INVALID_PAIR", baseSymbol="INVALID", quoteSymbol="PAIR", visible=False)
        return "INVALID-PAIR", [self.market(), hidden]

    @property
    def trading_rules_request_mock_response(self) -> Any:
        return [self.market()]

    @property
    def trading_rules_request_erroneous_mock_response(self) -> Any:
        market = self.market()
        del market["filters"]
        return [market]

    @property
    def expected_logged_error_for_erroneous_trading_rule(self) -> str:
        return "1 markets cannot be read and are skipped: market: field 'filters' is missing"

    @property
    def expected_trading_rule(self) -> TradingRule:
        return TradingRule(
            trading_pair=self.trading_pair,
            min_order_size=Decimal("0.01"),
            min_price_increment=Decimal("0.01"),
            min_base_amount_increment=Decimal("0.01"),
        )

    @property
    def latest_prices_request_mock_response(self) -> Any:
        return [
            payload("rest_ticker"),
            payload("rest_ticker") | {"symbol": self.exchange_trading_pair, "lastPrice": "9999.9"},
        ]

    @property
    def order_creation_request_successful_mock_response(self) -> Any:
        return payload("rest_order_limit") | {
            "id": str(self.expected_exchange_order_id), "symbol": self.exchange_trading_pair, "createdAt": NOW_S * 1000,
        }  # fmt: skip

    @property
    def balance_request_mock_response_for_base_and_quote(self) -> Any:
        return self.balance_request_mock_response_only_base | {
            self.quote_asset: {"available": "2000", "locked": "0", "staked": "0"}
        }

    @property
    def balance_request_mock_response_only_base(self) -> Any:
        return {self.base_asset: {"available": "10", "locked": "5", "staked": "0"}}

    def _configure_balance_response(self, response: Any, mock_api: aioresponses, callback: Callback = nothing) -> str:
        mock_api.get(url_of(CONSTANTS.LEND_POSITIONS), payload=[])
        return str(super()._configure_balance_response(response, mock_api, callback))

    @property
    def balance_event_websocket_update(self) -> Any:
        data = payload("ws_balance")["data"] | {"a": self.base_asset, "A": "10", "L": "5", "S": "0"}
        return {"stream": "account.balanceUpdate", "data": data}

    @property
    def expected_fill_fee(self) -> TradeFeeBase:
        return DeductedFromReturnsTradeFee(flat_fees=[TokenAmount(self.base_asset, Decimal("0.001"))])

    def order_row(self, order: InFlightOrder, status: str, executed: str = "0") -> dict[str, Any]:
        return payload("rest_order_limit") | {
            "id": order.exchange_order_id, "clientId": int(order.client_order_id), "status": status,
            "symbol": self.exchange_trading_pair, "side": "Bid" if order.trade_type is TradeType.BUY else "Ask",
            "price": str(order.price), "quantity": str(order.amount), "executedQuantity": executed,
            "createdAt": NOW_S * 1000,
        }  # fmt: skip

    def history_row(self, order: InFlightOrder, status: str, executed: str = "0") -> dict[str, Any]:
        return self.order_row(order, status, executed) | {"createdAt": "2021-12-29T12:13:20.000"}

    def fill_row(self, order: InFlightOrder, price: Decimal, amount: Decimal) -> dict[str, Any]:
        return payload("rest_fill") | {
            "orderId": order.exchange_order_id, "clientId": order.client_order_id, "symbol": self.exchange_trading_pair,
            "tradeId": int(self.expected_fill_trade_id), "price": str(price), "quantity": str(amount), "fee": "0.001",
            "feeSymbol": self.base_asset, "timestamp": "2021-12-29T12:13:21.000",
        }  # fmt: skip

    # -- what a request must carry ------------------------------------------------------------------------------------

    def validate_auth_credentials_present(self, request_call: RequestCall) -> None:
        headers = request_call.kwargs["headers"]
        self.assertEqual(KEY, headers["X-API-Key"])
        for name in ("X-Timestamp", "X-Window", "X-Signature"):
            self.assertIn(name, headers)

    def validate_order_creation_request(self, order: InFlightOrder, request_call: RequestCall) -> None:
        sent = json.loads(request_call.kwargs["data"])
        self.assertEqual(self.exchange_trading_pair, sent["symbol"])
        self.assertEqual("Bid" if order.trade_type is TradeType.BUY else "Ask", sent["side"])
        self.assertEqual("Limit", sent["orderType"])
        self.assertEqual(order.amount, Decimal(sent["quantity"]))
        self.assertEqual(order.price, Decimal(sent["price"]))
        self.assertEqual(int(order.client_order_id), sent["clientId"])

    def validate_order_cancelation_request(self, order: InFlightOrder, request_call: RequestCall) -> None:
        sent = json.loads(request_call.kwargs["data"])
        self.assertEqual({"symbol": self.exchange_trading_pair, "orderId": order.exchange_order_id}, sent)

    def validate_order_status_request(self, order: InFlightOrder, request_call: RequestCall) -> None:
        asked = request_call.kwargs["params"]
        if asked is not None:  # the list of open orders is asked for as a whole, the history by order
            self.assertEqual(order.exchange_order_id, asked["orderId"])

    def validate_trades_request(self, order: InFlightOrder, request_call: RequestCall) -> None:
        self.assertEqual(order.exchange_order_id, request_call.kwargs["params"]["orderId"])

    # -- what the venue answers ---------------------------------------------------------------------------------------

    def configure_successful_cancelation_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = nothing
    ) -> str:
        url = url_of(CONSTANTS.CANCEL_ORDER)
        mock_api.delete(url, payload=self.order_row(order, "Cancelled"), callback=callback)
        return url

    def configure_erroneous_cancelation_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = nothing
    ) -> str:
        url = url_of(CONSTANTS.CANCEL_ORDER)
        refusal = {"code": "TRADING_PAUSED", "message": "Trading is paused"}
        mock_api.delete(url, status=400, payload=refusal, callback=callback)
        return url

    def configure_order_not_found_error_cancelation_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = nothing
    ) -> str:
        url = url_of(CONSTANTS.CANCEL_ORDER)
        refusal = {"code": "INVALID_CLIENT_REQUEST", "message": "Order not found"}
        mock_api.delete(url, status=400, payload=refusal, callback=callback)
        return url

    def configure_one_successful_one_erroneous_cancel_all_response(
        self, successful_order: InFlightOrder, erroneous_order: InFlightOrder, mock_api: aioresponses
    ) -> list[str]:
        """Somebody else's order is in the market too, so ours are cancelled one by one."""
        foreign = self.order_row(successful_order, "New") | {"id": "777", "clientId": None}
        ours = [self.order_row(order, "New") for order in (successful_order, erroneous_order)]
        mock_api.get(url_of(CONSTANTS.OPEN_ORDERS), payload=[foreign, *ours])

        def cancel(url: object, **kwargs: Any) -> CallbackResult:
            if json.loads(kwargs["data"])["orderId"] == successful_order.exchange_order_id:
                return CallbackResult(payload=self.order_row(successful_order, "Cancelled"))
            return CallbackResult(status=400, payload={"code": "TRADING_PAUSED", "message": "Trading is paused"})

        url = url_of(CONSTANTS.CANCEL_ORDER)
        mock_api.delete(url, callback=cancel, repeat=True)
        return [url]

    def _configure_records(
        self, mock_api: aioresponses, open_orders: Any, history: Any = None, callback: Callback = nothing
    ) -> list[str]:
        mock_api.get(any_query(CONSTANTS.OPEN_ORDERS), payload=open_orders, callback=callback)
        if history is None:
            return [url_of(CONSTANTS.OPEN_ORDERS)]
        mock_api.get(any_query(CONSTANTS.ORDER_HISTORY), payload=history, callback=callback)
        return [url_of(CONSTANTS.OPEN_ORDERS), url_of(CONSTANTS.ORDER_HISTORY)]

    def configure_completely_filled_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = nothing
    ) -> list[str]:
        return self._configure_records(mock_api, [], [self.history_row(order, "Filled", str(order.amount))], callback)

    def configure_canceled_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = nothing
    ) -> list[str]:
        return self._configure_records(mock_api, [], [self.history_row(order, "Cancelled")], callback)

    def configure_open_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = nothing
    ) -> list[str]:
        return self._configure_records(mock_api, [self.order_row(order, "New")], callback=callback)

    def configure_partially_filled_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = nothing
    ) -> str:
        row = self.order_row(order, "PartiallyFilled", str(self.expected_partial_fill_amount))
        return self._configure_records(mock_api, [row], callback=callback)[0]

    def configure_http_error_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = nothing
    ) -> str:
        mock_api.get(any_query(CONSTANTS.OPEN_ORDERS), status=401, callback=callback)
        return url_of(CONSTANTS.OPEN_ORDERS)

    def configure_order_not_found_error_order_status_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = nothing
    ) -> list[str]:
        mock_api.get(any_query(CONSTANTS.FILL_HISTORY), payload=[])
        return self._configure_records(mock_api, [], [], callback)

    def configure_partial_fill_trade_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = nothing
    ) -> str:
        row = self.fill_row(order, self.expected_partial_fill_price, self.expected_partial_fill_amount)
        mock_api.get(any_query(CONSTANTS.FILL_HISTORY), payload=[row], callback=callback)
        return url_of(CONSTANTS.FILL_HISTORY)

    def configure_full_fill_trade_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = nothing
    ) -> str:
        assert order.price is not None
        row = self.fill_row(order, order.price, order.amount)
        mock_api.get(any_query(CONSTANTS.FILL_HISTORY), payload=[row], callback=callback)
        return url_of(CONSTANTS.FILL_HISTORY)

    def configure_erroneous_http_fill_trade_response(
        self, order: InFlightOrder, mock_api: aioresponses, callback: Callback = nothing
    ) -> str:
        mock_api.get(any_query(CONSTANTS.FILL_HISTORY), status=500, callback=callback)
        return url_of(CONSTANTS.FILL_HISTORY)

    # -- what the private stream brings -------------------------------------------------------------------------------

    def _order_frame(self, name: str, order: InFlightOrder, **changes: Any) -> dict[str, Any]:
        facts = {
            "i": order.exchange_order_id, "c": int(order.client_order_id), "s": self.exchange_trading_pair,
            "S": "Bid" if order.trade_type is TradeType.BUY else "Ask", "q": str(order.amount), "p": str(order.price),
            "o": "LIMIT", "T": NOW_S * 1_000_000, "E": NOW_S * 1_000_000,
        }  # fmt: skip
        return {"stream": "account.orderUpdate", "data": payload(name)["data"] | facts | changes}

    def order_event_for_new_order_websocket_update(self, order: InFlightOrder) -> Any:
        return self._order_frame("ws_order_accepted_limit", order)

    def order_event_for_canceled_order_websocket_update(self, order: InFlightOrder) -> Any:
        return self._order_frame("ws_order_cancelled", order)

    def order_event_for_full_fill_websocket_update(self, order: InFlightOrder) -> Any:
        return self._order_frame(
            "ws_order_fill", order, l=str(order.amount), L=str(order.price), z=str(order.amount), n="0.001",
            N=self.base_asset, t=int(self.expected_fill_trade_id),
        )  # fmt: skip

    def trade_event_for_full_fill_websocket_update(self, order: InFlightOrder) -> None:
        """One frame tells both."""

    # -- overridden ---------------------------------------------------------------------------------------------------

    def _tracked_order(self) -> InFlightOrder:
        self.exchange._set_current_timestamp(NOW_S)
        self.exchange.start_tracking_order(
            order_id="11",
            exchange_order_id=str(self.expected_exchange_order_id),
            trading_pair=self.trading_pair,
            order_type=OrderType.LIMIT,
            trade_type=TradeType.BUY,
            price=Decimal(10000),
            amount=Decimal(1),
        )
        order: InFlightOrder = self.exchange.in_flight_orders["11"]
        return order

    async def _lost_order(self) -> InFlightOrder:
        order = self._tracked_order()
        for _ in range(self.exchange._order_tracker.lost_order_count_limit + 1):
            await self.exchange._order_tracker.process_order_not_found(order.client_order_id)
        self.assertIn(order.client_order_id, self.exchange._order_tracker.lost_orders)
        return order

    async def test_user_stream_balance_update(self) -> None:
        # The base test does nothing unless the connector has been told that balances are streamed.
        self.exchange.real_time_balance_update = True
        await super().test_user_stream_balance_update()

    @aioresponses()
    async def test_cancel_order_not_found_in_the_exchange(self, mock_api: aioresponses) -> None:
        # The base class counts such an answer as "not found" and gives the order up after a few. That it is not open
        # says nothing of its end, which is looked up at once.
        order = self._tracked_order()
        self.configure_order_not_found_error_cancelation_response(order, mock_api)
        self.configure_completely_filled_order_status_response(order, mock_api)
        self.configure_full_fill_trade_response(order, mock_api)

        self.exchange.cancel(self.trading_pair, order.client_order_id)
        await eventually(lambda: order.is_done)

        self.assertTrue(order.is_filled)
        self.assertEqual(1, len(self.buy_order_completed_logger.event_log))
        self.assertEqual(0, len(self.order_cancelled_logger.event_log))
        self.assertEqual({}, self.exchange._order_tracker._order_not_found_records)

    @aioresponses()
    async def test_update_order_status_when_request_fails_marks_order_as_not_found(self, mock_api: Any) -> None:
        # The base class counts every failed request as a sign that the order does not exist.
        order = self._tracked_order()
        url = self.configure_http_error_order_status_response(order, mock_api)

        with self.assertRaises(Rejected):
            await self.exchange._update_order_status()

        self.validate_auth_credentials_present(self._all_executed_requests(mock_api, url)[0])
        self.assertTrue(order.is_open)
        self.assertEqual({}, self.exchange._order_tracker._order_not_found_records)

    @aioresponses()
    async def test_update_order_status_when_filled_correctly_processed_even_when_trade_fill_update_fails(
        self, mock_api: aioresponses
    ) -> None:
        # The base class completes an order whose fills it could not fetch, with an amount of zero. It stays open until
        # they are known.
        order = self._tracked_order()
        self.configure_erroneous_http_fill_trade_response(order, mock_api)
        self.configure_completely_filled_order_status_response(order, mock_api)
        with self.assertRaises(OutcomeUnknown):
            await self.exchange._update_order_status()
        self.assertTrue(order.is_open)
        self.assertEqual(0, len(self.buy_order_completed_logger.event_log))

        self.configure_full_fill_trade_response(order, mock_api)
        self.configure_completely_filled_order_status_response(order, mock_api)
        await self.exchange._update_order_status()
        self.assertTrue(order.is_filled)
        self.assertEqual(Decimal(1), self.buy_order_completed_logger.event_log[0].base_asset_amount)

    @aioresponses()
    async def test_lost_order_included_in_order_fills_update_and_not_in_order_status_update(
        self, mock_api: aioresponses
    ) -> None:
        # The base class looks lost orders' fills up in one loop and their state in another; here the loop for lost
        # orders does both, so that the state is not told before the fills.
        order = await self._lost_order()
        self.configure_completely_filled_order_status_response(order, mock_api)
        self.configure_full_fill_trade_response(order, mock_api)

        await self.exchange._update_lost_orders_status()

        self.assertEqual(self.expected_fill_fee, self.order_filled_logger.event_log[0].trade_fee)
        self.assertEqual(order.amount, self.order_filled_logger.event_log[0].amount)
        self.assertTrue(order.is_done and order.is_failure)
        self.assertEqual(0, len(self.buy_order_completed_logger.event_log))
        self.assertNotIn(order.client_order_id, self.exchange._order_tracker.all_fillable_orders)

    @aioresponses()
    async def test_lost_order_removed_if_not_found_during_order_status_update(self, mock_api: aioresponses) -> None:
        # The base class drops it at the first look. The venue has acknowledged this order, so that none of its records
        # has it is their lag at first.
        order = await self._lost_order()
        self.configure_order_not_found_error_order_status_response(order, mock_api)
        await self.exchange._update_lost_orders_status()
        self.configure_order_not_found_error_order_status_response(order, mock_api)
        await self.exchange._update_lost_orders_status()
        self.assertIn(order.client_order_id, self.exchange._order_tracker.lost_orders)

        self.exchange._doubts.clear()
        with patch.object(backpack_exchange, "ACKNOWLEDGED_GRACE_S", 0.0):
            self.configure_order_not_found_error_order_status_response(order, mock_api)
            await self.exchange._update_lost_orders_status()
            self.assertIn(order.client_order_id, self.exchange._doubts, "one absence is none")
            self.configure_order_not_found_error_order_status_response(order, mock_api)
            await self.exchange._update_lost_orders_status()
            await eventually(lambda: order.client_order_id not in self.exchange._order_tracker.all_fillable_orders)
        self.assertIs(OrderState.FAILED, order.current_state)
        self.assertEqual(0, len(self.buy_order_completed_logger.event_log))
