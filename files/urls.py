"""Pages of files."""

from django.urls import path

from files import views

urlpatterns = [
    path("organization/archives/", views.request_archive, name="archive_request"),
    path(
        "organization/archives/<uuid:pk>/download/", views.download_archive, name="archive_download"
    ),
]
