"""Google Cloud Storage: verified downloads and atomic uploads. Use it through `storage`.

Transient failures (429, 5xx, a broken connection, an unreachable service) are retried with back-off
for a minute. Other failures are reported as one line that says what to do.
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
# Per request: the service may be unreachable for a minute at any point of a transfer.
SECONDS = 60.0
RETRY = DEFAULT_RETRY.with_delay(initial=0.5, multiplier=2, maximum=8).with_timeout(SECONDS)
# Memory of an upload; Google's default is 100 MiB.
UPLOAD_CHUNK = 16 << 20
# Larger files are downloaded in slices of this size, this many at a time.
SLICE, WORKERS = 32 << 20, 8
LIST_FIELDS = "items(name),nextPageToken"
LOG_IN = "run `gcloud auth application-default login`, or set GOOGLE_APPLICATION_CREDENTIALS"
ROLE = "give the account the role roles/storage.objectUser on the bucket"


def exists(path: str) -> bool:
    """Return whether there is an object at `path`."""
    with _translated(path):
        return bool(_blob(path).exists(retry=RETRY))


def files_below(folder: str) -> list[str]:
    """List the paths of the objects below `folder`, sorted."""
    bucket, _, name = folder.removeprefix(SCHEME).partition("/")
    prefix = f"{name.rstrip('/')}/" if name else None
    with _translated(folder):
        blobs = _client().list_blobs(bucket, prefix=prefix, fields=LIST_FIELDS, retry=RETRY)
        # Cloud Storage's web console creates empty objects for folders.
        return sorted(f"{SCHEME}{bucket}/{b.name}" for b in blobs if not b.name.endswith("/"))


@contextlib.contextmanager
def open_input(path: str) -> Iterator[BinaryIO]:
    """Download one version of the object at `path`, verify its checksum and open the copy.

    The copy is complete before it is opened: a reader never sees a part, or parts of two versions.
    """
    with tempfile.NamedTemporaryFile(prefix="loan-default-") as copy:
        with _translated(path):
            _download(path, copy.name)
        with open(copy.name, "rb") as stream:
            yield stream


def upload(local: Path, path: str) -> None:
    """Upload the local file to `path` atomically, replacing an earlier object.

    Raises:
        ServiceError: another process replaced the object meanwhile, or the upload failed.
    """
    with _translated(path):
        previous = _stored(path)
        blob, checksum = _blob(path), _crc32c(local)
        blob.chunk_size = UPLOAD_CHUNK

        def send() -> None:
            blob.upload_from_filename(
                str(local),
                # A delayed attempt must not replace a newer object.
                if_generation_match=previous.generation if previous else 0,
                # The service rejects corrupted bytes before they become visible.
                crc32c_checksum_value=checksum,
                retry=RETRY,
            )

        try:
            Retry(_session_lost, initial=1, maximum=8, timeout=SECONDS)(send)()
        except exceptions.PreconditionFailed:
            # An earlier attempt may have succeeded although its response was lost.
            current = _stored(path)
            if current is None or current.crc32c != checksum:
                raise ServiceError(f"{path} was replaced by another process: run again") from None


def check_bucket(path: str) -> None:
    """Check that the bucket of `path` exists and can be reached.

    Permissions are not checked: a role may cover just a folder, which the bucket does not report.

    Raises:
        InputError: `path` names no bucket, there is no such bucket, or credentials are missing.
        ServiceError: Cloud Storage does not respond.
    """
    if not _bucket(path):
        raise InputError(f"{path} names no bucket: write gs://BUCKET/NAME")
    _check(_bucket(path))


def reset_clients() -> None:
    """Drop cached clients so that a changed endpoint takes effect."""
    _client.cache_clear()
    _check.cache_clear()


def translate_error(error: Exception, place: str) -> LoanDefaultError | None:
    """Translate a Cloud Storage exception into an actionable error; None if it is not one."""
    match error:
        case auth.DefaultCredentialsError():
            return _no_credentials(error)
        case auth.RefreshError(retryable=False):
            return InputError(f"Google rejected the credentials ({error.args[0]}): {LOG_IN}")
        case exceptions.Unauthorized():
            return InputError(f"not logged in for {place} ({_reason(error)}): {LOG_IN}")
        case exceptions.Forbidden():
            return InputError(f"no permission for {place} ({_reason(error)}): {ROLE}")
        case exceptions.NotFound():
            advice = "create it (make terraform-apply) or name another"
            return InputError(f"there is no bucket {_bucket(place)}: {advice}")
        case DataCorruption():
            return ServiceError(f"{place} was corrupted in transit: run again")
        case exceptions.RetryError() | auth.GoogleAuthError():
            cause = error.cause if isinstance(error, exceptions.RetryError) else error
            problem = f"{_host(cause)} does not answer for {place} ({_reason(cause)})"
            return ServiceError(f"{problem}: check the network and try again later")
        case exceptions.GoogleAPIError():
            return ServiceError(f"Cloud Storage failed for {place}: {_reason(error)}")
    return None


@contextlib.contextmanager
def _translated(path: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        if translated := translate_error(error, path):
            raise translated from None
        raise


def _no_credentials(error: auth.DefaultCredentialsError) -> LoanDefaultError:
    if key := settings().google_application_credentials:
        reason = str(error.args[0]).rstrip(".")
        return InputError(f"{KEY_FILE}={key!r} is not a service account key: {reason}")
    return InputError(f"no Google credentials: {LOG_IN} to a key file")


def _host(cause: Any) -> str:
    """Return the host that did not respond."""
    if isinstance(cause, auth.TransportError):
        cause = cause.args[0]
    request = getattr(cause, "request", None) or getattr(
        getattr(cause, "response", None), "request", None
    )
    return urlsplit(request.url).netloc if request is not None else "Google"


def _reason(error: Exception) -> str:
    """Return the service's own message if it sent one, without the URL."""
    if isinstance(error, requests.RequestException | auth.TransportError):
        return type(error).__name__
    if not isinstance(error, exceptions.GoogleAPICallError):
        return str(error)
    try:
        return str(error.response.json()["error"]["message"])
    except (AttributeError, LookupError, TypeError, ValueError):
        return f"HTTP {error.code}"


def _session_lost(error: Exception) -> bool:
    """Return whether an upload must be restarted because its session is lost: the service no longer
    knows its progress, or got further than it could report."""
    if not isinstance(error, exceptions.GoogleAPICallError) or error.code not in (400, 404, 410):
        return False
    return error.response is not None and "upload_id=" in error.response.request.url


def _download(path: str, local: str) -> None:
    stored = _stored(path)
    if stored is None:
        raise InputError(f"cannot read {path}: no such object or bucket")
    # Raw bytes: like a local file, a gzipped object is unpacked by its reader.
    options = {"retry": RETRY, "raw_download": True}
    try:
        if stored.size <= SLICE:
            with open(local, "wb") as stream:
                stored.download_to_file(stream, **options)
        else:
            transfer_manager.download_chunks_concurrently(
                stored, local, SLICE, options, worker_type="thread", max_workers=WORKERS
            )
    except exceptions.NotFound:
        raise ServiceError(f"{path} was replaced while it was read: run again") from None


@lru_cache(maxsize=8)
def _check(bucket: str) -> None:
    with _translated(SCHEME + bucket), contextlib.suppress(exceptions.Forbidden):
        _client().bucket(bucket).test_iam_permissions(["storage.objects.create"], retry=RETRY)


def _stored(path: str) -> Any:
    """Return the current object at `path` with its generation fixed; None if there is none."""
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
            raise InputError(f"{KEY_FILE}={key!r}: there is no such file")
        # For Google's libraries, which do not read .env, also when MLflow calls them.
        os.environ[KEY_FILE] = key
    # Turns off telemetry requests about the bucket, which this account may not make.
    os.environ.setdefault("DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA", "true")
    # Objects are addressed by bucket, so no project is needed.
    return storage.Client(project=None)
