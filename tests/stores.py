"""An S3 server of our own on loopback, and what it was asked for."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

# Before pyarrow's S3 begins: it would ask the network for the credentials of a cloud's machine.
os.environ["AWS_EC2_METADATA_DISABLED"] = "true"

import pyarrow.fs as pa_fs

__all__ = ["S3", "SECRET", "s3_server", "unused_port"]

KEY, SECRET = "AKIDEXAMPLE", "sekrit/+with=signs"


@dataclass
class S3:
    """A server with one bucket, ``plant``."""

    address: str
    system: pa_fs.S3FileSystem
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, range

    def put(self, path: str, data: bytes) -> None:
        """Write an object."""
        with self.system.open_output_stream(path) as file:
            file.write(data)

    def uri(self, path: str, key: str = KEY, secret: str = SECRET) -> str:
        """Return the URI of a path, with credentials."""
        user = f"{quote(key, safe='')}:{quote(secret, safe='')}"
        more = f"endpoint_override={self.address}&scheme=http&region=us-east-1"
        return f"s3://{user}@{path}?{more}"

    @property
    def options(self) -> dict[str, str]:
        """Options of s3fs for this server."""
        return {"key": KEY, "secret": SECRET, "endpoint_url": f"http://{self.address}"}


@contextmanager
def s3_server() -> Iterator[S3]:
    """Yield a server, with a port that the system chose."""
    from moto.server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        address = f"{host}:{port}"
        system = pa_fs.S3FileSystem(
            access_key=KEY,
            secret_key=SECRET,
            endpoint_override=address,
            scheme="http",
            region="us-east-1",
            allow_bucket_creation=True,
        )
        system.create_dir("plant")
        found = S3(address, system)
        _listen(server, found.asked)
        yield found
    finally:
        server.stop()


def _listen(server: Any, asked: list[tuple[str, str, str]]) -> None:
    """Keep the method, path and range of each request."""
    app = server._server.app

    def listening(environ: dict[str, Any], start: Any) -> Any:
        asked.append(
            (environ["REQUEST_METHOD"], environ["PATH_INFO"], environ.get("HTTP_RANGE", ""))
        )
        return app(environ, start)

    server._server.app = listening


def unused_port() -> int:
    """Return a port on which nothing listens."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
