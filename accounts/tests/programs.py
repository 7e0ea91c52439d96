"""A program that is signed in as a person, for tests."""

from django.core import mail
from rest_framework.test import APIClient

from accounts.letters import deliver_due
from accounts.tests.factories import PASSWORD

AUTH = "/api/v1/auth/app/v1"


class Program:
    """Holds the newest tokens; `agent` and `address` are where it runs."""

    def __init__(self, user, agent="cli/1", address="203.0.113.7"):
        self.user, self.agent, self.address = user, agent, address
        answer = self.client().post(
            f"{AUTH}/auth/login", {"email": user.email, "password": PASSWORD}
        )
        self.take(answer.json()["meta"])

    def client(self, agent=None, address=None):
        return APIClient(
            headers={"User-Agent": agent or self.agent}, REMOTE_ADDR=address or self.address
        )

    def take(self, tokens):
        self.access, self.refresh = tokens["access_token"], tokens["refresh_token"]

    def api(self):
        return APIClient(headers={"Authorization": f"Bearer {self.access}"})

    def allowed(self):
        return self.api().get("/api/v1/account/").status_code == 200

    def renew(self, token=None, **place):
        sent = {"refresh_token": token or self.refresh}
        return self.client(**place).post(f"{AUTH}/tokens/refresh", sent)

    def reauthenticate(self):
        return self.api().post(f"{AUTH}/auth/reauthenticate", {"password": PASSWORD})


def mails_to(user):
    """All that has left for the person, what waited in the outbox too."""
    deliver_due()
    return [each for each in mail.outbox if user.email in each.to]
