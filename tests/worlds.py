"""An organization with one row of everything, each carrying the organization's mark."""

from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.models import UserSession
from django.utils.timezone import now

from accounts.letters import write_letter
from accounts.models import Letter
from accounts.tests.factories import UserFactory
from audit.models import Chain, DailyCount, Entry, Seal, SealedEntry
from audit.sealing import seal_next
from billing.models import Hold, LedgerEntry, UsageRecord, Wallet
from billing.tests.factories import PriceFactory, WalletFactory
from bpm.actions import comment_task, decide_task
from bpm.models import Comment, Decision, HumanTask
from bpm.tests.factories import make_task
from core.ids import new_trace_id
from files.models import ARCHIVE, Archive, Export, StoredFile
from files.tests.factories import file_of
from llm.models import Model, Provider
from llm.tests.factories import ModelFactory, ProviderFactory
from orgs.access import Actor
from orgs.actions import (
    add_domain,
    add_to_team,
    create_connection,
    create_invitation,
    create_key,
    create_project,
    create_team,
)
from orgs.actions.answers import caller_of
from orgs.models import (
    ApiKey,
    Invitation,
    Membership,
    Organization,
    Project,
    Role,
    SsoConnection,
    SsoDomain,
    StoredAnswer,
    SupportAccess,
    Team,
    TeamMembership,
)
from orgs.permissions import KEY_SCOPES
from orgs.tests.factories import MembershipFactory, OrganizationFactory
from workflows.actions import create_trigger
from workflows.models import (
    BulkCommand,
    ConcurrencySlot,
    Event,
    NodeRateLimit,
    RollupHour,
    Run,
    RunLog,
    RunPolicy,
    RunTag,
    RunValue,
    RunWait,
    Signal,
    Step,
    Trigger,
    TriggerFiring,
    Workflow,
    WorkflowVersion,
)
from workflows.runtime.sweep import HUMAN_INPUT, subject_of
from workflows.tests.factories import VersionFactory, approval_flow
from workflows.values import Aside

EVERYBODY = [f"role:{role}" for role in Role.values]
KEPT = (
    Organization, Membership, ApiKey, Workflow, WorkflowVersion, Run, RunValue, Step, Event,
    RunWait, Signal, RollupHour, RunLog, RunTag, HumanTask, Decision, Comment, StoredFile, Wallet,
    Hold, LedgerEntry,
    UsageRecord, Provider, Model, Entry, Chain, Seal, SealedEntry, DailyCount, Export, StoredAnswer,
    Project, Team, TeamMembership, Invitation, Archive, SupportAccess, SsoConnection, SsoDomain,
    Letter, RunPolicy, ConcurrencySlot, NodeRateLimit, BulkCommand, Trigger, TriggerFiring,
)  # fmt: skip
"""Every model whose rows belong to one organization."""


@dataclass
class World:
    """`people` by role; everything else is the one row of its kind, or its id."""

    mark: str
    organization: Organization
    people: dict[str, Any] = field(default_factory=dict)
    trace_id: str = field(default_factory=new_trace_id)
    rows: SimpleNamespace = field(default_factory=SimpleNamespace)

    @property
    def owner(self) -> Actor:
        return self.actor(Role.OWNER)

    def actor(self, role: str) -> Actor:
        user = self.people[role]
        return Actor(organization_id=self.organization.pk, role=role, user_id=user.pk)


def make_world(mark: str) -> World:
    """`mark` stands in every text a row of this organization can carry."""
    organization = OrganizationFactory(name=f"{mark} organization", slug=f"{mark.lower()}-slug")
    world = World(mark, organization)
    for role in Role.values:
        user = UserFactory(name=f"{mark} {role}", email=f"{mark.lower()}-{role}@example.com")
        MembershipFactory(organization=organization, user=user, role=role)
        world.people[role] = user
    world.rows.project = Project.objects.get(organization=organization)
    world.rows.support = SupportAccess.objects.create(
        organization=organization,
        operator=UserFactory(name=f"{mark} operator", is_staff=True),
        reason=f"{mark} asked for help",
        expires_at=now() + timedelta(hours=1),
        ended_at=now(),
    )
    _add_keys(world)
    _add_sign_on(world)
    _add_people(world)
    _add_flow(world)
    _add_run(world)
    _add_triggers(world)
    _add_tasks(world)
    _add_money(world)
    world.rows.file = file_of(world.owner, mark.encode(), name=f"{mark}.yml")
    world.rows.archive = Archive.objects.create(
        organization=organization,
        state=Archive.State.DONE,
        file=file_of(
            world.owner,
            mark.encode(),
            name=f"{mark}.zip",
            kind=ARCHIVE,
            content_type="application/zip",
        ),
        expires_at=now() + timedelta(days=1),
    )
    world.rows.session = UserSession.objects.create(
        user=world.people[Role.OWNER],
        session_key=f"{mark}-session",
        ip="127.0.0.1",
        user_agent=f"{mark} browser",
    )
    world.rows.entry = Entry.objects.create(
        organization_id=organization.pk,
        action="trial.done",
        actor_kind="user",
        target_type="thing",
        target_id=mark,
        summary=mark,
        data={"said": mark},
        trace_id=world.trace_id,
    )
    world.rows.letter = write_letter(
        "membership",
        user_id=world.people[Role.MEMBER].pk,
        template="orgs/mail/role_changed",
        organization_id=organization.pk,
        context={"organization": mark, "by": mark, "before": "guest", "after": "member"},
    )
    _add_export(world)
    _add_bulk(world)
    seal_next(organization.pk)
    return world


def _add_export(world: World) -> None:
    """One of the trail that is done, and one that waits."""
    world.rows.waiting_export = Export.objects.create(
        organization=world.organization,
        source="audit",
        format=Export.Format.JSONL,
        filters={"q": world.mark},
        user_id=world.owner.user_id,
        trace_id=world.trace_id,
    )
    world.rows.export = Export.objects.create(
        organization=world.organization,
        source="audit",
        format=Export.Format.CSV,
        filters={"q": world.mark},
        state=Export.State.SUCCEEDED,
        done=1,
        total=1,
        file=file_of(world.owner, world.mark.encode(), name=f"{world.mark}.csv", kind="export"),
        user_id=world.owner.user_id,
        trace_id=world.trace_id,
        finished_at=now(),
        expires_at=now() + timedelta(days=7),
    )


def _add_bulk(world: World) -> None:
    world.rows.bulk = BulkCommand.objects.create(
        organization=world.organization,
        command="cancel",
        arguments={"reason": world.mark},
        user_id=world.owner.user_id,
        trace_id=world.trace_id,
    )


def _add_keys(world: World) -> None:
    rows = Membership.objects.filter(organization=world.organization)
    world.rows.member = rows.get(role=Role.MEMBER)
    world.rows.key, world.rows.token = create_key(
        actor=world.owner, name=f"{world.mark} key", scopes=list(KEY_SCOPES)
    )
    world.rows.answer = StoredAnswer.objects.create(
        organization=world.organization,
        caller=caller_of(world.owner),
        route="POST /api/v1/keys/",
        key=f"{world.mark}-once",
        request_digest="0" * 64,
        status=201,
        body=world.mark,
        expires_at=now() + timedelta(days=1),
    )


def _add_sign_on(world: World) -> None:
    mark = world.mark.lower()
    row = create_connection(
        actor=world.owner,
        name=f"{world.mark} sign-on",
        issuer=f"https://id.{mark}.example",
        client_id=f"{world.mark}-client",
        client_secret=f"{world.mark}-secret-of-the-client",
        role_claim=f"{mark}-groups",
        role_map={f"{world.mark}-group": Role.BUILDER},
    )
    world.rows.sso_connection = row
    world.rows.sso_domain = add_domain(
        actor=world.owner, connection_id=row.pk, domain=f"{mark}.example"
    )
    world.rows.sso_identity = SocialAccount.objects.create(
        provider=str(row.pk), uid=f"{world.mark}-subject", user=world.people[Role.MEMBER]
    )


def _add_people(world: World) -> None:
    """A project, a team with somebody in it, and an invitation."""
    rows = Membership.objects.filter(organization=world.organization)
    world.rows.approver = rows.get(role=Role.APPROVER)
    world.rows.home = Project.objects.get(organization=world.organization, is_default=True)
    world.rows.project = create_project(
        actor=world.owner, name=f"{world.mark} project", description=world.mark
    )
    world.rows.team = create_team(
        actor=world.owner, name=f"{world.mark} team", description=world.mark
    )
    world.rows.team_member = add_to_team(
        actor=world.owner,
        team_id=world.rows.team.pk,
        membership_id=rows.get(role=Role.BUILDER).pk,
    )
    world.rows.invitation = create_invitation(
        actor=world.owner, email=f"{world.mark.lower()}-new@example.com", role=Role.GUEST
    )


def _add_flow(world: World) -> None:
    definition = approval_flow()
    definition["nodes"][0]["title"] = f"{world.mark} node"
    version = VersionFactory(
        workflow__organization=world.organization,
        workflow__name=f"{world.mark} workflow",
        workflow__description=world.mark,
        definition=definition,
        report={"ok": True, "warnings": [{"message": world.mark}]},
        note=world.mark,
    )
    workflow = version.workflow
    workflow.published, workflow.latest_number = version, 1
    workflow.save()
    world.rows.workflow, world.rows.version = workflow, version


def _add_triggers(world: World) -> None:
    """A schedule and a webhook, and one firing of the schedule."""
    common = {"actor": world.owner, "workflow_id": world.rows.workflow.pk}
    world.rows.trigger = create_trigger(
        **common,
        kind="schedule",
        name=f"{world.mark} schedule",
        config={"cron": "0 6 * * *", "time_zone": "Europe/Berlin"},
        inputs={"what": world.mark},
    ).trigger
    made = create_trigger(
        **common,
        kind="webhook",
        name=f"{world.mark} webhook",
        config={"scheme": "github", "mapping": {"what": "body.what"}},
        secret=f"{world.mark}-secret-of-the-webhook",
    )
    world.rows.webhook, world.rows.hook_token = made.trigger, made.token
    world.rows.firing = TriggerFiring.objects.create(
        organization=world.organization,
        trigger=world.rows.trigger,
        outcome=TriggerFiring.Outcome.STARTED,
        occurrence=now(),
        run_id=world.rows.run.public_id,
        message=world.mark,
    )


def _add_run(world: World) -> None:
    version = world.rows.version
    run = Run.objects.create(
        organization=world.organization,
        workflow=version.workflow,
        version=version,
        state=Run.State.WAITING,
        trigger=Run.Trigger.API,
        seq=1,
        inputs={"what": world.mark},
        outputs={"said": world.mark},
        trace_id=world.trace_id,
        started_by_id=world.owner.user_id,
        started_at=now(),
    )
    common = {"organization_id": world.organization.pk, "run": run, "node_id": "start"}
    world.rows.event = Event.objects.create(
        **common, seq=1, kind="node.succeeded", data={"said": world.mark}, at=now()
    )
    world.rows.step = Step.objects.create(
        **common,
        kind="start",
        status="succeeded",
        inputs={"said": world.mark},
        outputs={"said": world.mark},
        started_at=now(),
        ended_at=now(),
    )
    RunWait.objects.create(**common, kind="human", key=f"{world.mark}-wait")
    Signal.objects.create(**common, delivery_id=f"{world.mark}-signal")
    RunLog.objects.create(**common, seq=1, message=f"{world.mark} said", at=now())
    del common["node_id"]
    RunTag.objects.create(**common, workflow=run.workflow, name="what", value=world.mark)
    RollupHour.objects.create(
        organization=world.organization,
        workflow=run.workflow,
        hour=now().replace(minute=0, second=0, microsecond=0),
        total=1,
        failed=1,
        outcomes={"failed": 1},
        errors={world.mark: 1},
    )
    _add_value(world, run)
    world.rows.run = run
    _add_queueing(world, run)


def _add_queueing(world: World, run: Run) -> None:
    key = f"{world.mark}-key"
    RunPolicy.objects.create(
        organization=world.organization, workflow=run.workflow, concurrency_key=key
    )
    ConcurrencySlot.objects.create(
        organization_id=world.organization.pk, workflow=run.workflow, key=key, run=run
    )
    world.rows.rate_limit = NodeRateLimit.objects.create(
        organization=world.organization,
        scope=NodeRateLimit.Scope.CONNECTOR,
        name=f"{world.mark}.example.com",
        limit=60,
        per_seconds=60,
        burst=60,
    )


def _add_value(world: World, run: Run) -> None:
    """Outputs of a step that lie in the file store."""
    large = {"said": world.mark * 10_000}
    Step.objects.create(
        organization_id=world.organization.pk,
        run=run,
        node_id="large",
        kind="template-transform",
        status="succeeded",
        outputs=Aside(world.organization.pk, run.public_id).row_form(large),
        started_at=now(),
        ended_at=now(),
    )
    world.rows.value = RunValue.objects.get(run_public_id=run.public_id)


def _add_tasks(world: World) -> None:
    def task(**changes: Any) -> HumanTask:
        return make_task(
            world.organization,
            title=f"{world.mark} task",
            kind=HUMAN_INPUT,
            subject_id=subject_of(world.rows.run.public_id, "start", ""),
            candidates=EVERYBODY,
            trace_id=world.trace_id,
            snapshot={"said": world.mark},
            form={"content": world.mark, "inputs": []},
            **changes,
        )

    world.rows.task, done = task(), task()
    comment_task(actor=world.owner, task_id=world.rows.task.pk, text=world.mark)
    decide_task(
        actor=world.owner, task_id=done.pk, action_id="approve", comment=world.mark, data={}
    )
    world.rows.decided = done


def _add_money(world: World) -> None:
    mark, organization = world.mark, world.organization
    wallet = WalletFactory(organization=organization)
    provider = ProviderFactory(organization=organization, name=f"{mark} provider")
    world.rows.provider = provider
    world.rows.model = ModelFactory(provider=provider, name=f"{mark}-model")
    world.rows.price = PriceFactory(organization=organization, model=f"{mark}-model")
    hold = Hold.objects.create(
        organization_id=wallet.organization_id,
        wallet=wallet,
        billing_ref=f"{mark}-ref",
        amount=10,
        captured=7,
        state=Hold.State.CAPTURED,
        model=f"{mark}-model",
        trace_id=world.trace_id,
        settled_at=now(),
        expires_at=now() + timedelta(minutes=5),
    )
    Wallet.objects.filter(pk=wallet.pk).update(balance=wallet.balance - 7)
    world.rows.ledger_entry = LedgerEntry.objects.create(
        organization_id=wallet.organization_id,
        wallet=wallet,
        hold=hold,
        kind=LedgerEntry.Kind.CAPTURE,
        debit="wallet",
        credit="sales",
        amount=7,
        balance_after=wallet.balance - 7,
        note=mark,
        trace_id=world.trace_id,
    )
    world.rows.usage = UsageRecord.objects.create(
        organization_id=wallet.organization_id,
        wallet=wallet,
        hold=hold,
        model=f"{mark}-model",
        deployment=f"{mark} provider",
        cost=7,
        usage_source=UsageRecord.Source.values[0],
        outcome=UsageRecord.Outcome.values[0],
        trace_id=world.trace_id,
        run_id=str(world.rows.run.public_id),
    )
    world.rows.wallet, world.rows.hold = wallet, hold


def snapshot_of(world: World) -> dict[str, list[dict[str, Any]]]:
    """Every row of the organization as it stands, by model."""
    pk = world.organization.pk
    found = {}
    for model in KEPT:
        names = {each.attname for each in model._meta.fields}
        where = {"pk": pk} if model is Organization else {"organization_id": pk}
        if "organization_id" not in names and model is not Organization:
            via = "wallet" if "wallet_id" in names else "task"
            where = {f"{via}__organization_id": pk}
        rows = model.objects.filter(**where).order_by("pk").values()
        found[model._meta.label] = [_settled(row) for row in rows]
    return found


def _settled(row: dict[str, Any]) -> dict[str, Any]:
    """As text (secrets do not compare), without what merely looking may touch."""
    return {name: str(value) for name, value in row.items() if not name.startswith("last_used_")}
