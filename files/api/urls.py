"""Routes of files."""

from rest_framework.routers import SimpleRouter

from files.api.views import FileViewSet

router = SimpleRouter(use_regex_path=False)
router.register("files", FileViewSet, basename="file")
urlpatterns = router.urls
