#!/usr/bin/env python3
"""What docs/api.md uses of grpcurl, for machines without it: the same arguments and the same JSON.

Messages come from the package's stubs, and the list of services from the server's reflection, v1.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import grpc
from google.protobuf import json_format

from acclimate import service

REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"
LIST_SERVICES = b"\x3a\x00"  # field 7 of ServerReflectionRequest, empty


def requests(text: str, kind: Any) -> Iterator[Any]:
    decoder = json.JSONDecoder()
    text = text.strip()
    while text:
        value, end = decoder.raw_decode(text)
        yield json_format.ParseDict(value, kind())
        text = text[end:].strip()


def main(arguments: list[str]) -> None:
    arguments.remove("-plaintext")
    data = "{}"
    if "-d" in arguments:
        at = arguments.index("-d")
        data = arguments[at + 1]
        del arguments[at : at + 2]
    address, wanted = arguments
    channel = grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)])
    if wanted == "list":
        answer = next(channel.stream_stream(REFLECTION)(iter([LIST_SERVICES])))
        print("\n".join(part.decode() for part in answer.split(b"\n") if b"." in part))
        return
    method = next(
        m
        for m in vars(service).values()
        if isinstance(m, service.Method) and m.path == f"/{wanted}"
    )
    sends = wanted.endswith("/WriteUpload")
    gives = wanted.endswith(("/WatchJob", "/ReadBlob"))
    kind = {
        (False, False): channel.unary_unary,
        (True, False): channel.stream_unary,
        (False, True): channel.unary_stream,
    }[sends, gives]
    call = kind(
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.response.FromString,
    )
    given = requests(sys.stdin.read() if data == "@" else data, method.request)
    answer = call(given if sends else next(given))
    for message in answer if gives else [answer]:
        print(json_format.MessageToJson(message))


if __name__ == "__main__":
    main(sys.argv[1:])
