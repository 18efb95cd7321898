"""Who belongs to a store: roles, leaving, invitations. A store never loses its last owner."""

import secrets
import smtplib
from datetime import timedelta

import structlog
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from ecomai.api_keys import digest
from ecomai.models import Invitation, Membership, Role, Store, User

VALID_FOR = timedelta(days=7)
log = structlog.get_logger(__name__)


def create_store(*, owner: User, name: str, slug: str, currency: str, default_locale: str) -> Store:
    """A new store with its first owner."""
    with transaction.atomic():
        store = Store.objects.create(
            name=name, slug=slug, currency=currency, default_locale=default_locale, locales=[default_locale]
        )
        Membership.objects.create(user=owner, store=store, role=Role.OWNER)
    return store


def _keep_an_owner(membership: Membership) -> None:
    # The lock makes two owners who demote each other at once wait for one another; what was read before it may be old.
    owners = Membership.objects.select_for_update().filter(store=membership.store, role=Role.OWNER).order_by("pk")
    if [owner.pk for owner in owners] == [membership.pk]:
        raise ValidationError(_("A store needs an owner: make somebody else owner first."))


@transaction.atomic
def change_role(membership: Membership, role: str) -> None:
    """Raises ValidationError for an unknown role or the last owner."""
    if role not in Role.values:
        raise ValidationError(_("“%(role)s” is not a role.") % {"role": role})
    if role != Role.OWNER:
        _keep_an_owner(membership)
    Membership.objects.filter(pk=membership.pk).update(role=role)


@transaction.atomic
def remove(membership: Membership) -> None:
    """Raises ValidationError for the last owner."""
    _keep_an_owner(membership)
    membership.delete()


def invite(*, store: Store, email: str, role: str, by: User, link: str) -> tuple[str, bool]:
    """Invite an address, or renew its open invitation: the old link stops working.

    `link` is the page's address with TOKEN in it. Returns the finished link, which can't be shown again, and whether
    the mail went out. Raises ValidationError when the address is a member already.
    """
    email = email.strip().lower()
    if Membership.objects.filter(store=store, user__email=email).exists():
        raise ValidationError(_("%(email)s is a member already.") % {"email": email})
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        Invitation.objects.filter(store=store, email__iexact=email, accepted_at=None).delete()
        Invitation.objects.create(
            store=store, email=email, role=role, token_hash=digest(token), invited_by=by, expires_at=now() + VALID_FOR
        )
    address = link.replace("TOKEN", token)
    return address, _send(store, email, by, address)


def _send(store: Store, email: str, by: User, address: str) -> bool:
    """False when the mail server refused: the invitation stands, and the page shows its link."""
    text = _(
        "%(who)s invites you to the store %(store)s in EcomAI.\n\n"
        "Follow this link within seven days:\n%(link)s\n\nIf you don't expect it, do nothing."
    )
    # A name may hold line breaks; a header may not.
    subject = " ".join((_("Your invitation to %(store)s") % {"store": store.name}).split())
    try:
        send_mail(subject, text % {"who": by, "store": store.name, "link": address}, None, [email])
    except (OSError, smtplib.SMTPException) as error:
        log.warning("invitation_not_mailed", error=type(error).__name__)
        return False
    return True


def find_invitation(token: str) -> Invitation | None:
    """The open, unexpired invitation of a token."""
    return (
        Invitation.objects.select_related("store")
        .filter(token_hash=digest(token), accepted_at=None, expires_at__gt=now())
        .first()
    )


@transaction.atomic
def accept(invitation: Invitation, user: User) -> Membership:
    """Make the user a member; only the invited address may. Raises ValidationError, also when it was used meanwhile."""
    if user.email.lower() != invitation.email.lower():
        raise ValidationError(_("This invitation is for %(email)s.") % {"email": invitation.email})
    used = Invitation.objects.filter(pk=invitation.pk, accepted_at=None, expires_at__gt=now())
    if not used.update(accepted_at=now()):
        raise ValidationError(_("This invitation was used already or has expired."))
    membership, _made = Membership.objects.get_or_create(
        user=user, store=invitation.store, defaults={"role": invitation.role}
    )
    return membership


@transaction.atomic
def accept_as_new(invitation: Invitation, *, password: str, first_name: str, last_name: str = "") -> User:
    """Make the invited person's account and membership together. Raises ValidationError as `accept` does."""
    user, made = User.objects.get_or_create(
        email=invitation.email.lower(), defaults={"first_name": first_name, "last_name": last_name}
    )
    if not made:
        raise ValidationError(_("%(email)s has an account already: sign in.") % {"email": invitation.email})
    user.set_password(password)
    user.save(update_fields=["password"])
    accept(invitation, user)
    return user
