"""Make a version live behind its gate, or go back; with the audit trail and the re-scoring that follow."""

from django.db import IntegrityError, transaction
from django.utils import timezone

from ecomai import jobs
from ecomai.models import Job, Store, User
from ml import audit, comparison, conversion, loading, registry
from ml.capabilities import capability, load
from ml.models import AuditEntry, Comparison, ModelVersion, Promotion


class GateClosed(Exception):
    """The gate doesn't let the version through; the text says why."""


def gate(version: ModelVersion) -> tuple[bool, list[str], Comparison | None]:
    """(open, reasons, the comparison it goes by). A version that was live before may come back."""
    if version.status == ModelVersion.Status.RETIRED and version.promoted_at:
        return True, [], comparison.latest(version)
    found = comparison.latest(version)
    if found is None:
        return False, ["It was not compared with what is live now."], None
    return found.passes, list(found.reasons), found


def request(*, version: ModelVersion, by: User | None, override: bool = False, reason: str = "") -> Promotion:
    """Write down a promotion and its job, which the door sends. Raises GateClosed: a closed gate wants an override,
    and an override a reason."""
    reason = reason.strip()
    passes, reasons, found = gate(version)
    if not passes and not override:
        raise GateClosed(" ".join(reasons))
    if not passes and not reason:
        raise GateClosed("Say why the version goes live against the gate.")
    if version.status not in (ModelVersion.Status.READY, ModelVersion.Status.RETIRED):
        raise GateClosed(f"{version.label} is {version.get_status_display()}.")
    try:
        with transaction.atomic():
            made = Promotion.objects.create(
                version=version, store_id=version.store_id, comparison=found, override=not passes, reason=reason,
                requested_by=by,
            )  # fmt: skip
            made.job = jobs.create(
                store=version.store, kind="promote", title=f"{version.label}: promotion", task="ml.tasks.promote",
                queue="ml", total=2, created_by=by,
            )  # fmt: skip
            made.save(update_fields=["job"])
            if not passes:
                audit.record(
                    AuditEntry.Action.OVERRIDDEN, capability=version.capability, store=version.store, by=by,
                    version=version, reason=reason, details={"gate": reasons},
                )  # fmt: skip
    except IntegrityError as error:
        raise GateClosed(f"{version.label} is being promoted already.") from error
    return made


def work(made: Promotion, hold: jobs.Run) -> list[Job]:
    """Convert, check, go live; the jobs of the re-scoring are the caller's to send. Run again it changes nothing."""
    if made.status != Promotion.Status.QUEUED:
        return []
    try:
        hold.advance(0, total=2, message="convert")
        conversion.convert(made.version, check=hold.check)
        hold.advance(1, message="promote")
        return _go_live(made)
    except (jobs.LeaseLost, *jobs.DATABASE_LOST):
        raise
    except Exception as error:
        text = "Cancelled." if isinstance(error, jobs.Cancelled) else str(error)[:4000]
        with transaction.atomic():
            ended = Promotion.objects.filter(pk=made.pk, status=Promotion.Status.QUEUED).update(
                status=Promotion.Status.FAILED, error=text, finished_at=timezone.now()
            )
            if ended:
                _tell(AuditEntry.Action.REFUSED, made.version, made.requested_by, text)
        raise


@transaction.atomic
def _go_live(made: Promotion) -> list[Job]:
    held = Promotion.objects.select_for_update().get(pk=made.pk)
    if held.status != Promotion.Status.QUEUED:
        return []
    before = registry.live(made.version.capability, made.version.store_id)
    version = registry.promote(made.version, reason=made.reason or "gate passed", by=made.requested_by)
    Promotion.objects.filter(pk=made.pk).update(status=Promotion.Status.DONE, finished_at=timezone.now())
    audit.record(
        AuditEntry.Action.PROMOTED, capability=version.capability, store=version.store, by=made.requested_by,
        version=version, reason=made.reason,
        details={"promotion": made.pk, "override": made.override, "before": before.label if before else "",
                 "comparison": made.comparison_id},
    )  # fmt: skip
    loading.forget()
    return _rescore(version.capability, version.store)


def roll_back(*, capability_name: str, store: Store | None, by: User | None) -> tuple[ModelVersion, list[Job]]:
    """Make the version before live again at once; the jobs of the re-scoring are the caller's to send.
    Raises registry.PromotionError."""
    with transaction.atomic():
        before = registry.live(capability_name, store.pk if store else None)
        version = registry.roll_back(capability_name, store.pk if store else None, by=by)
        audit.record(
            AuditEntry.Action.ROLLED_BACK, capability=capability_name, store=store, by=by, version=version,
            details={"before": before.label if before else ""},
        )  # fmt: skip
        loading.forget()
        return version, _rescore(capability_name, store)


def _tell(action: str, version: ModelVersion, by: User | None, reason: str) -> None:
    audit.record(action, capability=version.capability, store=version.store, by=by, version=version, reason=reason)


def _rescore(name: str, store: Store | None) -> list[Job]:
    """The jobs that make anew what the version before had made."""
    found = capability(name)
    if not found.rescore:
        return []
    made = load(found.rescore)(store)
    return [made] if isinstance(made, Job) else [job for job in made or [] if isinstance(job, Job)]
