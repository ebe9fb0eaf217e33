"""What Hummingbot asks of every connector at start-up: keys, fees, domains. Each start imports it: keep it light."""

from decimal import Decimal

from pydantic import ConfigDict, Field, SecretStr

from hummingbot.client.config.config_data_types import BaseConnectorConfigMap
from hummingbot.core.data_type.trade_fee import TradeFeeSchema

CENTRALIZED = True
EXAMPLE_PAIR = "SOL-USDC"

# The first spot tier, until the account's own is known. A buyer pays in what he receives, the base asset.
DEFAULT_FEES = TradeFeeSchema(
    maker_percent_fee_decimal=Decimal("0.0008"),
    taker_percent_fee_decimal=Decimal("0.0010"),
    buy_percent_fee_deducted_from_returns=True,
)


def _key_field(prompt: str) -> SecretStr:
    field: SecretStr = Field(
        default=...,
        json_schema_extra={"prompt": prompt, "is_secure": True, "is_connect_key": True, "prompt_on_new": True},
    )
    return field


class BackpackConfigMap(BaseConnectorConfigMap):
    """No field but those of Hummingbot's own connector: it has to read the file when this one is uninstalled."""

    connector: str = "backpack"
    backpack_api_key: SecretStr = _key_field(
        "Enter your Backpack API key (backpack.exchange > Settings > API Keys; blank: demo mode, no real money)"
    )
    backpack_api_secret: SecretStr = _key_field("Enter your Backpack API secret (blank: demo mode)")
    model_config = ConfigDict(title="backpack")


KEYS = BackpackConfigMap.model_construct()


class BackpackLocalConfigMap(BaseConnectorConfigMap):
    connector: str = "backpack_local"
    backpack_local_api_key: SecretStr = _key_field("Enter an API key of your local exchange (printed at its start)")
    backpack_local_api_secret: SecretStr = _key_field("Enter the API secret that belongs to it")
    model_config = ConfigDict(title="backpack_local")


class BackpackLocal2ConfigMap(BaseConnectorConfigMap):
    connector: str = "backpack_local_2"
    backpack_local_2_api_key: SecretStr = _key_field("Enter an API key of your second local exchange")
    backpack_local_2_api_secret: SecretStr = _key_field("Enter the API secret that belongs to it")
    model_config = ConfigDict(title="backpack_local_2")


OTHER_DOMAINS_KEYS = {
    "backpack_local": BackpackLocalConfigMap.model_construct(),
    "backpack_local_2": BackpackLocal2ConfigMap.model_construct(),
}
OTHER_DOMAINS = list(OTHER_DOMAINS_KEYS)
OTHER_DOMAINS_PARAMETER = {domain: domain for domain in OTHER_DOMAINS}
OTHER_DOMAINS_EXAMPLE_PAIR = dict.fromkeys(OTHER_DOMAINS, EXAMPLE_PAIR)
OTHER_DOMAINS_DEFAULT_FEES = dict.fromkeys(OTHER_DOMAINS, DEFAULT_FEES)
