"""What files adds to pages of others."""

from typing import Any

from files.models import Archive
from orgs.access import Actor


def archives_of(actor: Actor) -> dict[str, Any]:
    """The newest archives, for the owners' page."""
    rows = Archive.objects.visible_to(actor).select_related("file").order_by("-pk")[:5]
    return {"archives": list(rows), "under_way": any(not row.file_id for row in rows)}
