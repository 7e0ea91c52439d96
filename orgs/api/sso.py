"""Sign-on through the organization's own identity provider, over HTTP."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field, extend_schema_view
from rest_framework import mixins, serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.sso.identities import identities_of
from accounts.sso.provider import callback_url, logout_url
from core.schema import refusal
from orgs import actions
from orgs.actions.sso_domains import proof_url
from orgs.api.access import OrgViewSet
from orgs.api.examples import sso as examples
from orgs.models import Role, SsoConnection, SsoDomain
from orgs.models.sso import LONGEST_HOURS

ROLES = [choice for choice in Role.choices if choice[0] != Role.OWNER]


class SsoDomainSerializer(serializers.ModelSerializer[SsoDomain]):
    proof_url = serializers.SerializerMethodField(help_text="Where the proof is looked for.")
    token = serializers.CharField(read_only=True, help_text="The line the proof has to hold.")

    class Meta:
        model = SsoDomain
        fields = ("id", "connection", "domain", "token", "proof_url", "verified_at", "created_at")
        read_only_fields = fields

    @extend_schema_field(serializers.URLField())
    def get_proof_url(self, row: SsoDomain) -> str:
        return proof_url(row.domain)


class SsoConnectionSerializer(serializers.ModelSerializer[SsoConnection]):
    secret_hint = serializers.SerializerMethodField(
        help_text="The end of the stored secret; the secret itself is never given out."
    )
    redirect_uri = serializers.SerializerMethodField(
        help_text="What the identity provider has to know as this client's redirect address."
    )
    logout_uri = serializers.SerializerMethodField(
        help_text="Where the provider may end sessions (OpenID Connect Back-Channel Logout)."
    )
    role_map = serializers.DictField(child=serializers.CharField())

    class Meta:
        model = SsoConnection
        fields = (
            "id", "name", "issuer", "client_id", "secret_hint", "scopes", "role_claim", "role_map",
            "default_role", "max_age_hours", "enabled", "enforced", "redirect_uri", "logout_uri",
            "created_at", "updated_at",
        )  # fmt: skip
        read_only_fields = fields

    def get_secret_hint(self, row: SsoConnection) -> str:
        return str(row.client_secret)

    @extend_schema_field(serializers.URLField())
    def get_redirect_uri(self, row: SsoConnection) -> str:
        return callback_url(row.pk)

    @extend_schema_field(serializers.URLField())
    def get_logout_uri(self, row: SsoConnection) -> str:
        return logout_url(row.pk)


class ChangeConnectionSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80, required=False)
    issuer = serializers.CharField(max_length=300, required=False)
    client_id = serializers.CharField(max_length=200, required=False)
    client_secret = serializers.CharField(
        max_length=500, required=False, allow_blank=True, write_only=True
    )
    scopes = serializers.CharField(max_length=200, required=False)
    role_claim = serializers.CharField(max_length=80, required=False, allow_blank=True)
    role_map = serializers.DictField(child=serializers.CharField(), required=False)
    default_role = serializers.ChoiceField(choices=ROLES, required=False)
    max_age_hours = serializers.IntegerField(
        required=False,
        min_value=1,
        max_value=LONGEST_HOURS,
        help_text="Between two sign-ins at the provider; sessions made by it last no longer.",
    )
    enforced = serializers.BooleanField(required=False)


class CreateConnectionSerializer(ChangeConnectionSerializer):
    name = serializers.CharField(max_length=80)
    issuer = serializers.CharField(max_length=300)
    client_id = serializers.CharField(max_length=200)
    enforced = None  # type: ignore[assignment]  # only once a domain is proven


class SsoCheckedSerializer(serializers.Serializer[Any]):
    issuer = serializers.CharField()
    authorization_endpoint = serializers.CharField()
    token_endpoint = serializers.CharField()
    keys = serializers.IntegerField(help_text="How many keys it publishes.")


class AddDomainSerializer(serializers.Serializer[Any]):
    connection = serializers.UUIDField()
    domain = serializers.CharField(max_length=253)


class SsoIdentitySerializer(serializers.Serializer[Any]):
    """Which identity of a provider a person is."""

    id = serializers.IntegerField()
    connection = serializers.UUIDField(source="provider")
    subject = serializers.CharField(source="uid")
    user = serializers.UUIDField(source="user_id")
    email = serializers.EmailField(source="user.email")
    linked_at = serializers.DateTimeField(source="date_joined")
    last_sign_in_at = serializers.DateTimeField(source="last_login")


@extend_schema_view(
    list=extend_schema(summary="List connections", examples=[examples.CONNECTION]),
    retrieve=extend_schema(summary="Show a connection", examples=[examples.CONNECTION]),
)
class SsoConnectionViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Connections to OpenID Connect providers of the organization."""

    serializer_class = SsoConnectionSerializer
    verbs = {"*": "org.manage"}
    queryset = SsoConnection.objects.none()

    def get_queryset(self) -> QuerySet[SsoConnection]:
        return SsoConnection.objects.of(self.actor.organization_id)

    @extend_schema(
        summary="Create a connection",
        request=CreateConnectionSerializer,
        responses={201: SsoConnectionSerializer},
        examples=[examples.CREATE_CONNECTION, examples.CONNECTION],
    )
    def create(self, request: Request) -> Response:
        form = CreateConnectionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = actions.create_connection(actor=self.actor, **form.validated_data)
        return Response(SsoConnectionSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Change a connection",
        request=ChangeConnectionSerializer,
        responses=SsoConnectionSerializer,
        examples=[examples.CHANGE_CONNECTION, examples.CONNECTION],
    )
    def partial_update(self, request: Request, pk: str) -> Response:
        """Another issuer ends links, sessions and proofs of domains; another client id, links."""
        form = ChangeConnectionSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = actions.update_connection(
            actor=self.actor, connection_id=self.get_object().pk, **form.validated_data
        )
        return Response(SsoConnectionSerializer(row).data)

    @extend_schema(
        summary="Delete a connection",
        responses={204: None, 404: refusal("not_found", "There is no such connection.")},
    )
    def destroy(self, request: Request, pk: str) -> Response:
        """With its domains and links; the sessions it made end, the people stay members."""
        actions.delete_connection(actor=self.actor, connection_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(
        summary="Switch a connection on",
        request=None,
        responses=SsoConnectionSerializer,
        examples=[examples.CONNECTION],
    )
    @action(detail=True, methods=["post"])
    def enable(self, request: Request, pk: str) -> Response:
        return self._switch(enabled=True)

    @extend_schema(
        summary="Switch a connection off",
        request=None,
        responses=SsoConnectionSerializer,
        examples=[examples.CONNECTION],
    )
    @action(detail=True, methods=["post"])
    def disable(self, request: Request, pk: str) -> Response:
        """The sessions it made end at once."""
        return self._switch(enabled=False)

    def _switch(self, *, enabled: bool) -> Response:
        row = actions.switch_connection(
            actor=self.actor, connection_id=self.get_object().pk, enabled=enabled
        )
        return Response(SsoConnectionSerializer(row).data)

    @extend_schema(
        summary="Try a connection's provider",
        request=None,
        responses={
            200: SsoCheckedSerializer,
            502: refusal("sso_provider_unfit", "The identity provider does not fit.", reason="…"),
        },
        examples=[examples.CHECKED],
    )
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: str) -> Response:
        """Fetches the provider's document and keys."""
        found = actions.check_connection(actor=self.actor, connection_id=self.get_object().pk)
        return Response(SsoCheckedSerializer(found).data)


@extend_schema_view(
    list=extend_schema(summary="List domains", examples=[examples.DOMAIN]),
    retrieve=extend_schema(summary="Show a domain", examples=[examples.DOMAIN]),
)
class SsoDomainViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, OrgViewSet):
    """Mail domains. A connection vouches for addresses of proven ones alone."""

    serializer_class = SsoDomainSerializer
    verbs = {"*": "org.manage"}
    queryset = SsoDomain.objects.none()

    def get_queryset(self) -> QuerySet[SsoDomain]:
        return SsoDomain.objects.of(self.actor.organization_id)

    @extend_schema(
        summary="Add a domain",
        request=AddDomainSerializer,
        responses={
            201: SsoDomainSerializer,
            404: refusal("not_found", "There is no such connection."),
        },
        examples=[examples.ADD_DOMAIN, examples.DOMAIN],
    )
    def create(self, request: Request) -> Response:
        form = AddDomainSerializer(data=request.data)
        form.is_valid(raise_exception=True)
        row = actions.add_domain(
            actor=self.actor,
            connection_id=form.validated_data["connection"],
            domain=form.validated_data["domain"],
        )
        return Response(SsoDomainSerializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(
        summary="Verify a domain",
        request=None,
        responses={
            200: SsoDomainSerializer,
            409: refusal("sso_domain_unproven", "The proof was not found.", status=404),
        },
        examples=[examples.DOMAIN],
    )
    @action(detail=True, methods=["post"])
    def verify(self, request: Request, pk: str) -> Response:
        """Fetches the proof from the domain."""
        row = actions.verify_domain(actor=self.actor, domain_id=self.get_object().pk)
        return Response(SsoDomainSerializer(row).data)

    @extend_schema(
        summary="Remove a domain",
        responses={204: None, 404: refusal("not_found", "There is no such domain.")},
    )
    def destroy(self, request: Request, pk: str) -> Response:
        actions.remove_domain(actor=self.actor, domain_id=self.get_object().pk)
        return Response(status=status.HTTP_204_NO_CONTENT)


@extend_schema_view(list=extend_schema(summary="List identities", examples=[examples.IDENTITY]))
class SsoIdentityViewSet(mixins.ListModelMixin, OrgViewSet):
    """Who is linked to which identity of a provider."""

    serializer_class = SsoIdentitySerializer
    verbs = {"*": "org.manage"}
    queryset = SsoConnection.objects.none()
    lookup_value_regex = r"\d{1,10}"

    def get_queryset(self) -> QuerySet[Any]:
        mine = SsoConnection.objects.of(self.actor.organization_id)
        return identities_of(mine.values_list("pk", flat=True))

    @extend_schema(
        summary="Release an identity",
        responses={204: None, 404: refusal("not_found", "There is no such identity.")},
        parameters=[examples.IDENTITY_ID],
    )
    def destroy(self, request: Request, pk: str) -> Response:
        """For a person whose subject has changed: the next sign-in links anew, by the address."""
        actions.release_link(actor=self.actor, identity_id=int(pk))
        return Response(status=status.HTTP_204_NO_CONTENT)
