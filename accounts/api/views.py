"""A person's own account: no organization is asked, so it opens even where one locks them out."""

from __future__ import annotations

from typing import Any

from allauth.headless.spec.internal.schema import get_schema
from allauth.usersessions.models import UserSession
from django.db.models import QuerySet
from django.http import HttpRequest, JsonResponse
from django.views.decorators.http import require_GET
from drf_spectacular.utils import (
    OpenApiExample,
    OpenApiParameter,
    extend_schema,
    extend_schema_view,
)
from rest_framework import mixins, serializers, status, viewsets
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from accounts.actions import close_account, end_other_sessions, end_session, save_preferences
from accounts.api.serializers import (
    AccountSerializer,
    ChangeAccountSerializer,
    SecurityEventSerializer,
    SessionSerializer,
)
from accounts.errors import PersonRequired
from accounts.models import SecurityEvent, User
from accounts.reauthentication import require_confirmed, session_behind
from core.conditions import ConditionalView
from core.schema import refusal

ACCOUNT = OpenApiExample(
    "A person",
    response_only=True,
    value={
        "id": "0192f0c1-0000-7000-8000-000000000001",
        "email": "ada@northwind.example",
        "name": "Ada Lovelace",
        "language": "en",
        "time_zone": "Europe/London",
        "date_joined": "2026-01-31T12:00:00Z",
        "second_factor": True,
        "notifications": {"membership": True, "key_expiry": False},
    },
)
CHANGE = OpenApiExample(
    "Another time zone",
    request_only=True,
    value={"time_zone": "Asia/Shanghai", "muted": ["key_expiry"]},
)
SESSION = OpenApiExample(
    "A browser",
    value={
        "id": 7,
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        "ip": "203.0.113.9",
        "created_at": "2026-01-31T12:00:00Z",
        "last_seen_at": "2026-01-31T12:30:00Z",
        "current": True,
    },
)
EVENT = OpenApiExample(
    "A sign-in",
    value={
        "id": 42,
        "kind": "signed_in",
        "at": "2026-01-31T12:00:00Z",
        "ip": "203.0.113.9",
        "user_agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0",
        "data": {"ways": ["password", "totp"]},
        "trace_id": "0af7651916cd43dd8448eb211c80319c",
    },
)
AGAIN = refusal("reauthentication_required", "Confirm that it is you, then try again.")
LAST = refusal(
    "last_owner", "Hand over your organizations first.", organizations=[{"name": "Northwind"}]
)


@require_GET
def headless_schema(request: HttpRequest) -> JsonResponse:
    """The OpenAPI document of everything under `auth/`, drawn up by allauth."""
    return JsonResponse(get_schema())


class EndedSerializer(serializers.Serializer[Any]):
    ended = serializers.IntegerField()


class PersonsOwn(ConditionalView):
    """Mixin: people alone, never a key. What it reads starts from `self.person`."""

    person: User
    kwargs: dict[str, Any]

    def lock_rows(self) -> None:
        """The session that is named, else the person's own row."""
        if self.kwargs:
            super().lock_rows()
        else:
            User.objects.select_for_update().get(pk=self.person.pk)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)  # type: ignore[misc]
        if not isinstance(request.user, User):
            raise PersonRequired("An account belongs to a person, not to a key.")
        self.person = request.user
        self.take_conditions(request)


class AccountView(PersonsOwn, APIView):
    """The caller's own account."""

    @extend_schema(responses=AccountSerializer, examples=[ACCOUNT])
    def get(self, request: Request) -> Response:
        return Response(AccountSerializer(self.person).data)

    @extend_schema(
        request=ChangeAccountSerializer, responses=AccountSerializer, examples=[CHANGE, ACCOUNT]
    )
    def patch(self, request: Request) -> Response:
        form = ChangeAccountSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        return Response(
            AccountSerializer(save_preferences(user=self.person, **form.validated_data)).data
        )

    @extend_schema(
        summary="Close the account for good",
        responses={204: None, 403: AGAIN, 409: LAST},
    )
    def delete(self, request: Request) -> Response:
        """Ends all sessions, tokens and factors, and forgets name and address."""
        require_confirmed(request)
        close_account(user=self.person)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema_view(list=extend_schema(summary="List sessions, newest first", examples=[SESSION]))
class SessionViewSet(PersonsOwn, mixins.ListModelMixin, viewsets.GenericViewSet[UserSession]):
    """Where the person is signed in, by browser or program."""

    serializer_class = SessionSerializer
    queryset = UserSession.objects.none()

    def get_queryset(self) -> QuerySet[UserSession]:
        return UserSession.objects.filter(user=self.person)

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "current": self._current()}

    def _current(self) -> str | None:
        session = session_behind(self.request)
        return session.session_key if session is not None else None

    @extend_schema(
        operation_id="account_sessions_end",
        summary="End a session and its tokens",
        parameters=[OpenApiParameter("id", int, OpenApiParameter.PATH)],
        responses={204: None, 403: AGAIN},
    )
    def destroy(self, request: Request, pk: str) -> Response:
        """Needs a password, factor or sign-on of the last five minutes."""
        require_confirmed(request)
        end_session(user=self.person, session_id=pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        operation_id="account_sessions_end_others",
        summary="End all other sessions",
        responses={200: EndedSerializer, 403: AGAIN},
        examples=[OpenApiExample("Two were open", value={"ended": 2})],
    )
    def end_others(self, request: Request) -> Response:
        """Needs a password, factor or sign-on of the last five minutes."""
        require_confirmed(request)
        return Response({"ended": end_other_sessions(user=self.person, keep=self._current())})


@extend_schema_view(
    list=extend_schema(summary="List security events, newest first", examples=[EVENT])
)
class SecurityEventViewSet(
    PersonsOwn, mixins.ListModelMixin, viewsets.GenericViewSet[SecurityEvent]
):
    """What happened to the account. Never changed."""

    serializer_class = SecurityEventSerializer
    queryset = SecurityEvent.objects.none()

    def get_queryset(self) -> QuerySet[SecurityEvent]:
        return SecurityEvent.objects.of_user(self.person.pk)
