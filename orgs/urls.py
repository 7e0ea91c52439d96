"""Pages of orgs."""

urlpatterns: list[object] = []
