"""Organizations, who belongs to them, what they own together, and how others get in."""

from orgs.models.answers import StoredAnswer
from orgs.models.grants import ProjectGrant, ProjectTeamGrant, TeamGrant, UserGrant
from orgs.models.invitations import Invitation
from orgs.models.jobs import Job, JobQuerySet, asked_by
from orgs.models.keys import ApiKey, ApiKeyQuerySet
from orgs.models.members import Membership, MembershipQuerySet, Role
from orgs.models.organizations import Organization
from orgs.models.projects import Project
from orgs.models.sso import SsoConnection, SsoDomain
from orgs.models.support import SupportAccess
from orgs.models.teams import Team, TeamMembership

__all__ = [
    "ApiKey",
    "ApiKeyQuerySet",
    "Invitation",
    "Job",
    "JobQuerySet",
    "Membership",
    "MembershipQuerySet",
    "Organization",
    "Project",
    "ProjectGrant",
    "ProjectTeamGrant",
    "Role",
    "SsoConnection",
    "SsoDomain",
    "StoredAnswer",
    "SupportAccess",
    "Team",
    "TeamGrant",
    "TeamMembership",
    "UserGrant",
    "asked_by",
]
