"""Another venue's book, held in ours by an account of the rest of the world, with users' orders among it.

The queue is conservative: what the venue shows at a price when a user's order joins it stays ahead of the user.
Where the venue's level grows, the growth queues up behind; where it shrinks, the youngest part is taken away
first (a cancelled order may have been behind the user's), so only trades bring a user's order forward.

A venue's trade is repeated by an incoming order at its price and quantity: it meets users' better-priced orders
first, then the level's queue. A level of the venue that reaches into a user's resting order trades with it.
What users take out of a replicated level is missing there until the venue reports that level again.
"""

from collections.abc import Iterable
from decimal import Decimal

from .market import Participant
from .matching import Exchange
from .model import ZERO, Level, Order, Side, TimeInForce


class Replica:
    """Keeps one market's book equal to what a venue reports, but for what users do to it.

    It does so in every state of the market; whether users may trade meanwhile is for the source to decide.
    """

    def __init__(self, exchange: Exchange, symbol: str, makers: Participant, takers: Participant) -> None:
        self._exchange = exchange
        self._market = exchange.market(symbol)
        self._makers = makers
        self._takers = takers
        self._queues: dict[tuple[Side, Decimal], list[Order]] = {}

    def replace(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Take over a whole book: what it does not show is removed."""
        gone: dict[Side, list[Level]] = {Side.BID: [], Side.ASK: []}
        shown = {Side.BID: dict(bids), Side.ASK: dict(asks)}
        for side, price in self._queues:
            if price not in shown[side]:
                gone[side].append((price, ZERO))
        self.update(gone[Side.BID] + list(shown[Side.BID].items()), gone[Side.ASK] + list(shown[Side.ASK].items()))

    def update(self, bids: Iterable[Level], asks: Iterable[Level]) -> None:
        """Set levels to absolute quantities, zero removes. What shrinks goes first, lest the book cross itself."""
        growing: list[tuple[Side, Decimal, Decimal]] = []
        for side, levels in ((Side.BID, bids), (Side.ASK, asks)):
            for price, quantity in levels:
                missing = quantity - self._shown(side, price)
                if missing > 0:
                    growing.append((side, price, missing))
                else:
                    self._shrink(side, price, -missing)
        for side, price, quantity in growing:
            order = self._makers.submit(self._market, side, price, quantity, TimeInForce.GTC, mirrored=True)
            if order is not None and order.status.is_open:
                self._queues.setdefault((side, price), []).append(order)

    def trade(self, price: Decimal, quantity: Decimal, *, is_buyer_maker: bool) -> None:
        """Repeat a trade of the venue's."""
        aggressor = Side.ASK if is_buyer_maker else Side.BID
        self._takers.submit(self._market, aggressor, price, quantity, TimeInForce.IOC, mirrored=True)

    def _shown(self, side: Side, price: Decimal) -> Decimal:
        """What of the venue's level is in our book."""
        queue = [order for order in self._queues.get((side, price), ()) if order.status.is_open]
        if queue:
            self._queues[side, price] = queue
        else:
            self._queues.pop((side, price), None)
        return sum((order.remaining for order in queue), ZERO)

    def _shrink(self, side: Side, price: Decimal, quantity: Decimal) -> None:
        queue = self._queues.get((side, price), [])
        while quantity:
            youngest = queue[-1]
            if quantity < youngest.remaining:
                self._exchange.reduce(youngest.id, quantity)
                return
            quantity -= youngest.remaining
            self._makers.cancel(queue.pop())
        if not queue:
            self._queues.pop((side, price), None)
