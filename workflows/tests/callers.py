"""Clients of the API and of pages, signed in as a new member of an organization."""

from django.test import Client
from rest_framework.test import APIClient

from orgs.tests.factories import MembershipFactory


def client_of(organization, role):
    client = APIClient()
    client.force_login(MembershipFactory(organization=organization, role=role).user)
    return client


def page_client(organization, role):
    client = Client()
    client.force_login(MembershipFactory(organization=organization, role=role).user)
    return client
