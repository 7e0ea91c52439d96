"""Files that really lie in the storage."""

from files.actions import store_file


def file_of(actor, content=b"hello", **changes):
    given = {"name": "note.txt", "content_type": "text/plain", "kind": "test"} | changes
    return store_file(actor=actor, content=content, **given)
