"""Pages of llm."""

from django.urls import path

from llm import views

urlpatterns = [
    path("models/", views.models, name="models"),
    path("models/new/", views.new_model, name="model_new"),
    path("models/<uuid:pk>/", views.edit_model, name="model_edit"),
    path("models/<uuid:pk>/delete/", views.remove_model, name="model_delete"),
    path("models/providers/new/", views.new_provider, name="provider_new"),
    path("models/providers/<uuid:pk>/", views.edit_provider, name="provider_edit"),
    path("models/providers/<uuid:pk>/delete/", views.remove_provider, name="provider_delete"),
    path("models/providers/<uuid:pk>/check/", views.try_provider, name="provider_check"),
]
