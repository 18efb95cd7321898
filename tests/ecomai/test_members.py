"""Members and invitations: who comes in, by which link, and that a store keeps an owner."""

import re
import threading

import pytest
from django.core import mail
from django.core.exceptions import ValidationError
from django.db import connection
from django.test import Client
from django.utils.timezone import now, timedelta

from ecomai import members
from ecomai.models import Invitation, Membership, Role, User
from tests.conftest import PASSWORD

pytestmark = pytest.mark.django_db


def link_in(response) -> str:
    return re.search(r"/invitations/([\w-]+)/", response.content.decode())[0]


def test_an_invitation_works_once_for_its_address_only(alice, as_user, store):
    page = as_user(alice).post("/s/alice/members/", {"email": "New@example.com", "role": "analyst"})
    link = link_in(page)
    assert link in mail.outbox[0].body and Invitation.objects.get().token_hash not in link
    guest = Client()
    answer = guest.post(link, {"first_name": "Nia", "password": PASSWORD})
    assert answer.status_code == 302
    assert Membership.objects.get(user__email="new@example.com").role == "analyst"
    assert Client().get(link).status_code == 404


def test_a_known_person_must_sign_in_to_accept(alice, charlie, as_user):
    page = as_user(alice).post("/s/alice/members/", {"email": "charlie@example.com", "role": "manager"})
    link = link_in(page)
    assert Client().get(link)["Location"].startswith("/sign-in/")
    as_user(charlie).post(link)
    assert Membership.objects.filter(user=charlie).count() == 2


def test_the_last_owner_stays(alice, bob, as_user, store):
    mine = Membership.objects.get(user=alice)
    client = as_user(alice)
    client.post(f"/s/alice/members/{mine.pk}/", {"role": "agent"})
    client.post(f"/s/alice/members/{mine.pk}/", {"remove": "1"})
    mine.refresh_from_db()
    assert mine.role == "owner"
    theirs = Membership.objects.get(user=bob)
    client.post(f"/s/alice/members/{theirs.pk}/", {"role": "owner"})
    client.post(f"/s/alice/members/{mine.pk}/", {"remove": "1"})
    assert not Membership.objects.filter(pk=mine.pk).exists()


def test_two_owners_who_demote_each_other_at_once_leave_one(transactional_db, alice, bob, store):
    Membership.objects.filter(store=store).update(role=Role.OWNER)
    rows = list(Membership.objects.filter(store=store))
    start, refused = threading.Barrier(2), []

    def demote(row):
        start.wait()
        try:
            members.change_role(row, Role.AGENT)
        except ValidationError as error:
            refused.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=demote, args=[row]) for row in rows]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 1 and Membership.objects.filter(store=store, role=Role.OWNER).count() == 1


def test_anybody_but_the_last_owner_may_leave(alice, bob, as_user, store):
    assert as_user(bob).post("/s/alice/leave/")["Location"] == "/"
    assert as_user(bob).get("/s/alice/").status_code == 404
    assert as_user(alice).post("/s/alice/leave/")["Location"] == "/profile/"
    assert Membership.objects.get(store=store).user == alice


def test_sending_an_invitation_again_makes_a_new_link_and_ends_the_old_one(alice, as_user):
    client = as_user(alice)
    first = link_in(client.post("/s/alice/members/", {"email": "new@example.com", "role": "agent"}))
    second = link_in(client.post("/s/alice/members/", {"email": "new@example.com", "role": "agent"}))
    assert len(mail.outbox) == 2 and Invitation.objects.count() == 1
    assert (Client().get(first).status_code, Client().get(second).status_code) == (404, 200)
    assert first not in client.get("/s/alice/members/").content.decode()


def test_a_link_ends_with_its_time_and_by_being_revoked(alice, as_user):
    client = as_user(alice)
    link = link_in(client.post("/s/alice/members/", {"email": "new@example.com", "role": "agent"}))
    Invitation.objects.update(expires_at=now() - timedelta(seconds=1))
    assert Client().get(link).status_code == 404
    assert "expired" in client.get("/s/alice/members/").content.decode()
    link = link_in(client.post("/s/alice/members/", {"email": "new@example.com", "role": "agent"}))
    client.post(f"/s/alice/invitations/{Invitation.objects.get().pk}/revoke/")
    assert Client().post(link, {"first_name": "N", "password": PASSWORD}).status_code == 404
    assert not User.objects.filter(email="new@example.com").exists()


def test_somebody_else_who_is_signed_in_is_told_whose_invitation_it_is(alice, bob, charlie, as_user):
    link = link_in(as_user(alice).post("/s/alice/members/", {"email": "charlie@example.com", "role": "agent"}))
    page = as_user(bob).get(link)
    assert page.status_code == 403 and b"charlie@example.com" in page.content
    as_user(bob).post(link)
    assert not Membership.objects.filter(user=charlie, store__slug="alice").exists()


def test_a_mail_server_that_is_down_is_said_and_the_link_still_works(alice, as_user, settings):
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_PORT = 1
    page = as_user(alice).post("/s/alice/members/", {"email": "new@example.com", "role": "agent"})
    assert "could not be sent" in page.content.decode() and Client().get(link_in(page)).status_code == 200


def test_a_weak_password_makes_no_account(alice, as_user):
    link = link_in(as_user(alice).post("/s/alice/members/", {"email": "new@example.com", "role": "agent"}))
    assert Client().post(link, {"first_name": "Nia", "password": "12345"}).status_code == 200
    assert not User.objects.filter(email="new@example.com").exists()


@pytest.mark.parametrize("role", [Role.MANAGER, Role.AGENT, Role.ANALYST])
def test_only_an_owner_invites_and_changes_roles(role, bob, as_user, store):
    Membership.objects.filter(user=bob).update(role=role)
    own = Membership.objects.get(user=bob)
    client = as_user(bob)
    assert client.post("/s/alice/members/", {"email": "x@example.com", "role": "owner"}).status_code == 403
    assert client.post(f"/s/alice/members/{own.pk}/", {"role": "owner"}).status_code == 403
    own.refresh_from_db()
    assert own.role == role and not Invitation.objects.exists()
