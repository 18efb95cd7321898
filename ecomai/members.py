"""Who belongs to a store: roles, leaving, invitations. A store never loses its last owner."""

import secrets
from datetime import timedelta

from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import transaction
from django.utils.timezone import now
from django.utils.translation import gettext as _

from ecomai.api_keys import digest
from ecomai.models import Invitation, Membership, Role, Store, User

VALID_FOR = timedelta(days=7)


def create_store(*, owner: User, name: str, slug: str, currency: str, default_locale: str) -> Store:
    """A new store with its first owner."""
    with transaction.atomic():
        store = Store.objects.create(
            name=name, slug=slug, currency=currency, default_locale=default_locale, locales=[default_locale]
        )
        Membership.objects.create(user=owner, store=store, role=Role.OWNER)
    return store


def _keep_an_owner(membership: Membership) -> None:
    owners = Membership.objects.select_for_update().filter(store=membership.store, role=Role.OWNER)
    if membership.role == Role.OWNER and len(owners) == 1:
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


def invite(*, store: Store, email: str, role: str, by: User, link: str) -> tuple[Invitation, str]:
    """Invite an address, or renew its open invitation: the old link stops working.

    `link` is the page's address with TOKEN in it. Returns the invitation and the link, which can't be shown again.
    Raises ValidationError when the address is a member already.
    """
    email = email.strip().lower()
    if Membership.objects.filter(store=store, user__email=email).exists():
        raise ValidationError(_("%(email)s is a member already.") % {"email": email})
    token = secrets.token_urlsafe(32)
    with transaction.atomic():
        Invitation.objects.filter(store=store, email__iexact=email, accepted_at=None).delete()
        invitation = Invitation.objects.create(
            store=store, email=email, role=role, token_hash=digest(token), invited_by=by, expires_at=now() + VALID_FOR
        )
    address = link.replace("TOKEN", token)
    text = _(
        "%(who)s invites you to the store %(store)s in EcomAI.\n\n"
        "Follow this link within seven days:\n%(link)s\n\nIf you don't expect it, do nothing."
    )
    send_mail(
        _("Your invitation to %(store)s") % {"store": store.name},
        text % {"who": by, "store": store.name, "link": address},
        None,
        [email],
        fail_silently=True,
    )
    return invitation, address


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
