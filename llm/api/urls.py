"""Routes of llm."""

from rest_framework.routers import SimpleRouter

from llm.api.views import ModelViewSet, ProviderViewSet

router = SimpleRouter()
router.register("models", ModelViewSet, basename="model")
router.register("providers", ProviderViewSet, basename="provider")
urlpatterns = router.urls
