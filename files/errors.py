"""Reasons the file service says no."""

from http import HTTPStatus

from core.errors import Conflict, DomainError


class FileTooLarge(DomainError):
    code = "file_too_large"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE


class FileGone(DomainError):
    """The row is there, its content is not: lost or taken away behind our back."""

    code = "file_gone"
    status = HTTPStatus.GONE


class StorageUnavailable(DomainError):
    """The disk or the object store does not answer; worth another try later."""

    code = "storage_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class FileInfected(DomainError):
    """`detail.signature` names what the scanner found."""

    code = "file_infected"
    status = HTTPStatus.UNPROCESSABLE_ENTITY


class ScannerUnavailable(DomainError):
    """A scanner is configured and gives no verdict; without one nothing comes in or goes out."""

    code = "scanner_unavailable"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class ArchiveUnderWay(Conflict):
    """One archive of an organization is written at a time."""

    code = "archive_under_way"


class ExportFinished(DomainError):
    """The export is done, failed or cancelled; there is nothing left to cancel."""

    code = "export_finished"


class ExportNotReady(DomainError):
    """The export has no file yet, or not any more."""

    code = "export_not_ready"


class TooManyExports(DomainError):
    """The organization has as many under way as it may."""

    code = "too_many_exports"
