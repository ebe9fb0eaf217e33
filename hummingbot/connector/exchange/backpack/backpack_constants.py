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
HISTORICAL_PER_MINUTE = 30  # per subaccount, candles and trades by range: a budget of its own
# Ours: whatever the others do, each class finds this much of the account's budget left. Cancels may use all of it.
RESERVED_FOR_CANCELS = 200
RESERVED_FOR_ORDERS = 500
RESERVED_FOR_QUERIES = 100

ALL = "all requests"
ALL_BUT_CANCELS = "all requests but cancels"
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
# Hummingbot's candle feed, when it shares this connector's throttler, names its calls by their paths.
HISTORICAL_PATHS = ("/api/v1/klines", "/api/v1/trades/history")
STATUS_PATH = "/api/v1/status"

_POOLS = {
    ALL: REQUESTS_PER_MINUTE,
    ALL_BUT_CANCELS: REQUESTS_PER_MINUTE - RESERVED_FOR_CANCELS,
    QUERIES: REQUESTS_PER_MINUTE - RESERVED_FOR_CANCELS - RESERVED_FOR_ORDERS,
    ORDERS: REQUESTS_PER_MINUTE - RESERVED_FOR_CANCELS - RESERVED_FOR_QUERIES,
    CANCELS: REQUESTS_PER_MINUTE,
    HISTORICAL: HISTORICAL_PER_MINUTE,
}
_DRAWS_ON = {
    QUERIES: (QUERIES, ALL_BUT_CANCELS, ALL),
    ORDERS: (ORDERS, ALL_BUT_CANCELS, ALL),
    CANCELS: (CANCELS, ALL),
    HISTORICAL: (HISTORICAL,),
}


def _rate_limits() -> list[RateLimit]:
    pools = [RateLimit(limit_id=pool, limit=limit, time_interval=MINUTE_S) for pool, limit in _POOLS.items()]
    calls = {endpoint.limit_id: endpoint.pool for endpoint in ENDPOINTS}
    calls |= dict.fromkeys(HISTORICAL_PATHS, HISTORICAL) | {STATUS_PATH: QUERIES}
    return pools + [
        RateLimit(
            limit_id=limit_id,
            limit=_POOLS[pool],
            time_interval=MINUTE_S,
            linked_limits=[LinkedLimitWeightPair(drawn_on) for drawn_on in _DRAWS_ON[pool]],
        )
        for limit_id, pool in calls.items()
    ]


RATE_LIMITS = _rate_limits()

# Connections that each class of calls may keep busy, so that stalled ones of another class are in nobody's way. Orders
# share requests; cancels may have to go one by one. 100 requests at once to a server that answers after 50 ms, none
# connected yet: 0.49 s over 16, 0.41 s over 32, 0.69 s over 100, for the handshakes (measured, 2026-11-26).
CONNECTIONS = {QUERIES: 16, ORDERS: 16, CANCELS: 32}

# -- patience, seconds ------------------------------------------------------------------------------------------------

# A request without an answer; its outcome is then unknown.
REQUEST_TIMEOUT_S = 10.0
CONNECT_TIMEOUT_S = 10.0
# A connection that is not there by then: nothing was sent. Below REQUEST_TIMEOUT_S, after which that is not known.
REACH_TIMEOUT_S = 5.0
# An order that had to wait for its turn for longer is not sent: its price would be old.
LONGEST_WAIT_OF_AN_ORDER_S = 5.0
# An answer so recent says that the venue can be reached.
REACHED_S = 10.0
# An idle connection is used again for so long. It outlives the quiet between two polls; and home routers and clouds
# forget silently what was idle for longer (the first of them after four minutes), which would cost an order its answer.
KEEP_ALIVE_S = 180.0
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
