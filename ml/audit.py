"""The audit trail of the models: who did what, when and why. Rows are added and never changed."""

from typing import Any

from django.db import connections

from ecomai.models import Store, User
from ml.models import AuditEntry, ModelVersion

# Only what the erasure of a person, a store or a version takes away may change: the reference to it.
GUARD = """
CREATE OR REPLACE FUNCTION ml_audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE'
     AND to_jsonb(NEW) - '{by_id,store_id,version_id}'::text[] = to_jsonb(OLD) - '{by_id,store_id,version_id}'::text[]
     AND (NEW.by_id IS NULL OR NEW.by_id = OLD.by_id)
     AND (NEW.store_id IS NULL OR NEW.store_id = OLD.store_id)
     AND (NEW.version_id IS NULL OR NEW.version_id = OLD.version_id) THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'the audit trail is append-only';
END $$;
CREATE OR REPLACE TRIGGER ml_audit_append_only BEFORE UPDATE OR DELETE ON ml_auditentry
  FOR EACH ROW EXECUTE FUNCTION ml_audit_append_only();
"""


def install_guard(using: str = "default") -> None:
    """Put the trigger into the database (after each migrate; again is free)."""
    connection = connections[using]
    with connection.cursor() as cursor:
        if "ml_auditentry" in connection.introspection.table_names(cursor):
            cursor.execute(GUARD)


def record(
    action: str, *, capability: str, store: Store | None, by: User | None = None, version: ModelVersion | None = None,
    reason: str = "", details: dict[str, Any] | None = None,
) -> AuditEntry:  # fmt: skip
    """Write one entry; in the transaction of what it tells about."""
    return AuditEntry.objects.create(
        action=action, capability=capability, store=store, scope=store.slug if store else "house", by=by,
        version=version, version_label=version.label if version else "", reason=reason, details=details or {},
    )  # fmt: skip
