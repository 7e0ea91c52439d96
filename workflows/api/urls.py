"""Routes of workflows."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from workflows.api.bulk import BulkViewSet
from workflows.api.history import RunHistoryViewSet, SearchableViewSet
from workflows.api.queueing import RateLimitViewSet, RunPolicyView
from workflows.api.sharing import GrantsView
from workflows.api.streams import stream_run, stream_runs
from workflows.api.triggers import TriggerViewSet
from workflows.api.views import RunViewSet, VersionViewSet, WorkflowViewSet

router = SimpleRouter(use_regex_path=False)
router.register("workflows", WorkflowViewSet, basename="workflow")
router.register("versions", VersionViewSet, basename="version")
router.register("runs/bulk", BulkViewSet, basename="bulk")
router.register("runs", RunViewSet, basename="run")
router.register("rate-limits", RateLimitViewSet, basename="rate-limit")
router.register("triggers", TriggerViewSet, basename="trigger")
router.register("workflows", SearchableViewSet, basename="workflow-search")
router.register("runs", RunHistoryViewSet, basename="run-history")
urlpatterns = [
    path("workflows/<uuid:pk>/grants/", GrantsView.as_view(), name="workflow-grants"),
    path("workflows/<uuid:pk>/run-policy/", RunPolicyView.as_view(), name="workflow-run-policy"),
    path("runs/stream/", stream_runs, name="runs-stream"),
    path("runs/<uuid:pk>/stream/", stream_run, name="run-stream"),
    *router.urls,
]
