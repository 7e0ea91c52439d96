"""The role that serves: made, renewed, and refused to who owns (rights: tests/test_deployed.py)."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from config.service_role import GROWING
from core.database import is_postgres

ROLE = "loomwork_service_of_a_test"


@pytest.fixture
def url(monkeypatch):
    def set_to(role, password="first0password"):
        monkeypatch.setenv("SERVICE_DATABASE_URL", f"postgres://{role}:{password}@db:5432/loomwork")

    return set_to


def grant():
    call_command("grant_service_role", "SERVICE_DATABASE_URL", verbosity=0)


@pytest.mark.django_db
def test_a_database_without_roles_says_so(url):
    if is_postgres():
        pytest.skip("SQLite's alone")
    url(ROLE)
    with pytest.raises(CommandError, match="this database has none"):
        grant()


@pytest.mark.django_db
def test_a_url_without_role_is_refused(monkeypatch):
    if not is_postgres():
        pytest.skip("PostgreSQL's alone")
    for given in ("", "postgres://db/loomwork"):
        monkeypatch.setenv("SERVICE_DATABASE_URL", given)
        with pytest.raises(CommandError, match="names no role"):
            grant()


@pytest.mark.django_db
def test_neither_the_owner_nor_who_owns_anything_is_cut_down_to_serve(url):
    if not is_postgres():
        pytest.skip("PostgreSQL's alone")
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        owner = cursor.fetchone()[0]
        cursor.execute(f"CREATE ROLE {ROLE}")
        cursor.execute("CREATE TABLE owned (id int)")
        cursor.execute(f"ALTER TABLE owned OWNER TO {ROLE}")
    for role in (owner, ROLE):
        url(role)
        with pytest.raises(CommandError, match="is an owner or a superuser"):
            grant()


@pytest.mark.django_db
def test_running_again_renews_password_and_takes_back_what_was_added(url):
    if not is_postgres():
        pytest.skip("PostgreSQL's alone")
    url(ROLE)
    grant()
    with connection.cursor() as cursor:
        cursor.execute("SELECT rolpassword FROM pg_authid WHERE rolname = %s", [ROLE])
        first = cursor.fetchone()[0]
        cursor.execute(f"ALTER ROLE {ROLE} CREATEDB")
        cursor.execute(f"GRANT ALL ON billing_ledgerentry TO {ROLE}")
    url(ROLE, "second0password")

    grant()

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT rolpassword, rolcreatedb, has_table_privilege(rolname, %s, 'UPDATE'),"
            " has_table_privilege(rolname, %s, 'TRUNCATE'),"
            " has_table_privilege(rolname, %s, 'INSERT')"
            " FROM pg_authid WHERE rolname = %s",
            ["billing_ledgerentry"] * 3 + [ROLE],
        )
        password, *rights = cursor.fetchone()
    assert password.startswith("SCRAM-SHA-256$")
    assert password != first
    assert rights == [False, False, False, True]


@pytest.mark.django_db
def test_without_a_password_in_the_url_the_role_has_none_left(url, monkeypatch):
    if not is_postgres():
        pytest.skip("PostgreSQL's alone")
    url(ROLE)
    grant()
    monkeypatch.setenv("SERVICE_DATABASE_URL", f"postgres://{ROLE}@db:5432/loomwork?sslcert=/c.pem")

    grant()

    with connection.cursor() as cursor:
        cursor.execute("SELECT rolpassword, rolcanlogin FROM pg_authid WHERE rolname = %s", [ROLE])
        assert cursor.fetchone() == (None, True)


@pytest.mark.django_db
def test_every_table_that_only_grows_is_withheld_by_the_roles_rights_too():
    if not is_postgres():
        pytest.skip("PostgreSQL's alone")
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid"
            " WHERE t.tgname LIKE '%append_only%'"
        )
        guarded = {table for (table,) in cursor.fetchall()}
    assert guarded == {model._meta.db_table for model in GROWING}
