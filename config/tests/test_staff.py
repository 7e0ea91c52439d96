"""Each group of operators reaches its own lists and nothing else."""

import pytest
from django.contrib import admin
from django.contrib.auth.models import Group, Permission
from django.core.management import call_command
from django.urls import reverse

from accounts.tests.factories import UserFactory
from config.staff import STAFF_GROUPS
from core.ui import dashboard_board
from orgs.models import Team
from orgs.tests.factories import OrganizationFactory

pytestmark = pytest.mark.django_db
REGISTERED = {model._meta.label_lower: model for model in admin.site._registry}


@pytest.fixture
def member_of(client):
    def sign_in(group):
        call_command("staff_groups", verbosity=0)
        user = UserFactory(is_staff=True)
        user.groups.add(Group.objects.get(name=group))
        client.force_login(user)
        return client

    return sign_in


def labels(group, right):
    names = [each.split(".") for each in STAFF_GROUPS[group]]
    prefix = f"{right}_"
    return {f"{app}.{name.removeprefix(prefix)}" for app, name in names if name.startswith(prefix)}


def reached(client, view):
    found = set()
    for label, model in REGISTERED.items():
        name = f"admin:{model._meta.app_label}_{model._meta.model_name}_{view}"
        status = client.get(reverse(name)).status_code
        assert status in {200, 403}, label
        if status == 200:
            found.add(label)
    return found


@pytest.mark.parametrize("group", STAFF_GROUPS)
def test_a_group_sees_its_lists_and_no_other(member_of, group):
    assert reached(member_of(group), "changelist") == labels(group, "view")


@pytest.mark.parametrize(
    ("group", "adds"),
    [
        ("Support", {"orgs.supportaccess"}),
        ("Finance", {"billing.price"}),
        ("Auditor", set()),
        (
            "Platform",
            {
                "django_celery_beat.periodictask",
                "django_celery_beat.intervalschedule",
                "django_celery_beat.crontabschedule",
                "django_celery_beat.clockedschedule",
            },
        ),
    ],
)
def test_a_group_adds_what_its_work_needs(member_of, group, adds):
    assert reached(member_of(group), "add") == adds


def test_auditors_change_nothing():
    assert not [name for name in STAFF_GROUPS["Auditor"] if ".view_" not in name]


def test_content_of_customers_is_in_no_group():
    content = {
        "workflows.view_run", "workflows.view_event", "workflows.view_workflowversion",
        "bpm.view_humantask", "bpm.view_comment", "files.view_storedfile",
    }  # fmt: skip
    assert not content & {name for names in STAFF_GROUPS.values() for name in names}


@pytest.mark.parametrize(
    ("group", "shown"),
    [("Support", {"people"}), ("Finance", {"wallets"}), ("Platform", set())],
)
def test_the_first_page_shows_a_group_only_its_figures(member_of, group, shown):
    page = member_of(group).get(reverse("admin:index"))

    seen = {str(kpi.label) for kpi in page.context["kpis"]}
    known = {name: read for name, (_, _, read) in dashboard_board.kpis.items()}
    assert seen == {str(known[name](None).label) for name in shown}
    assert all(panel.verb == "billing.view_usagerecord" for panel, _ in page.context["panels"])


def test_repeating_the_command_sets_permissions_right():
    call_command("staff_groups", verbosity=0)
    group = Group.objects.get(name="Auditor")
    group.permissions.add(Permission.objects.get(codename="delete_entry"))

    call_command("staff_groups", verbosity=0)

    held = group.permissions.values_list("content_type__app_label", "codename")
    assert {".".join(each) for each in held} == set(STAFF_GROUPS["Auditor"])


def test_a_teams_group_is_never_an_operators(client):
    team = Team.objects.create(
        organization=OrganizationFactory(), name="Red", group=Group.objects.create(name="team:red")
    )
    team.group.permissions.add(Permission.objects.get(codename="view_user"))
    person = UserFactory()
    client.force_login(UserFactory(is_staff=True, is_superuser=True))
    listed = client.get(reverse("admin:auth_group_changelist")).content.decode()
    page = client.get(reverse("admin:auth_group_change", args=[team.group_id]))
    given = {"email": person.email, "name": "x", "is_active": "on", "groups": [team.group_id]}
    client.post(reverse("admin:accounts_user_change", args=[person.pk]), given)

    assert "team:red" not in listed
    assert page.status_code == 302  # to the first page: there is no such group
    assert not person.groups.exists()
    call_command("staff_groups", verbosity=0)
    assert not team.group.permissions.exists()
