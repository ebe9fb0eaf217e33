"""The interface documents in ``api-doc/`` as checks: every answer and every frame must be what they say."""

from pathlib import Path
from typing import Any

import yaml
from openapi_schema_validator import OAS31Validator

from test.hummingbot.connector.exchange.backpack.simulator.trader import Reply

API_DOC = Path(__file__).parents[6] / "api-doc"
OPENAPI: dict[str, Any] = yaml.safe_load((API_DOC / "openapi.yaml").read_text(encoding="utf-8"))
ASYNCAPI: dict[str, Any] = yaml.safe_load((API_DOC / "asyncapi.yaml").read_text(encoding="utf-8"))


def check(schema: dict[str, Any], document: dict[str, Any], value: Any, where: str) -> None:
    """Raise AssertionError unless the value is what the schema of the document says."""
    errors = list(OAS31Validator(schema | {"components": document["components"]}).iter_errors(value))
    assert not errors, f"{where}: " + "; ".join(f"{error.json_path}: {error.message[:300]}" for error in errors)


def resolved(node: dict[str, Any], document: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        target: Any = document
        for part in node["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        node = target
    return node


def check_reply(reply: Reply) -> None:
    """Status, content type, headers and body of one REST answer."""
    where = f"{reply.method} {reply.path} {reply.status}"
    operation = OPENAPI["paths"][reply.path][reply.method.lower()]
    assert str(reply.status) in operation["responses"], f"{where}: undocumented status, {reply.text[:200]}"
    response = resolved(operation["responses"][str(reply.status)], OPENAPI)
    for header, definition in response.get("headers", {}).items():
        check(definition["schema"], OPENAPI, int(reply.headers[header]), f"{where} {header}")
    if "content" not in response:
        assert reply.text == "", f"{where}: expected no body"
        return
    kind = reply.headers["Content-Type"].split(";")[0]
    assert kind in response["content"], f"{where}: undocumented content type {kind}"
    value = reply.json if kind == "application/json" else reply.text
    check(response["content"][kind]["schema"], OPENAPI, value, where)
    if kind == "application/json":
        assert keys_sorted(value), f"{where}: keys are not sorted"
    if (reply.method, reply.path, reply.status) == ("POST", "/api/v1/orders", 200):
        for result in value:
            if result.pop("operation") == "Ok":
                check({"$ref": "#/components/schemas/Order"}, OPENAPI, result, where)


def check_frame(frame: dict[str, Any]) -> str:
    """One websocket frame; returns the name of the message that it is."""
    if "error" in frame:
        name = "Error"
        check({"$ref": "#/components/schemas/Error"}, ASYNCAPI, frame, "error frame")
    else:
        assert list(frame) == ["data", "stream"], f"envelope {list(frame)}"
        name = message_of(frame["stream"])
        check({"$ref": f"#/components/schemas/{name}"}, ASYNCAPI, frame["data"], frame["stream"])
        assert keys_sorted(frame["data"]), f"{frame['stream']}: keys are not sorted"
    return name


def message_of(stream: str) -> str:
    """Which message the document has for a stream name."""
    parts = stream.split(".")
    for channel in ASYNCAPI["channels"].values():
        pattern = channel["address"].split(".")
        fits = len(pattern) == len(parts) and all(
            want == is_ or want.startswith("{") for want, is_ in zip(pattern, parts, strict=True)
        )
        if fits:
            (message,) = channel["messages"]
            return str(message)
    raise AssertionError(f"no channel for the stream {stream}")


def keys_sorted(value: Any) -> bool:
    if isinstance(value, dict):
        return list(value) == sorted(value) and all(keys_sorted(one) for one in value.values())
    return not isinstance(value, list) or all(keys_sorted(one) for one in value)
