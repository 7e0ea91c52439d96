"""Routes of files."""

from rest_framework.routers import SimpleRouter

from files.api.archives import ArchiveViewSet
from files.api.exports import ExportViewSet
from files.api.views import FileViewSet

router = SimpleRouter(use_regex_path=False)
router.register("files", FileViewSet, basename="file")
router.register("archives", ArchiveViewSet, basename="archive")
router.register("exports", ExportViewSet, basename="export")
urlpatterns = router.urls
