"""JSON shapes of files."""

from rest_framework import serializers

from files.models import StoredFile


class StoredFileSerializer(serializers.ModelSerializer[StoredFile]):
    class Meta:
        model = StoredFile
        fields = ("id", "name", "content_type", "size", "sha256", "kind", "created_at")
        read_only_fields = fields


class FileQuerySerializer(serializers.Serializer[None]):
    """What a list can be narrowed by."""

    kind = serializers.CharField(required=False, max_length=40)
