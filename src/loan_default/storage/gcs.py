"""Google Cloud Storage behind `storage`, its only importer: whole, verified files in and out.

What can pass (429, 5xx, a connection that breaks, a service that is away) is tried again with
back-off for a minute; what cannot is one line that says what to do.
"""

import base64
import contextlib
import os
import tempfile
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import google_crc32c
import requests
from google.api_core import exceptions
from google.api_core.retry import Retry
from google.auth import exceptions as auth
from google.cloud import storage
from google.cloud.storage import transfer_manager
from google.cloud.storage.exceptions import DataCorruption
from google.cloud.storage.retry import DEFAULT_RETRY

from loan_default.errors import InputError, LoanDefaultError, ServiceError
from loan_default.settings import settings

SCHEME = "gs://"
KEY_FILE = "GOOGLE_APPLICATION_CREDENTIALS"
# Each request on its own: so a service may be away for a minute at any point of a transfer.
SECONDS = 60.0
RETRY = DEFAULT_RETRY.with_delay(initial=0.5, multiplier=2, maximum=8).with_timeout(SECONDS)
# What an upload holds in memory; Google's default is 100 MiB.
UPLOAD_CHUNK = 16 << 20
# Larger files are fetched in slices of this size, so many at once.
SLICE, WORKERS = 32 << 20, 8
LISTED = "items(name),nextPageToken"
LOG_IN = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
ROLE = "give the account the role roles/storage.objectUser on the bucket"


def exists(path: str) -> bool:
    """Whether there is an object at `path`."""
    with _explained(path):
        return bool(_blob(path).exists(retry=RETRY))


def files_below(folder: str) -> list[str]:
    """The paths of the objects below `folder`, sorted."""
    bucket, _, name = folder.removeprefix(SCHEME).partition("/")
    prefix = f"{name.rstrip('/')}/" if name else None
    with _explained(folder):
        blobs = _client().list_blobs(bucket, prefix=prefix, fields=LISTED, retry=RETRY)
        # Cloud Storage's own pages make empty objects for folders.
        return sorted(f"{SCHEME}{bucket}/{b.name}" for b in blobs if not b.name.endswith("/"))


@contextlib.contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """The bytes that lay at `path` at one moment, checked against its checksum.

    They are fetched into a temporary file first: no reader sees a part, or parts of two versions.
    """
    with tempfile.NamedTemporaryFile(prefix="loan-default-") as copy:
        with _explained(path):
            _download(path, copy.name)
        with open(copy.name, "rb") as stream:
            yield stream


def upload(local: Path, path: str) -> None:
    """Make the local file appear at `path` in one step, replacing what was there."""
    with _explained(path):
        found = _found(path)
        blob, checksum = _blob(path), _crc32c(local)
        blob.chunk_size = UPLOAD_CHUNK

        def send() -> None:
            blob.upload_from_filename(
                str(local),
                # A try that arrives late replaces nothing that was written after it.
                if_generation_match=found.generation if found else 0,
                # The service itself refuses other bytes, before anybody sees them.
                crc32c_checksum_value=checksum,
                retry=RETRY,
            )

        try:
            Retry(_session_lost, initial=1, maximum=8, timeout=SECONDS)(send)()
        except exceptions.PreconditionFailed:
            # Ours, where an earlier try arrived and only the answer was lost.
            now = _found(path)
            if now is None or now.crc32c != checksum:
                raise ServiceError(f"{path} was replaced by somebody else: run again") from None


def check_bucket(path: str) -> None:
    """Raise what stands in the way of all writing to the bucket of `path`: no credentials, no such
    bucket, a service that does not answer.

    Not a missing permission: a role may hold for a folder, which asking the bucket does not show.
    """
    if not _bucket(path):
        raise InputError(f"{path} names no bucket: write gs://BUCKET/NAME")
    _check(_bucket(path))


def reset_clients() -> None:
    """Take the environment anew, for a service that lies elsewhere now."""
    _client.cache_clear()
    _check.cache_clear()


def translate_error(error: Exception, place: str) -> LoanDefaultError | None:
    """What a failure means and what to do, None where it is none of Cloud Storage's."""
    match error:
        case auth.DefaultCredentialsError():
            return _no_credentials(error)
        case auth.RefreshError(retryable=False):
            return InputError(f"Google refuses the credentials ({error.args[0]}): {LOG_IN}")
        case exceptions.Unauthorized():
            return InputError(f"not logged in for {place} ({_reason(error)}): {LOG_IN}")
        case exceptions.Forbidden():
            return InputError(f"no permission for {place} ({_reason(error)}): {ROLE}")
        case exceptions.NotFound():
            make = "make it (make terraform-apply), or name another"
            return InputError(f"there is no bucket {_bucket(place)}: {make}")
        case DataCorruption():
            return ServiceError(f"{place} came through damaged: run again")
        case exceptions.RetryError() | auth.GoogleAuthError():
            cause = error.cause if isinstance(error, exceptions.RetryError) else error
            said = f"{_host(cause)} does not answer for {place} ({_reason(cause)})"
            return ServiceError(f"{said}: look at the network and try again later")
        case exceptions.GoogleAPIError():
            return ServiceError(f"Cloud Storage failed for {place}: {_reason(error)}")
    return None


@contextlib.contextmanager
def _explained(path: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if meaning := translate_error(error, path):
            raise meaning from None
        raise


def _no_credentials(error: auth.DefaultCredentialsError) -> LoanDefaultError:
    if key := settings().google_application_credentials:
        why = str(error.args[0]).rstrip(".")
        return InputError(f"{KEY_FILE}={key!r} is no key of a service account: {why}")
    return InputError(f"no Google credentials: {LOG_IN} to a key file")


def _host(cause: Any) -> str:
    """The host that was asked, in vain."""
    if isinstance(cause, auth.TransportError):
        cause = cause.args[0]
    request = getattr(cause, "request", None) or getattr(
        getattr(cause, "response", None), "request", None
    )
    return urlsplit(request.url).netloc if request is not None else "Google"


def _reason(error: Exception) -> str:
    """The service's own words, where it has any, without the address that was asked."""
    if isinstance(error, requests.RequestException | auth.TransportError):
        return type(error).__name__
    if not isinstance(error, exceptions.GoogleAPICallError):
        return str(error)
    try:
        return str(error.response.json()["error"]["message"])
    except (AttributeError, LookupError, TypeError, ValueError):
        return f"HTTP {error.code}"


def _session_lost(error: Exception) -> bool:
    """Whether an upload cannot go on where it was, but can begin anew: the service has forgotten
    how far it had come, or got further than it could say."""
    if not isinstance(error, exceptions.GoogleAPICallError) or error.code not in (400, 404, 410):
        return False
    return error.response is not None and "upload_id=" in error.response.request.url


def _download(path: str, local: str) -> None:
    found = _found(path)
    if found is None:
        raise InputError(f"cannot read {path}: no such object or bucket")
    # As stored: what was uploaded gzipped is unpacked by its reader, like a local file.
    options = {"retry": RETRY, "raw_download": True}
    try:
        if found.size <= SLICE:
            with open(local, "wb") as stream:
                found.download_to_file(stream, **options)
        else:
            transfer_manager.download_chunks_concurrently(
                found, local, SLICE, options, worker_type="thread", max_workers=WORKERS
            )
    except exceptions.NotFound:
        raise ServiceError(f"{path} was replaced while it was read: run again") from None


@lru_cache(maxsize=8)
def _check(bucket: str) -> None:
    with _explained(SCHEME + bucket), contextlib.suppress(exceptions.Forbidden):
        _client().bucket(bucket).test_iam_permissions(["storage.objects.create"], retry=RETRY)


def _found(path: str) -> Any:
    """The object at `path` as it is now (its generation is fixed), None where there is none."""
    bucket, name = _split(path)
    return _client().bucket(bucket).get_blob(name, retry=RETRY)


def _blob(path: str) -> Any:
    bucket, name = _split(path)
    return _client().bucket(bucket).blob(name)


def _bucket(path: str) -> str:
    return path.removeprefix(SCHEME).partition("/")[0]


def _split(path: str) -> tuple[str, str]:
    bucket, _, name = path.removeprefix(SCHEME).partition("/")
    if not bucket or not name:
        raise InputError(f"{path} names no object: write gs://BUCKET/NAME")
    return bucket, name


def _crc32c(local: Path) -> str:
    checksum = google_crc32c.Checksum()
    with open(local, "rb") as stream:
        for _ in checksum.consume(stream, 1 << 20):
            pass
    return base64.b64encode(checksum.digest()).decode("ascii")


@lru_cache(maxsize=1)
def _client() -> storage.Client:
    if key := settings().google_application_credentials:
        if not Path(key).is_file():
            raise InputError(f"{KEY_FILE}={key!r}: there is no such key file")
        # Where Google's libraries look, also when MLflow uses them; .env does not reach them.
        os.environ[KEY_FILE] = key
    # Else it asks about the bucket in the background, for telemetry, which this account may not.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    # No project: objects are named by their bucket.
    return storage.Client(project=None)
