"""Pages of files."""

from django.urls import path

from files import archive_views, views

urlpatterns = [
    path("organization/archives/", archive_views.request_archive, name="archive_request"),
    path(
        "organization/archives/<uuid:pk>/download/",
        archive_views.download_archive,
        name="archive_download",
    ),
    path("exports/", views.exports, name="exports"),
    path("exports/<uuid:pk>/", views.export, name="export"),
    path("exports/<uuid:pk>/cancel/", views.cancel, name="export_cancel"),
    path("exports/<uuid:pk>/download/", views.download, name="export_download"),
]
