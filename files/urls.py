"""Pages of files."""

from django.urls import path

from files import views

urlpatterns = [
    path("exports/", views.exports, name="exports"),
    path("exports/<uuid:pk>/", views.export, name="export"),
    path("exports/<uuid:pk>/cancel/", views.cancel, name="export_cancel"),
    path("exports/<uuid:pk>/download/", views.download, name="export_download"),
]
