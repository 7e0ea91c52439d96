"""What files records."""

from django.utils.translation import gettext_lazy as _

from audit.events import register, register_refusal

register("files.file.stored", _("File stored"), kind=str, size=int, sha256=str)
register("files.file.deleted", _("File deleted"), kind=str, size=int, sha256=str)
register_refusal("files.file.refused", _("File refused"), error=str, signature=str, reason=str)
register("files.export.started", _("Export started"), source=str, format=str, filters=dict)
register("files.export.finished", _("Export finished"), source=str, rows=int, file=str)
register("files.export.cancelled", _("Export cancelled"), source=str)
register("files.export.downloaded", _("Export downloaded"), source=str, file=str)
register_refusal("files.export.failed", _("Export failed"), source=str, error=str)
register("files.archive.requested", _("Archive asked for"), rows=int, size=int)
register("files.archive.written", _("Archive written"), rows=int, size=int)
register("files.archive.fetched", _("Archive fetched"))
register("files.archive.expired", _("Archive expired"))
