"""Cascades: they never reach money or the trail, and what names a row without a key is known."""

import pytest
from django.apps import apps
from django.db import models

from tests.test_architecture import our_models

MONEY = {"billing.Wallet", "billing.Hold", "billing.LedgerEntry", "billing.UsageRecord",
         "billing.Price"}  # fmt: skip
TRAIL = {"audit.Entry"}
SAFE = {models.PROTECT, models.RESTRICT, models.DO_NOTHING}

LOOSE = {
    "organization_id": "rows of the hot path and the trail: erased by their step, or kept",
    "api_key_id": "a key's id outlives the key: the trail says what it was",
    "actor_id": "who did it, in the trail",
    "user_id": "who it was, in the trail",
    "created_by_id": "people's rows are never deleted, only disabled",
    "started_by_id": "people's rows are never deleted, only disabled",
    "invited_by_id": "people's rows are never deleted, only disabled",
    "accepted_by_id": "people's rows are never deleted, only disabled",
    "requested_by_id": "people's rows are never deleted, only disabled",
    "closed_by_id": "people's rows are never deleted, only disabled",
    "ended_by_id": "people's rows are never deleted, only disabled",
    "acts_for_user_id": "people's rows are never deleted, only disabled; a trigger asks each time",
    "acts_for_key_id": "a key may be gone: the trigger then fires no more, and says so",
    "source_run_id": "the run at whose end a trigger fired, which may be erased: that it did stays",
    "run_id": "usage names its run, which may be erased: what it cost stays",
    "workflow_id": "usage names its workflow, which may be erased: what it cost stays",
    "first_id": "the first entry a seal covers; the trail's own",
    "last_id": "the last entry a seal covers; the trail's own",
    "entry_id": "an entry that is sealed; retention takes it with its seal's word",
    "price_id": "the price a call was held at: prices are never deleted",
    "public_id": "the row's own",
    "run_public_id": "a large value names its run, and is erased by its step or the sweep",
    "trace_id": "ties rows of all kinds together; nothing is looked up by it alone",
    "subject_id": "what a task is about, in words of its kind",
    "target_id": "what an entry is about; entries outlive it",
    "node_id": "a place in a definition, not a row",
    "delivery_id": "names a delivery once",
    "support_id": "a stay as support, which is never deleted",
    "project_id": "named in the trail",
    "action_id": "an answer of a task, not a row",
    "client_id": "a name at an identity provider",
}
"""Columns that end in `_id` and are no foreign keys, and why nothing is left dangling by them."""


def foreign_keys(model):
    return [
        field
        for field in model._meta.concrete_fields
        if isinstance(field, models.ForeignKey) and field.remote_field is not None
    ]


@pytest.mark.parametrize("label", sorted(MONEY | TRAIL))
def test_no_deletion_of_anything_takes_money_or_the_trail_with_it(label):
    for field in foreign_keys(apps.get_model(label)):
        assert field.remote_field.on_delete in SAFE, f"{label}.{field.name}"


def test_the_trail_and_the_hot_path_have_no_key_into_what_is_erased():
    erased = {"workflows", "bpm", "files", "llm"}
    for label in MONEY | TRAIL:
        for field in foreign_keys(apps.get_model(label)):
            assert field.related_model._meta.app_label not in erased, f"{label}.{field.name}"


def test_an_organizations_row_is_held_by_its_money():
    organization = apps.get_model("orgs.Organization")
    holding = {
        field.model._meta.label
        for model in our_models()
        for field in foreign_keys(model)
        if field.related_model is organization and field.remote_field.on_delete in SAFE
    }
    assert {"billing.Wallet", "billing.Price"} <= holding


def test_every_id_without_a_key_is_known_and_explained():
    unknown = {
        f"{model._meta.label}.{field.attname}"
        for model in our_models()
        for field in model._meta.concrete_fields
        if field.attname.endswith("_id")
        and not isinstance(field, models.ForeignKey)
        and field.attname not in LOOSE
    }
    assert unknown == set()


def test_nothing_is_set_to_null_that_would_then_belong_to_nobody():
    """SET_NULL is for what may be missing; the column that says whose a row is never may."""
    for model in our_models():
        for field in foreign_keys(model):
            if field.name == "organization":
                assert field.remote_field.on_delete in {models.CASCADE, *SAFE}
