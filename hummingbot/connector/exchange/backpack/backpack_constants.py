"""What is fixed about Backpack: its addresses, its calls (one table), its limits and this connector's patience."""

from dataclasses import dataclass

from hummingbot.core.api_throttler.data_types import LinkedLimitWeightPair, RateLimit
from hummingbot.core.web_assistant.connections.data_types import RESTMethod

EXCHANGE_NAME = "backpack"
DEFAULT_DOMAIN = EXCHANGE_NAME
LOCAL_DOMAIN = "backpack_local"

REST_URL = "https://api.backpack.exchange"
WS_URL = "wss://ws.backpack.exchange"
# Local exchanges (python -m hummingbot.connector.exchange.backpack.simulator) listen here, unless the variable of their
# name (BACKPACK_LOCAL_URL) tells otherwise. The second is for strategies between two exchanges.
LOCAL_URLS = {LOCAL_DOMAIN: "http://127.0.0.1:8787", "backpack_local_2": "http://127.0.0.1:8788"}

# -- limits (api-doc/NOTES.md, "Rate limits") -------------------------------------------------------------------------

MINUTE_S = 60.0
REQUESTS_PER_MINUTE = 2000  # per subaccount, over all ordinary calls
HISTORICAL_PER_MINUTE = 30  # per subaccount, candles and trades by range
# Ours: whatever the queries do, this much is left for placing and cancelling; whatever placing does, for cancelling.
RESERVED_FOR_TRADING = 500
RESERVED_FOR_CANCELS = 200

ALL = "all requests"
QUERIES = "queries"
ORDERS = "orders"
CANCELS = "cancels"
HISTORICAL = "historical market data"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One call. ``instruction`` names it in the signed text, "" if public; ``pool`` is the limit it draws on."""

    method: RESTMethod
    path: str
    instruction: str = ""
    pool: str = QUERIES

    @property
    def limit_id(self) -> str:
        return f"{self.method.name} {self.path}"

    @property
    def is_private(self) -> bool:
        return bool(self.instruction)


TIME = Endpoint(RESTMethod.GET, "/api/v1/time")
MARKETS = Endpoint(RESTMethod.GET, "/api/v1/markets")
TICKERS = Endpoint(RESTMethod.GET, "/api/v1/tickers")
DEPTH = Endpoint(RESTMethod.GET, "/api/v1/depth")
ACCOUNT = Endpoint(RESTMethod.GET, "/api/v1/account", "accountQuery")
CAPITAL = Endpoint(RESTMethod.GET, "/api/v1/capital", "balanceQuery")
LEND_POSITIONS = Endpoint(RESTMethod.GET, "/api/v1/borrowLend/positions", "borrowLendPositionQuery")
PLACE_ORDER = Endpoint(RESTMethod.POST, "/api/v1/order", "orderExecute", ORDERS)
PLACE_ORDERS = Endpoint(RESTMethod.POST, "/api/v1/orders", "orderExecute", ORDERS)
CANCEL_ORDER = Endpoint(RESTMethod.DELETE, "/api/v1/order", "orderCancel", CANCELS)
CANCEL_ORDERS = Endpoint(RESTMethod.DELETE, "/api/v1/orders", "orderCancelAll", CANCELS)
OPEN_ORDERS = Endpoint(RESTMethod.GET, "/api/v1/orders", "orderQueryAll")
ORDER_HISTORY = Endpoint(RESTMethod.GET, "/wapi/v1/history/orders", "orderHistoryQueryAll")
FILL_HISTORY = Endpoint(RESTMethod.GET, "/wapi/v1/history/fills", "fillHistoryQueryAll")

ENDPOINTS = (
    TIME, MARKETS, TICKERS, DEPTH, ACCOUNT, CAPITAL, LEND_POSITIONS, PLACE_ORDER, PLACE_ORDERS, CANCEL_ORDER,
    CANCEL_ORDERS, OPEN_ORDERS, ORDER_HISTORY, FILL_HISTORY,
)  # fmt: skip

SUBSCRIBE_INSTRUCTION = "subscribe"

# Orders in one request: nobody is known to have sent more (api-doc/NOTES.md, "Orders").
ORDERS_PER_REQUEST = 20

_POOLS = {
    ALL: REQUESTS_PER_MINUTE,
    QUERIES: REQUESTS_PER_MINUTE - RESERVED_FOR_TRADING,
    ORDERS: REQUESTS_PER_MINUTE - RESERVED_FOR_CANCELS,
    CANCELS: REQUESTS_PER_MINUTE,
}


def _rate_limits() -> list[RateLimit]:
    pools = [RateLimit(limit_id=pool, limit=limit, time_interval=MINUTE_S) for pool, limit in _POOLS.items()]
    calls = [
        RateLimit(
            limit_id=endpoint.limit_id,
            limit=_POOLS[endpoint.pool],
            time_interval=MINUTE_S,
            linked_limits=[LinkedLimitWeightPair(endpoint.pool), LinkedLimitWeightPair(ALL)],
        )
        for endpoint in ENDPOINTS
    ]
    return pools + calls


RATE_LIMITS = _rate_limits()

# -- patience, seconds ------------------------------------------------------------------------------------------------

# A request without an answer; its outcome is then unknown.
REQUEST_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 10.0
# An order that had to wait for the rate budget for longer is not sent: its price would be old.
LONGEST_WAIT_OF_AN_ORDER_S = 5.0
CLOSE_TIMEOUT_S = 1.0
# How long a signed request stays valid: the venue refuses it afterwards, so it cannot be executed later.
SIGNATURE_WINDOW_MS = 5000
# Market data without a message: the owner's choice.
STALE_AFTER_S = 120.0
# A book that cannot be vouched for stays visible this long, for a reconnect or a new snapshot to mend it.
EMPTY_BOOK_AFTER_S = 10.0
# Our own websocket pings; a missing pong (aiohttp waits half of this) means a dead connection.
HEARTBEAT_S = 20.0
# The answer to the ping that follows a subscription: after it, the subscription has been read by the venue.
SUBSCRIBE_TIMEOUT_S = 10.0

MAX_FRAME_BYTES = 4 * 2**20
MAX_BODY_BYTES = 32 * 2**20

HISTORY_PAGE = 1000  # rows; the venue's maximum

MAX_CLIENT_ORDER_ID_LENGTH = 10  # digits of a uint32
