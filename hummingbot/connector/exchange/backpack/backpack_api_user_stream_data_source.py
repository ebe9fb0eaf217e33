"""The private stream: orders, and balances where the venue offers them."""

import asyncio
from dataclasses import dataclass

from hummingbot.connector.exchange.backpack import backpack_constants as CONSTANTS
from hummingbot.connector.exchange.backpack.backpack_stream import BackpackStream, Refused, Subscribed
from hummingbot.connector.exchange.backpack.backpack_web_utils import BackpackAPIFactory
from hummingbot.connector.exchange.backpack.backpack_websocket import BackpackWebSocket
from hummingbot.connector.exchange.backpack.errors import StreamLost, is_about_the_clock
from hummingbot.connector.exchange.backpack.wire import Frame, read_private_frame
from hummingbot.core.data_type.user_stream_tracker_data_source import UserStreamTrackerDataSource

ORDERS = "account.orderUpdate"
BALANCES = "account.balanceUpdate"
INVALID_STREAM = 4006  # the code for a stream that is not offered (api-doc/NOTES.md, "Streams")


@dataclass(frozen=True, slots=True)
class Resumed:
    """The stream stands (again): what happened before it has to be asked of REST."""

    with_balances: bool


@dataclass(frozen=True, slots=True)
class Interrupted:
    """The stream is gone: from now on things happen unseen."""


class BackpackAPIUserStreamDataSource(UserStreamTrackerDataSource):
    """Puts into its queue a ``Resumed``, then frames as ``{"stream": .., "data": ..}``, then an ``Interrupted``."""

    def __init__(self, api_factory: BackpackAPIFactory, domain: str = CONSTANTS.DEFAULT_DOMAIN):
        super().__init__()
        self._api_factory = api_factory
        self._stream = BackpackStream(f"{domain} private", api_factory, self.logger(), read_private_frame)
        self._refusal_told = False

    @property
    def last_recv_time(self) -> float:
        """Seconds; 0 until the venue has taken the subscription: Hummingbot then polls REST often, and is not ready."""
        return super().last_recv_time if self._stream.is_live else 0

    async def _connected_websocket_assistant(self) -> BackpackWebSocket:
        return await self._stream.connect()

    async def _subscribe_channels(self, websocket_assistant: BackpackWebSocket) -> None:
        await self._stream.subscribe(websocket_assistant, ORDERS, [ORDERS], signed=True)

    async def _process_websocket_messages(
        self, websocket_assistant: BackpackWebSocket, queue: asyncio.Queue[object]
    ) -> None:
        def pass_on(frame: Frame) -> None:
            queue.put_nowait({"stream": frame.stream, "data": frame.data})

        try:
            async for answer in self._stream.answers(websocket_assistant, pass_on):
                match answer:
                    case Subscribed(name=name) if name == ORDERS:
                        await self._stream.subscribe(websocket_assistant, BALANCES, [BALANCES], signed=True)
                    case Subscribed():
                        self._go_live(queue, with_balances=True)
                    case Refused(name=name, refusal=refusal) if name != BALANCES or refusal.code != INVALID_STREAM:
                        # Also one that came after its pong: the orders are not to be thought of as watched.
                        await self._on_refusal(answer)
                    case Refused():
                        self.logger().warning(
                            "The venue refused %s (%s): balances are polled instead", BALANCES, answer
                        )
                        self._go_live(queue, with_balances=False)
        except Exception as error:
            raise self._stream.lost(error) from None
        finally:
            queue.put_nowait(Interrupted())

    async def _on_user_stream_interruption(self, websocket_assistant: BackpackWebSocket | None) -> None:
        self._stream.end()
        await super()._on_user_stream_interruption(websocket_assistant)

    async def _on_refusal(self, refused: Refused) -> None:
        """Either the clock is wrong, which is mended before the next attempt, or the key is, which a person must do."""
        await self._api_factory.correct_clock()
        if not is_about_the_clock(refused.refusal.message) and not self._refusal_told:
            self._refusal_told = True
            self.logger().error(
                "The venue refused %s: %s. Check the API key and secret (`connect backpack`).", ORDERS, refused
            )
        raise StreamLost(f"{ORDERS} was refused: {refused}")

    def _go_live(self, queue: asyncio.Queue[object], with_balances: bool) -> None:
        self._refusal_told = False
        self._stream.live()
        queue.put_nowait(Resumed(with_balances))
