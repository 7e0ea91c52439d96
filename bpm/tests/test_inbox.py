"""The inbox page: what it shows, what its buttons do, and to whom."""

import json
from datetime import timedelta

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.timezone import now

from bpm import subjects
from bpm.actions import cancel_tasks, claim_task, comment_task, decide_task
from bpm.models import Comment, Decision
from bpm.templatetags.inbox import fact, markdown
from bpm.tests.factories import FORM, KIND, handling, make_task
from core.errors import Conflict
from orgs.tests.factories import OrganizationFactory, person_in

pytestmark = pytest.mark.django_db
HTMX = {"HX-Request": "true"}


def browser(organization, role="approver"):
    user, actor = person_in(organization, role)
    client = Client()
    client.force_login(user)
    return client, actor


@pytest.fixture
def page(handled, organization):
    """A browser of an approver; `.actor` says who."""
    client, actor = browser(organization)
    client.actor = actor
    return client


def act(client, name, task, data=None, **headers):
    return client.post(reverse(f"inbox_{name}", args=[task.pk]), data or {}, headers=headers)


def unchanged(task):
    task.refresh_from_db()
    return task.status == "open" and not Decision.objects.exists()


def test_an_empty_inbox_says_so(page):
    answer = page.get("/inbox/")

    assert answer.status_code == 200
    assert "Nothing waits for you" in answer.text
    assert "1 task waits" not in answer.text


def test_opens_the_most_urgent_task_first(page, organization):
    make_task(organization, title="Whenever")
    make_task(organization, title="Soon", due_at=now() + timedelta(hours=1))

    answer = page.get("/inbox/")

    assert answer.text.index("Soon") < answer.text.index("Whenever")
    assert '<h2 id="task-title" tabindex="-1">Soon</h2>' in answer.text
    assert "2 tasks wait for you" in answer.text


def test_shows_snapshot_form_actions_and_history(page, organization):
    task = make_task(organization, form=FORM)
    comment_task(actor=page.actor, task_id=task.pk, text="First line\nSecond line")

    text = page.get(reverse("inbox_task", args=[task.pk])).text

    assert "<dt>order</dt><dd>7</dd>" in text
    assert "<strong>check</strong>" in text
    assert text.index("<strong>check</strong>") < text.index("data-amount")
    assert text.index("data-amount") < text.index("Thank you.")
    assert "<option>broken</option>" in text
    assert 'value="approve"' in text
    assert 'value="reject"' in text
    assert "First line<br>Second line" in text
    assert task.trace_id in text


def test_deciding_by_htmx_opens_the_next_task_and_says_what_happened(page, organization):
    first, second, third = (make_task(organization, title=f"Task {n}") for n in (1, 2, 3))

    answer = act(page, "decide", second, {"action": "approve", "next": third.pk}, **HTMX)

    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert '<h2 id="task-title" tabindex="-1">Task 3</h2>' in answer.text
    assert json.loads(answer["HX-Trigger"])["ui:toast"]["text"] == "Task 2: Approve"
    assert answer["HX-Push-Url"] == f"/inbox/{third.pk}/?tab=open"
    second.refresh_from_db()
    assert (second.status, second.outcome) == ("decided", "approve")
    assert unchanged(first) is False
    first.refresh_from_db()
    assert first.status == "open"


def test_the_last_decision_leaves_the_empty_inbox(page, organization):
    task = make_task(organization)

    answer = act(page, "decide", task, {"action": "reject"}, **HTMX)

    assert "Nothing waits for you" in answer.text
    assert answer["HX-Push-Url"] == "/inbox/?tab=open"


def test_works_without_scripts_by_redirect(page, organization):
    first, second = make_task(organization), make_task(organization)

    answer = act(page, "decide", first, {"action": "approve"})

    assert answer.status_code == 302
    assert answer["Location"] == f"/inbox/{second.pk}/?tab=open"
    assert "Refund for order 7: Approve" in page.get(answer["Location"]).text


def test_answers_of_the_form_arrive_typed(page, organization):
    task = make_task(organization, form=FORM)

    act(
        page,
        "decide",
        task,
        {
            "action": "approve",
            "comment": "ok",
            "data-amount": "80",
            "data-reason": "late",
            "data-urgent": "on",
            "data-note": "",
        },
        **HTMX,
    )

    decision = Decision.objects.get()
    assert decision.data == {"amount": 80, "reason": "late", "urgent": True, "note": ""}
    assert decision.comment == "ok"


def test_a_refused_form_keeps_what_was_typed_and_names_the_fault(page, organization):
    task = make_task(organization, form=FORM)

    answer = act(
        page,
        "decide",
        task,
        {"action": "approve", "comment": "half done", "data-amount": "much", "data-urgent": "on"},
        **HTMX,
    )

    assert answer.status_code == 422
    assert "Give a number." in answer.text
    assert 'value="much"' in answer.text
    assert "half done</textarea>" in answer.text
    assert 'name="data-urgent" id="field-5" checked' in answer.text
    assert unchanged(task)


def test_a_task_that_moved_on_is_shown_as_it_is_now(page, organization):
    _, colleague = browser(organization, "owner")
    task = make_task(organization)
    claim_task(actor=colleague, task_id=task.pk)

    answer = act(page, "decide", task, {"action": "approve"}, **HTMX)

    assert answer.status_code == 409
    assert "Somebody else has claimed this task." in answer.text
    assert 'name="action"' not in answer.text
    task.refresh_from_db()
    assert task.status == "claimed"


def test_deciding_twice_and_after_cancel_shows_the_reason(page, organization):
    decided, cancelled = make_task(organization), make_task(organization, subject_id="s2")
    decide_task(actor=page.actor, task_id=decided.pk, action_id="approve")
    cancel_tasks(kind=KIND, subject_id="s2", reason="stopped")

    for task, said in ((decided, "has been decided"), (cancelled, "has been cancelled")):
        answer = act(page, "decide", task, {"action": "reject"}, **HTMX)
        assert answer.status_code == 409
        assert said in answer.text
    assert Decision.objects.count() == 1


def test_a_subject_that_refuses_is_heard_on_the_page(organization):
    client, _ = browser(organization)
    with handling(fails=Conflict("The run is over.")):
        task = make_task(organization)
        answer = act(client, "decide", task, {"action": "approve", "comment": "kept"}, **HTMX)

    assert answer.status_code == 409
    assert "The run is over." in answer.text
    assert "kept</textarea>" in answer.text
    assert unchanged(task)


def test_claims_and_releases(page, organization):
    task = make_task(organization)

    claimed = act(page, "claim", task, **HTMX)
    mine = page.get("/inbox/?tab=mine")
    released = act(page, "release", task, {"tab": "mine"}, **HTMX)

    assert "Release" in claimed.text
    assert f"task-{task.pk}" in mine.text
    assert f"task-{task.pk}" not in released.text
    task.refresh_from_db()
    assert task.status == "open"


def test_done_keeps_what_one_has_decided(page, organization):
    task = make_task(organization)
    act(page, "decide", task, {"action": "reject", "comment": "too late"}, **HTMX)

    text = page.get("/inbox/?tab=done").text

    assert f"task-{task.pk}" in text
    assert "too late" in text
    assert 'name="action"' not in text


def test_comments_from_the_page(page, organization):
    task = make_task(organization)

    kept = act(page, "comment", task, {"comment": "Waiting for the invoice."}, **HTMX)
    empty = act(page, "comment", task, {"comment": "  "}, **HTMX)

    assert "Waiting for the invoice." in kept.text
    assert empty.status_code == 422
    assert Comment.objects.count() == 1


def test_text_of_flows_and_people_cannot_become_markup(page, organization):
    evil = "<script>alert(1)</script>"
    task = make_task(
        organization,
        title=evil,
        actions=[{"id": '"><script>', "title": evil}],
        snapshot={evil: evil},
        form={
            "content": f"{evil} [x](javascript:alert(1)) ![i](https://evil.example/i.png)",
            "inputs": [{"name": '"><script>', "label": evil, "default": evil}],
        },
    )
    comment_task(actor=page.actor, task_id=task.pk, text=evil)

    text = page.get(f"/inbox/{task.pk}/").text

    assert "<script>alert" not in text
    assert '"><script>' not in text
    assert "javascript:" not in text.replace("[x](javascript:alert(1))", "")
    assert "<img" not in text
    assert "{{ evil }}" not in text


def test_markdown_renders_what_forms_use_and_nothing_that_runs():
    html = markdown(
        "# Title\n- one\n- two\n\n|a|\n|-|\n|1|\n\n<b onclick=x>raw</b> <https://a.example>"
    )

    assert "<h1>Title</h1>" in html
    assert "<li>two</li>" in html
    assert "<td>1</td>" in html
    assert "&lt;b onclick=x&gt;" in html
    assert 'rel="noopener noreferrer nofollow"' in html
    assert fact({"a": "ü"}) == '{\n  "a": "ü"\n}'


def test_the_list_alone_can_be_refreshed(page, organization):
    task = make_task(organization)

    answer = page.get(f"/inbox/list/?tab=open&selected={task.pk}", headers=HTMX)

    assert f"task-{task.pk}" in answer.text
    assert 'aria-current="true"' in answer.text
    assert "task-title" not in answer.text


def test_a_long_list_is_shown_in_steps(page, organization):
    for _ in range(55):
        make_task(organization)

    first = page.get("/inbox/").text
    longer = page.get("/inbox/?length=100").text

    assert first.count('class="ui-task"') == 50
    assert "Show more" in first
    assert longer.count('class="ui-task"') == 55
    assert "Show more" not in longer


@pytest.mark.parametrize("query", ["tab=everything", "length=-1", "length=0", "length=x"])
def test_odd_addresses_fall_back_to_the_open_box(page, organization, query):
    task = make_task(organization)

    assert f"task-{task.pk}" in page.get(f"/inbox/?{query}").text


def test_the_subject_brings_its_name_and_its_link(organization):
    client, _ = browser(organization)
    subjects.register(
        "bpm.linked",
        lambda task, decision: None,
        label="Expense claim",
        url=lambda task: f"/expenses/{task.subject_id}/",
    )
    try:
        make_task(organization, kind="bpm.linked", subject_id="9")
        text = client.get("/inbox/").text
    finally:
        subjects.forget("bpm.linked")

    assert '<a class="ui-link" href="/expenses/9/">Expense claim</a>' in text


def test_overdue_tasks_are_marked(page, organization):
    make_task(organization, due_at=now() - timedelta(hours=1))

    assert "overdue" in page.get("/inbox/").text


def test_who_is_no_candidate_reads_and_comments_only(handled, organization):
    client, _ = browser(organization, "member")
    task = make_task(organization)

    text = client.get(f"/inbox/{task.pk}/").text
    answer = act(client, "decide", task, {"action": "approve"}, **HTMX)

    assert "deciding it is up to others" in text
    assert 'name="action"' not in text
    assert answer.status_code == 403
    assert unchanged(task)
    assert "Nothing waits for you" in client.get("/inbox/").text


def test_another_organization_sees_no_trace_of_a_task(handled, organization):
    client, _ = browser(OrganizationFactory(), "owner")
    task = make_task(organization)

    assert client.get(f"/inbox/{task.pk}/").status_code == 404
    assert f"{task.pk}" not in client.get("/inbox/").text
    for name in ("claim", "release", "decide", "comment"):
        answer = act(client, name, task, {"action": "approve", "comment": "x"}, **HTMX)
        assert answer.status_code == 404
    assert unchanged(task)


def test_guests_have_no_inbox(handled, organization):
    client, _ = browser(organization, "guest")
    task = make_task(organization)

    assert client.get("/inbox/").status_code == 403
    assert act(client, "decide", task, {"action": "approve"}).status_code == 403
    assert unchanged(task)


def test_strangers_are_sent_to_sign_in_and_forms_need_their_token(handled, organization):
    task = make_task(organization)
    user, _ = person_in(organization, "approver")
    careful = Client(enforce_csrf_checks=True)
    careful.force_login(user)

    assert Client().get("/inbox/")["Location"].startswith("/accounts/login/")
    assert act(Client(), "decide", task, {"action": "approve"}).status_code == 302
    assert act(careful, "decide", task, {"action": "approve"}).status_code == 403
    assert unchanged(task)


def test_looking_never_decides(page, organization):
    task = make_task(organization)

    for name in ("claim", "release", "decide", "comment"):
        assert page.get(f"/inbox/{task.pk}/{name}/?action=approve").status_code == 405
    assert unchanged(task)


def test_the_page_costs_the_same_with_200_tasks(page, organization, django_assert_max_num_queries):
    for _ in range(2):
        make_task(organization)
    with django_assert_max_num_queries(25) as few:
        page.get("/inbox/", headers=HTMX)
    for _ in range(198):
        make_task(organization)

    with django_assert_max_num_queries(len(few)):
        page.get("/inbox/", headers=HTMX)


def test_the_navigation_counts_what_waits(page, organization):
    make_task(organization)
    make_task(organization, candidates=["role:finance"])

    text = page.get("/navigation/").text

    assert '<span class="ui-count">1</span>' in text
