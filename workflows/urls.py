"""Pages of workflows."""

from django.urls import path

from workflows import views
from workflows.history import pages

urlpatterns = [
    path("workflows/", views.workflows, name="workflows"),
    path("workflows/import/", views.import_page, name="workflow_import"),
    path("workflows/<uuid:pk>/", views.workflow, name="workflow"),
    path("workflows/<uuid:pk>/publish/", views.publish, name="workflow_publish"),
    path("workflows/<uuid:pk>/share/", views.share, name="workflow_share"),
    path("workflows/<uuid:pk>/move/", views.move, name="workflow_move"),
    path("workflows/<uuid:pk>/retention/", views.retention, name="workflow_retention"),
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
    path("runs/<uuid:pk>/cancel/", views.cancel, name="run_cancel"),
]
