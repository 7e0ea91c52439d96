"""Every write of files: keeping contents, and exports made in the background."""

from files.actions.admitting import admit_file, hand_out
from files.actions.exports import (
    cancel_export,
    download_export,
    expire_exports,
    hand_back_exports,
    run_export,
    start_export,
)
from files.actions.storing import (
    DEFAULT_LIMIT,
    delete_file,
    display_name,
    open_file,
    store_file,
)

__all__ = [
    "DEFAULT_LIMIT",
    "admit_file",
    "cancel_export",
    "delete_file",
    "display_name",
    "download_export",
    "expire_exports",
    "hand_back_exports",
    "hand_out",
    "open_file",
    "run_export",
    "start_export",
    "store_file",
]
