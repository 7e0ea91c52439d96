"""The usage page and the console's doors to money."""

from datetime import timedelta

import pytest
from django.urls import reverse
from django.utils.timezone import now

from accounts.tests.factories import UserFactory
from audit.models import Entry
from billing.models import LedgerEntry, UsageRecord, Wallet
from billing.proof import prove_wallet
from billing.reports import read_spend, spend_chart
from billing.tests.factories import WalletFactory
from billing.tests.rows import captured_hold, open_hold
from orgs.tests.factories import OrganizationFactory, person_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def wallet():
    return WalletFactory(balance=5_000_000_000)


@pytest.fixture
def owner(client, wallet):
    user, _ = person_in(wallet.organization, "owner")
    client.force_login(user)
    return user


@pytest.fixture
def operator(client):
    user = UserFactory(is_staff=True, is_superuser=True)
    client.force_login(user)
    return user


def test_the_page_shows_the_wallet_and_what_was_called(client, owner, wallet):
    captured_hold(wallet, 1_234_000, model="gpt-shown", prompt_tokens=1_500)
    open_hold(wallet, 1_000_000_000)

    text = client.get(reverse("usage")).content.decode()

    assert "$4.9988" in text
    assert "$1.0000" in text
    assert "gpt-shown" in text
    assert "$0.001234" in text
    assert "1,500 in, 0 out" in text
    assert 'id="spend-chart"' in text


def test_an_empty_wallet_says_what_to_do(client):
    user, _ = person_in(OrganizationFactory(), "owner")
    client.force_login(user)

    text = client.get(reverse("usage")).content.decode()

    assert "No model calls yet" in text
    assert "model calls are refused" in text


def test_the_ledger_tab_lists_movements_and_pages_by_key(client, owner, wallet):
    for _ in range(26):
        captured_hold(wallet, 10)

    first = client.get(reverse("usage"), {"tab": "ledger"})
    older = first.context["older"]
    rest = client.get(
        reverse("usage"), {"tab": "ledger", "before": older}, headers={"HX-Request": "true"}
    )

    assert len(first.context["rows"]) == 25
    assert [row.kind for row in rest.context["rows"]] == ["capture", "topup"]
    assert "<html" not in rest.content.decode()


def test_the_page_costs_the_same_however_much_was_called(
    client, owner, wallet, django_assert_max_num_queries
):
    for number in range(12):
        captured_hold(wallet, 10, model=f"m{number}")

    with django_assert_max_num_queries(12):
        client.get(reverse("usage"))


def test_topping_up_twice_with_one_form_pays_once(client, owner, wallet):
    form = client.get(reverse("usage")).context["form"]
    sent = {"dollars": "12.50", "note": "card", "ref": form["ref"].value()}

    for _ in range(2):
        assert client.post(reverse("wallet_top_up"), sent).status_code == 302

    wallet.refresh_from_db()
    assert wallet.balance == 17_500_000_000
    assert Entry.objects.filter(action="billing.wallet.topped_up").count() == 1


@pytest.mark.parametrize("dollars", ["", "0", "-3", "0.001", "many", "1e12", "NaN"])
def test_an_impossible_amount_is_not_paid_in(client, owner, wallet, dollars):
    client.post(reverse("wallet_top_up"), {"dollars": dollars, "ref": "x"})

    wallet.refresh_from_db()
    assert wallet.balance == 5_000_000_000


def test_who_may_not_top_up_sees_no_button_and_is_refused(client, wallet):
    user, _ = person_in(wallet.organization, "admin")
    client.force_login(user)

    assert reverse("wallet_top_up") not in client.get(reverse("usage")).content.decode()
    assert client.post(reverse("wallet_top_up"), {"dollars": "1", "ref": "x"}).status_code == 403
    assert LedgerEntry.objects.count() == 1


@pytest.mark.parametrize("role", ["approver", "member", "guest"])
def test_the_page_is_closed_to_who_may_not_see_usage(client, wallet, role):
    user, _ = person_in(wallet.organization, role)
    client.force_login(user)

    assert client.get(reverse("usage")).status_code == 403


def test_spend_is_added_up_by_model_and_day_and_the_small_ones_together(wallet):
    for number in range(7):
        captured_hold(wallet, 100 * (number + 1), model=f"m{number}")
    UsageRecord.objects.filter(model="m6").update(created_at=now() - timedelta(days=3))
    UsageRecord.objects.filter(model="m5").update(created_at=now() - timedelta(days=30))

    spend = read_spend(wallet.organization_id)
    chart = spend_chart(spend, "Others")

    assert [row.model for row in spend.models] == ["m6", "m4", "m3", "m2", "m1", "m0"]
    assert (spend.cost, spend.calls) == (2_200, 6)
    assert chart["datasets"][0]["data"][-4] == 700 / 10**9
    assert [row["label"] for row in chart["datasets"]] == ["m6", "m4", "m3", "m2", "m1", "Others"]
    assert len(chart["labels"]) == 14
    assert read_spend(OrganizationFactory().pk).models == []


def test_home_shows_what_is_available(client, owner, wallet):
    captured_hold(wallet, 1_000_000)

    text = client.get(reverse("home")).content.decode()

    assert "$4.9990" in text
    assert 'id="panel-spend"' in text


@pytest.mark.parametrize(("door", "dollars", "balance"), [("top-up", "2", 7), ("adjust", "-1", 4)])
def test_an_operator_moves_money_with_a_reason_and_leaves_a_trail(
    client, operator, wallet, door, dollars, balance
):
    url = reverse("admin:billing_wallet_changelist") + f"{wallet.pk}/{door}/"
    form = client.get(url).context["form"]

    answer = client.post(url, {"dollars": dollars, "reason": "agreed", "ref": form["ref"].value()})

    assert answer.status_code == 302
    wallet.refresh_from_db()
    assert wallet.balance == balance * 10**9
    assert Entry.objects.get().actor_id == operator.pk
    assert not prove_wallet(wallet).differences


def test_an_operator_cannot_take_more_than_is_there(client, operator, wallet):
    url = reverse("admin:billing_wallet_changelist") + f"{wallet.pk}/adjust/"

    answer = client.post(url, {"dollars": "-6", "reason": "greedy", "ref": "x"})

    assert "does not cover" in answer.content.decode()
    assert Wallet.objects.get().balance == 5_000_000_000
    assert not Entry.objects.exists()


def test_an_operator_releases_and_refunds(client, operator, wallet):
    stuck, paid = open_hold(wallet), captured_hold(wallet, 500)

    client.post(
        reverse("admin:billing_hold_changelist"),
        {"action": "release", "_selected_action": [str(stuck.pk), str(paid.pk)]},
    )
    record = paid.usage_record
    for _ in range(2):
        client.post(
            reverse("admin:billing_usagerecord_changelist"),
            {"action": "refund", "_selected_action": [record.pk]},
        )

    wallet.refresh_from_db()
    assert (wallet.held, wallet.balance) == (0, 5_000_000_000)
    assert LedgerEntry.objects.filter(kind="refund").count() == 1
    assert not prove_wallet(wallet).differences
