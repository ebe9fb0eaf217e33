"""The markets that are listed by default, with filters as recorded from the venue where a recording exists."""

from decimal import Decimal

from .model import Market

SOL_USDC = Market(  # recorded 2025 (ccxt's fixtures)
    symbol="SOL_USDC", base="SOL", quote="USDC",
    tick_size=Decimal("0.01"), step_size=Decimal("0.01"),
    min_price=Decimal("0.01"), min_quantity=Decimal("0.01"),
    min_multiplier=Decimal("0.75"), max_multiplier=Decimal("1.25"),
    min_impact_multiplier=Decimal("0.97"), max_impact_multiplier=Decimal("1.03"),
    mean_mark_price_band=(Decimal("0.9"), Decimal("1.15")),
    created_at="2025-01-21T06:34:54.691858",
)

ETH_USDC = Market(  # recorded 2025 (ccxt's fixtures)
    symbol="ETH_USDC", base="ETH", quote="USDC",
    tick_size=Decimal("0.01"), step_size=Decimal("0.0001"),
    min_price=Decimal("0.01"), min_quantity=Decimal("0.0001"),
    min_multiplier=Decimal("0.75"), max_multiplier=Decimal("1.25"),
    min_impact_multiplier=Decimal("0.98"), max_impact_multiplier=Decimal("1.02"),
    mean_mark_price_band=(Decimal("0.92"), Decimal("1.07")),
    created_at="2025-01-21T06:34:54.691858",
)

BTC_USDC = Market(  # spot filters were not recorded: tick, step and impact of BTC_USDC_PERP, 2026-10-02
    symbol="BTC_USDC", base="BTC", quote="USDC",
    tick_size=Decimal("0.1"), step_size=Decimal("0.00001"),
    min_price=Decimal("0.1"), min_quantity=Decimal("0.00001"), max_price=Decimal("1000000"),
    min_multiplier=Decimal("0.25"), max_multiplier=Decimal("2"),
    min_impact_multiplier=Decimal("0.99"), max_impact_multiplier=Decimal("1.01"),
    mean_mark_price_band=(Decimal("0.96"), Decimal("1.04")),
    created_at="2025-01-21T06:34:54.691858",
)

USDT_USDC = Market(  # free of fees on the venue; its filters were not recorded and are chosen here
    symbol="USDT_USDC", base="USDT", quote="USDC",
    tick_size=Decimal("0.0001"), step_size=Decimal("0.1"),
    min_price=Decimal("0.0001"), min_quantity=Decimal("0.1"),
    min_multiplier=Decimal("0.75"), max_multiplier=Decimal("1.25"),
    min_impact_multiplier=Decimal("0.98"), max_impact_multiplier=Decimal("1.02"),
    fees_waived=True,
    created_at="2025-01-21T06:34:54.691858",
)

DEFAULT_MARKETS = (SOL_USDC, BTC_USDC, ETH_USDC, USDT_USDC)
