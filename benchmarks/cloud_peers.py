"""Cloud Storage clients to compare with the platform's, and a service for each: the peers of
`cloud_clients.py`.

`CLIENT` alone on the command line writes and reads the file `large`, and prints the peak memory of
this process in MiB (Linux).
"""

import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import quote, unquote

from measured import ROOT

sys.path.append(str(ROOT / "tests" / "helpers"))

from cloud_storage import BUCKET, HOST, Emulator, Relay, reached_at, relay  # noqa: E402

NAME = "folder/file.bin"
PATH = f"{BUCKET}/{NAME}"
Move = Callable[[Path], None]


# The clients: each returns how to write a local file to PATH, replacing the object that was there
# when the write began and no newer one if the client can tell, and how to read PATH into a file.


def here() -> tuple[Move, Move]:
    """Return the platform's client."""
    from loan_default.storage import files

    def get(local: Path) -> None:
        with files.open_input(PATH) as stream:
            os.replace(stream.name, local)
            # The temporary file is removed at the end of the block
            Path(stream.name).touch()

    return lambda local: files.publish(local, PATH), get


def cloudpathlib() -> tuple[Move, Move]:
    """Return cloudpathlib, which has no preconditions."""
    from cloudpathlib import GSClient

    path = GSClient().CloudPath(PATH)
    put: Move = lambda local: path.upload_from(local, force_overwrite_to_cloud=True)
    return put, path.download_to


def gcsfs() -> tuple[Move, Move]:
    """Return gcsfs, whose only precondition is that there is no object yet."""
    # Otherwise it asks over gRPC for the type of the bucket and waits for minutes
    os.environ["GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT"] = "false"
    from gcsfs import GCSFileSystem

    bucket = GCSFileSystem(token="anon", endpoint_url=os.environ[HOST], consistency="md5")
    return lambda local: bucket.put_file(str(local), PATH), lambda local: bucket.get_file(
        PATH, local
    )


def obstore() -> tuple[Move, Move]:
    """Return obstore, whose conditional write is one request from memory."""
    from obstore import get, head, put
    from obstore.store import GCSStore

    nobody = {"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True}
    store = GCSStore(
        BUCKET.removeprefix("gs://"),
        service_account_key=json.dumps(nobody | {"gcs_base_url": os.environ[HOST]}),
        client_options={"allow_http": True},
        retry_config={"retry_timeout": timedelta(seconds=60)},
    )

    def write(local: Path) -> None:
        try:
            found = head(store, NAME)
        except FileNotFoundError:
            put(store, NAME, local, mode="create")
        else:
            put(store, NAME, local, mode={"e_tag": found["e_tag"], "version": found["version"]})

    def read(local: Path) -> None:
        with local.open("wb") as stream:
            stream.writelines(get(store, NAME).stream())

    return write, read


CLIENTS = {"here": here, "cloudpathlib": cloudpathlib, "gcsfs": gcsfs, "obstore": obstore}


# The service


class XmlFront(BaseHTTPRequestHandler):
    """Speak the XML protocol in front of the emulator, with the relay's troubles."""

    relay: Relay

    def do_GET(self) -> None:
        """Answer with the object or with a range of it."""
        status, _, told = self.relay.ask("GET", f"/storage/v1{object_path(self.path)}", None, {})
        media = f"/download/storage/v1{object_path(self.path)}?alt=media"
        trouble = self.relay.trouble(media)
        if trouble or status != 200:
            self._answer(trouble[0] if trouble else status)
            return
        _, _, content = self.relay.ask("GET", media, None, {})
        if self.relay.damage:
            content = bytes([content[0] ^ 1]) + content[1:]
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        first, last = (int(asked[1]), asked[2]) if asked else (0, "")
        end = int(last) + 1 if last else len(content)
        given = {"Content-Range": f"bytes {first}-{end - 1}/{len(content)}"} if asked else {}
        self._answer(206 if asked else 200, content[first:end], json.loads(told), given)

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        """Replace the object if its generation is the expected one."""
        body = self.rfile.read(int(self.headers["Content-Length"]))
        begin = f"/upload/storage/v1/b/loans/o?uploadType=media&name={self.path.split('/', 2)[2]}"
        if trouble := self.relay.trouble(begin):
            self._answer(trouble[0])
            return
        self.relay.on_upload()
        wanted = self.headers.get("x-goog-if-generation-match")
        condition = json.dumps({"name": unquote(self.path.split("/", 2)[2])}).encode()
        if wanted and self.relay.outdated(
            "POST", f"{begin}&ifGenerationMatch={wanted}", condition, {}
        ):
            self._answer(412)
            return
        body = self.relay.received("upload_id=", body)
        hashes = (self.headers.get("Content-MD5"), self.headers.get("x-goog-hash"))
        assert not any(hashes), "the service would compare them"
        _, _, told = self.relay.ask("POST", begin, body, {})
        if self.relay.loses("PUT"):
            self.close_connection = True
            return
        self._answer(200, b"", json.loads(told))

    def _answer(
        self,
        status: int,
        content: bytes = b"",
        about: dict[str, str] | None = None,
        more: dict[str, str] | None = None,
    ) -> None:
        self.send_response(status)
        about = about or {"etag": "", "generation": "0"}
        headers = {
            "ETag": f'"{about["etag"]}"',
            "x-goog-generation": about["generation"],
            "Last-Modified": "Wed, 25 Nov 2026 00:00:00 GMT",
            "Content-Length": str(len(content)),
        }
        for name, value in (headers | (more or {})).items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            cut = self.relay.cuts(len(content))
            self.wfile.write(content[: len(content) // 2] if cut else content)
            self.close_connection = cut

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def object_path(path: str) -> str:
    """Return the path in the JSON protocol for `/BUCKET/NAME` in the XML protocol."""
    _, bucket, name = path.split("/", 2)
    return f"/b/{bucket}/o/{quote(unquote(name), safe='')}"


@contextmanager
def service(emulator: Emulator, client: str) -> Iterator[Relay]:
    """Yield the relay through which the client reaches the emulator."""
    with relay(emulator) as passing:
        if client != "obstore":
            yield passing
            return
        front = type("Front", (XmlFront,), {"relay": passing})
        with ThreadingHTTPServer(("127.0.0.1", 0), front) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            with reached_at(f"http://127.0.0.1:{server.server_port}"):
                yield passing
            server.shutdown()


def move(client: str) -> None:
    """Write the file `large` twice, read it back, and print the peak memory."""
    put, get = CLIENTS[client]()
    for _ in range(2):
        put(Path("large"))
    get(Path("copy"))
    assert Path("copy").stat().st_size == Path("large").stat().st_size
    (peak,) = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
    print(int(peak.split()[1]) >> 10)


if __name__ == "__main__":
    move(sys.argv[1])
