"""One interface to local and gs:// paths; writes are atomic."""

from loan_default.storage.files import (
    PARTIAL,
    REMOTE,
    atomic_file,
    check_target,
    digest,
    exists,
    files_below,
    is_remote,
    join,
    open_input,
    publish,
    read_text,
    translate_error,
    work_folder,
    write_text,
)

__all__ = [
    "PARTIAL",
    "REMOTE",
    "atomic_file",
    "check_target",
    "digest",
    "exists",
    "translate_error",
    "files_below",
    "is_remote",
    "join",
    "open_input",
    "publish",
    "read_text",
    "work_folder",
    "write_text",
]
