"""Pages of workflows."""

from django.urls import path

from workflows import control_views, queue_pages, views
from workflows.history import pages
from workflows.triggers import pages as triggers
from workflows.triggers.hook import hook

urlpatterns = [
    path("workflows/", views.workflows, name="workflows"),
    path("workflows/import/", views.import_page, name="workflow_import"),
    path("workflows/<uuid:pk>/", views.workflow, name="workflow"),
    path("workflows/<uuid:pk>/publish/", views.publish, name="workflow_publish"),
    path("workflows/<uuid:pk>/share/", views.share, name="workflow_share"),
    path("workflows/<uuid:pk>/move/", views.move, name="workflow_move"),
    path("workflows/<uuid:pk>/retention/", views.retention, name="workflow_retention"),
    path("workflows/<uuid:pk>/run-policy/", queue_pages.run_policy, name="workflow_run_policy"),
    path("organization/rate-limits/", queue_pages.rate_limits, name="rate_limits"),
    path("organization/rate-limits/<uuid:pk>/", queue_pages.rate_limit, name="rate_limit"),
    path(
        "organization/rate-limits/<uuid:pk>/delete/",
        queue_pages.rate_limit_delete,
        name="rate_limit_delete",
    ),
    path("workflows/<uuid:pk>/triggers/new/<slug:kind>/", triggers.new, name="trigger_new"),
    path("triggers/preview/", triggers.preview, name="trigger_preview"),
    path("triggers/<uuid:pk>/", triggers.trigger, name="trigger"),
    path("triggers/<uuid:pk>/switch/", triggers.switch, name="trigger_switch"),
    path("triggers/<uuid:pk>/fire/", triggers.fire, name="trigger_fire"),
    path("triggers/<uuid:pk>/rotate/", triggers.rotate, name="trigger_rotate"),
    path("triggers/<uuid:pk>/delete/", triggers.delete, name="trigger_delete"),
    path("hooks/<str:secret>/", hook, name="hook"),
    path("workflows/<uuid:pk>/searchable/", pages.searchable, name="workflow_searchable"),
    path("workflows/<uuid:pk>/start/", views.start, name="workflow_start"),
    path("runs/", pages.runs, name="runs"),
    path("runs/statistics/", pages.statistics, name="run_statistics"),
    path("runs/<uuid:pk>/", views.run, name="run"),
    path("runs/<uuid:pk>/timeline/", pages.timeline, name="run_timeline"),
    path("runs/<uuid:pk>/compare/", pages.compare, name="run_compare"),
    path("runs/<uuid:pk>/logs/", pages.logs, name="run_logs"),
    path("runs/<uuid:pk>/result/", views.run_result, name="run_result"),
    path("runs/<uuid:pk>/node/", views.run_node, name="run_node"),
    path("runs/bulk/", control_views.bulks, name="bulks"),
    path("runs/bulk/<uuid:pk>/", control_views.bulk, name="bulk"),
    path("runs/bulk/<uuid:pk>/cancel/", control_views.bulk_cancel, name="bulk_cancel"),
    path("runs/<uuid:pk>/cancel/", control_views.cancel, name="run_cancel"),
    path("runs/<uuid:pk>/control/", control_views.control, name="run_control"),
    path("runs/<uuid:pk>/variables/", control_views.variables, name="run_variables"),
    path("runs/<uuid:pk>/command/", control_views.command, name="run_command"),
]
