"""Under /accounts/oidc/: the way out and back, per connection. allauth includes these."""

from django.urls import path

from accounts.sso import views

urlpatterns = [
    path("sso/", views.start, name="sso_start"),
    path("sso/confirm/", views.confirm, name="sso_confirm"),
    path("oidc/<uuid:provider_id>/logout/", views.end_by_provider, name="sso_provider_logout"),
    path("oidc/<uuid:provider_id>/login/", views.login, name="openid_connect_login"),
    path("oidc/<uuid:provider_id>/login/callback/", views.callback, name="openid_connect_callback"),
]
