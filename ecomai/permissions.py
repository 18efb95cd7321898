"""The one table that says which role may do what. Views, API, consumers and admin ask it."""

from ecomai.models import Role

OWNER, MANAGER, AGENT, ANALYST = Role.OWNER, Role.MANAGER, Role.AGENT, Role.ANALYST
EVERYONE = frozenset(Role.values)

PERMISSIONS: dict[str, frozenset[str]] = {
    "store.view": EVERYONE,
    "store.manage": frozenset({OWNER}),
    "members.view": frozenset({OWNER, MANAGER}),
    "members.manage": frozenset({OWNER}),
    "keys.manage": frozenset({OWNER}),
    "jobs.view": EVERYONE,
    "jobs.cancel": frozenset({OWNER, MANAGER}),
    "catalogue.view": EVERYONE,
    "catalogue.edit": frozenset({OWNER, MANAGER}),
    "catalogue.import": frozenset({OWNER, MANAGER}),
    "catalogue.export": frozenset({OWNER, MANAGER, ANALYST}),
    "copy.view": EVERYONE,
    "copy.write": frozenset({OWNER, MANAGER, AGENT}),
    "copy.approve": frozenset({OWNER, MANAGER}),
    "experiments.view": EVERYONE,
    "experiments.manage": frozenset({OWNER, MANAGER}),
    "reviews.view": EVERYONE,
    "reviews.import": frozenset({OWNER, MANAGER}),
    "reviews.label": frozenset({OWNER, MANAGER, AGENT}),
    "reviews.reply": frozenset({OWNER, MANAGER, AGENT}),
    "reviews.export": frozenset({OWNER, MANAGER, ANALYST}),
    "reviews.manage": frozenset({OWNER, MANAGER}),
    "privacy.manage": frozenset({OWNER}),
    "models.view": frozenset({OWNER, MANAGER, ANALYST}),
    "models.manage": frozenset({OWNER}),
}


def allowed(role: str, permission: str) -> bool:
    """Whether the role holds the permission. Raises KeyError for a permission that is not in the table."""
    return role in PERMISSIONS[permission]
