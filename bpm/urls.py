"""Pages of bpm."""

from django.urls import path

from bpm import views

urlpatterns = [
    path("inbox/", views.inbox, name="inbox"),
    path("inbox/list/", views.inbox_list, name="inbox_list"),
    path("inbox/<uuid:pk>/", views.inbox_task, name="inbox_task"),
    path("inbox/<uuid:pk>/claim/", views.inbox_claim, name="inbox_claim"),
    path("inbox/<uuid:pk>/release/", views.inbox_release, name="inbox_release"),
    path("inbox/<uuid:pk>/decide/", views.inbox_decide, name="inbox_decide"),
    path("inbox/<uuid:pk>/comment/", views.inbox_comment, name="inbox_comment"),
]
