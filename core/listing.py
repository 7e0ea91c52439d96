"""Lists of the REST API: keyset pages, declared orders and filters, and nothing that is not named.

A cursor says where a page ended: the values of the ordering columns of its last row, signed, and
bound to the address, the order and the filters it was made under. Pages cost the same however
deep they are, and rows that come or go meanwhile move no other row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import ValidationError
from django.core.signing import BadSignature, Signer
from django.db.models import Model, Q, QuerySet
from rest_framework.filters import BaseFilterBackend
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response

from core.errors import DomainError, InvalidInput
from core.jsonsafe import is_storable

PAGING = ("limit", "cursor", "ordering")


class InvalidCursor(DomainError):
    """The cursor was altered, or belongs to another list, order or filter."""

    code = "invalid_cursor"
    status = HTTPStatus.BAD_REQUEST


class UnknownOrdering(InvalidInput):
    code = "unknown_ordering"


class UnknownParameter(InvalidInput):
    """The query names what this operation does not know; `detail.known` says what it does."""

    code = "unknown_parameter"


@dataclass(frozen=True, slots=True)
class Order:
    """A column with its direction; the primary key settles ties the same way."""

    column: str
    down: bool

    @classmethod
    def of(cls, text: str) -> Order:
        return cls(text.removeprefix("-"), text.startswith("-"))

    @property
    def columns(self) -> tuple[str, ...]:
        return ("pk",) if self.column == "pk" else (self.column, "pk")

    def applied(self, rows: QuerySet[Any], *, back: bool) -> QuerySet[Any]:
        sign = "-" if self.down != back else ""
        return rows.order_by(*(f"{sign}{column}" for column in self.columns))

    def beyond(self, position: list[Any], *, back: bool) -> Q:
        """What comes after `position`, or before it. Written so that an index range serves it."""
        than = "lt" if self.down != back else "gt"
        if len(position) == 1:
            return Q(**{f"pk__{than}": position[0]})
        first, pk = position
        ties = Q(**{f"{self.column}__{than}": first}) | Q(**{f"pk__{than}": pk})
        return Q(**{f"{self.column}__{than}e": first}) & ties

    def position_of(self, row: Any) -> list[str]:
        return [_text(getattr(row, name)) for name in self.columns]


@dataclass(frozen=True, slots=True)
class Cursor:
    back: bool
    position: list[str]


class KeysetPagination(BasePagination):
    """`?limit=`, the opaque `?cursor=` and `?ordering=` by what the view declares.

    A view says `orderings = {"name": "name"}`: the public name of each order and its column, which
    is never null and stands in an index with the organization. Newest first is always there.
    """

    page_size = 25
    max_page_size = 200

    def paginate_queryset(self, queryset: Any, request: Request, view: Any = None) -> list[Any]:
        self.request = request
        self.order = _order_of(request, view)
        self.bound = _bound(request)
        limit = _limit_of(request, self.page_size, self.max_page_size)
        cursor = self._read(request.query_params.get("cursor", ""))
        back = cursor is not None and cursor.back
        rows = self.order.applied(queryset, back=back)
        if cursor is not None:
            position = _values(queryset.model, self.order, cursor.position)
            rows = rows.filter(self.order.beyond(position, back=back))
        found = list(rows[: limit + 1])
        more, self.page = len(found) > limit, found[:limit]
        if back:
            self.page.reverse()
        self.has_next = more if not back else True
        self.has_previous = more if back else cursor is not None
        return self.page

    def get_paginated_response(self, data: Any) -> Response:
        return Response(
            {
                "next": self._link(back=False) if self.has_next else None,
                "previous": self._link(back=True) if self.has_previous else None,
                "results": data,
            }
        )

    def get_results(self, data: Any) -> Any:
        return data["results"]

    def _link(self, *, back: bool) -> str | None:
        if not self.page:
            return None
        edge = self.page[0] if back else self.page[-1]
        query = self.request.query_params.copy()
        query["cursor"] = _sign(self.bound, Cursor(back, self.order.position_of(edge)))
        return self.request.build_absolute_uri(f"{self.request.path}?{urlencode(query)}")

    def _read(self, text: str) -> Cursor | None:
        return _unsign(self.bound, text) if text else None

    def get_schema_operation_parameters(self, view: Any) -> list[dict[str, Any]]:
        names = sorted(_orderings(view))
        both = [name for column in names for name in (column, f"-{column}")]
        return [
            _parameter("limit", "Rows a page, 1 to 200.", type="integer", default=self.page_size),
            _parameter("cursor", "As given in `next` and `previous`.", type="string"),
            *(
                [_parameter("ordering", "Newest first without.", type="string", enum=both)]
                if both
                else []
            ),
        ]

    def get_paginated_response_schema(self, schema: Any) -> dict[str, Any]:
        link = {"type": ["string", "null"], "format": "uri"}
        address = "https://loomwork.example/api/v1/…/?cursor=…"
        return {
            "type": "object",
            "required": ["next", "previous", "results"],
            "properties": {
                "next": link | {"example": address},
                "previous": link | {"example": None},
                "results": schema,
            },
        }


class DeclaredFilters(BaseFilterBackend):
    """Narrows a list by what the view's `filters` serializer reads from the query.

    `columns` maps a filter's name to its look-up where they differ; a view that has more to say
    brings a `narrow(rows, wanted)` of its own.
    """

    def filter_queryset(
        self, request: Request, queryset: QuerySet[Any], view: Any
    ) -> QuerySet[Any]:
        wanted = self.wanted(request, view)
        if narrow := getattr(view, "narrow", None):
            found: QuerySet[Any] = narrow(queryset, wanted)
            return found
        columns: Mapping[str, str] = getattr(view, "columns", {})
        return queryset.filter(**{columns.get(name, name): wanted[name] for name in wanted})

    @staticmethod
    def wanted(request: Request, view: Any) -> dict[str, Any]:
        kind = getattr(view, "filters", None)
        if kind is None or view.action != "list":
            return {}
        form = kind(data=request.query_params)
        form.is_valid(raise_exception=True)
        return dict(form.validated_data)


def query_text(request: Request, name: str) -> str:
    """A text of the query, "" when absent. Raises InvalidInput: no database compares with NUL."""
    text: str = request.query_params.get(name, "")
    if not is_storable(text):
        raise InvalidInput("A filter is plain text.", field=name)
    return text


def _orderings(view: Any) -> Mapping[str, str]:
    named: Mapping[str, str] = getattr(view, "orderings", {})
    return named if getattr(view, "action", "list") == "list" else {}


def _order_of(request: Request, view: Any) -> Order:
    asked = request.query_params.get("ordering", "")
    if not asked:
        return Order.of(getattr(view, "newest", "-pk"))
    name = asked.removeprefix("-")
    known = _orderings(view)
    if name not in known:
        raise UnknownOrdering(
            "This list has no such order.", ordering=asked[:60], known=sorted(known)
        )
    return Order(known[name], asked.startswith("-"))


def _limit_of(request: Request, usual: int, most: int) -> int:
    """An odd limit gives an ordinary page: it is a wish, not a condition."""
    text = request.query_params.get("limit", "")
    if not (text.isascii() and text.isdecimal() and int(text[:9])):
        return usual
    return min(int(text[:9]), most)


def _bound(request: Request) -> str:
    """A digest of what a cursor holds for: the address, the order and the filters."""
    asked = sorted(
        (name, value)
        for name, values in request.query_params.lists()
        for value in values
        if name not in {"cursor", "limit"}
    )
    text = json.dumps([request.path, asked])
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _sign(bound: str, cursor: Cursor) -> str:
    payload = [int(cursor.back), *cursor.position]
    return Signer(salt=f"cursor:{bound}").sign_object(payload, compress=False)


def _unsign(bound: str, text: str) -> Cursor:
    try:
        back, *position = Signer(salt=f"cursor:{bound}").unsign_object(text)
    except (BadSignature, ValueError):
        raise InvalidCursor(
            "This cursor was altered, or belongs to another order or filter."
        ) from None
    return Cursor(bool(back), position)


def _values(model: type[Model], order: Order, position: list[str]) -> list[Any]:
    """The texts of a cursor as the columns' own types; InvalidCursor where they are none."""
    fields: Any = [_field(model, name) for name in order.columns]
    if len(fields) != len(position):
        raise InvalidCursor("This cursor belongs to another order.")
    try:
        return [field.to_python(text) for field, text in zip(fields, position, strict=True)]
    except ValidationError:
        raise InvalidCursor("This cursor belongs to another order.") from None


def _field(model: type[Model], name: str) -> Any:
    return model._meta.pk if name == "pk" else model._meta.get_field(name)


def _text(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def _parameter(name: str, description: str, **schema: Any) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }
