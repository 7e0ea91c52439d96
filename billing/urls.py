"""Pages of billing: usage and wallet."""

from django.urls import path

from billing import views

urlpatterns = [
    path("usage/", views.usage, name="usage"),
    path("usage/top-up/", views.top_up, name="wallet_top_up"),
]
