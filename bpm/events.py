"""What bpm records."""

from django.utils.translation import gettext_lazy as _

from audit.events import register

register("bpm.task.opened", _("Task opened"), requester=str)
register("bpm.task.claimed", _("Task claimed"))
register("bpm.task.released", _("Task released"))
register("bpm.task.decided", _("Task decided"), outcome=str, decision=str)
register("bpm.task.commented", _("Task commented"), comment=str)
register("bpm.task.cancelled", _("Task cancelled"), reason=str)
