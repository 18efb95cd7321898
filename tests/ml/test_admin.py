"""The admin of the models by HTTP: retrain, watch, compare, promote, roll back, schedule; each store its own."""

import pytest

from ecomai.models import Job, Membership, User
from ml import registry, tasks
from ml.models import AuditEntry, Comparison, RetrainSchedule, TrainingRun
from tests.ml import conftest

RETRAIN = "/admin/ml/trainingrun/retrain/?capability=words"


@pytest.fixture
def sent(monkeypatch):
    found: list[Job] = []
    for module in ("ml.tasks", "ml.admin"):
        monkeypatch.setattr(f"{module}.send", found.append)
    return found


@pytest.fixture
def staff(alice, as_user):
    """Alice as staff: she owns store A."""
    alice.is_staff = True
    alice.save()
    return as_user(alice)


@pytest.fixture
def root(db, as_user):
    return as_user(User.objects.create_superuser("root@example.com", "x"))


def page(client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return answer.content.decode()


def retrain(client, store, **settings) -> TrainingRun:
    answer = client.post(
        RETRAIN, {"store": store.pk if store else "", "start_from": "base", "method": "lora", **settings}
    )
    assert answer.status_code == 302, answer.content.decode()[-3000:]
    return TrainingRun.objects.order_by("-pk").first()


def do(sent) -> None:
    """What the worker would do, until nothing is left."""
    known = {"ml.tasks.train": tasks.train, "ml.tasks.compare": tasks.compare, "ml.tasks.promote": tasks.promote}
    while sent:
        job = sent.pop(0)
        if job.task in known:
            known[job.task](job.pk)


def test_retrain_watch_compare_promote_and_roll_back_by_hand(words, store, alice, staff, sent):
    assert RETRAIN.split("?")[0] in page(staff, "/admin/ml/trainingrun/")
    form = page(staff, RETRAIN)
    assert "Passes over the data" in form and "More settings" in form and "House" not in form
    run = retrain(staff, store, epochs=1, spoil="bad")
    waiting = page(staff, f"/admin/ml/trainingrun/{run.pk}/change/")
    assert "Waiting" in waiting and f'hx-get="/admin/ml/trainingrun/{run.pk}/live/"' in waiting
    do(sent)
    live = page(staff, f"/admin/ml/trainingrun/{run.pk}/live/")
    assert "<polyline" in live and "160 / 160" in live and "hx-get" not in live and "CPU" in live
    run.refresh_from_db()
    first = run.version
    shown = page(staff, f"/admin/ml/comparison/{first.comparisons.get().pk}/change/")
    assert "Nothing to compare with" in shown
    assert staff.post(f"/admin/ml/modelversion/{first.pk}/promote/").status_code == 302
    do(sent)
    assert registry.live("words", store.pk) == first
    assert "is live" in page(staff, f"/admin/ml/modelversion/{first.pk}/change/")

    second = retrain(staff, store, epochs=2)
    do(sent)
    second.refresh_from_db()
    told = second.version.comparisons.get()
    shown = page(staff, f"/admin/ml/comparison/{told.pk}/change/")
    assert "Better" in shown and "By language" in shown and "ml-shade-9" in shown and "mended" in shown
    assert "broken thing" in shown, "a changed example"
    assert "style=" not in shown.split('id="content-main"')[1] and "<script" not in shown.split('id="content-main"')[1]
    staff.post(f"/admin/ml/comparison/{told.pk}/promote/")
    do(sent)
    assert registry.live("words", store.pk) == second.version
    staff.post(f"/admin/ml/comparison/{told.pk}/roll-back/")
    assert registry.live("words", store.pk) == first
    assert len(conftest.RESCORED) == 3
    trail = page(staff, "/admin/ml/auditentry/")
    assert "Rolled back" in trail and "Promoted" in trail and first.label in trail
    assert AuditEntry.objects.exclude(by=alice).count() == 0


def test_a_closed_gate_says_why_and_opens_for_a_reason(words, store, staff, sent):
    good = retrain(staff, store)
    do(sent)
    good.refresh_from_db()
    staff.post(f"/admin/ml/modelversion/{good.version_id}/promote/")
    do(sent)
    bad = retrain(staff, store, spoil="good")
    do(sent)
    told = Comparison.objects.get(candidate__run=bad)
    path = f"/admin/ml/comparison/{told.pk}/"
    shown = page(staff, f"{path}change/")
    assert "closed" in shown and "worse beyond its interval" in shown
    assert "worse beyond" in staff.post(f"{path}promote/", follow=True).content.decode()
    assert "Say why" in staff.post(f"{path}promote/", {"override": "on"}, follow=True).content.decode()
    do(sent)
    assert registry.live("words", store.pk) == good.version
    staff.post(f"{path}promote/", {"override": "on", "reason": "<b>legal</b>"})
    do(sent)
    bad.refresh_from_db()
    assert registry.live("words", store.pk) == bad.version
    trail = page(staff, "/admin/ml/auditentry/")
    assert "&lt;b&gt;legal&lt;/b&gt;" in trail and "<b>legal" not in trail


def test_wrong_settings_are_told_beside_their_field_and_a_second_run_is_refused(words, store, staff, sent):
    answer = staff.post(RETRAIN, {"store": store.pk, "start_from": "base", "method": "lora", "epochs": 1000})
    assert answer.status_code == 400 and "epochs=1000: 1 to 100" in answer.content.decode()
    retrain(staff, store)
    answer = staff.post(RETRAIN, {"store": store.pk, "start_from": "base", "method": "lora"})
    assert answer.status_code == 400 and "under way already" in answer.content.decode()
    assert TrainingRun.objects.count() == 1


def test_a_waiting_run_is_cancelled_by_its_button(words, store, staff, sent):
    run = retrain(staff, store)
    assert staff.get(f"/admin/ml/trainingrun/{run.pk}/cancel/").status_code == 405
    staff.post(f"/admin/ml/trainingrun/{run.pk}/cancel/")
    run.refresh_from_db()
    assert run.status == "cancelled"
    do(sent)
    run.refresh_from_db()
    assert run.status == "cancelled" and run.version is None


def test_nobody_sees_or_moves_another_stores_models_nor_the_houses(
    words, store, other_store, staff, root, charlie, as_user, sent
):
    charlie.is_staff = True
    charlie.save()
    theirs = as_user(charlie)
    run = retrain(staff, store)
    house = retrain(root, None)
    do(sent)
    run.refresh_from_db()
    house.refresh_from_db()
    told = run.version.comparisons.get()
    listed = page(theirs, "/admin/ml/trainingrun/")
    assert f"/trainingrun/{run.pk}/" not in listed and f"/trainingrun/{house.pk}/" not in listed
    for path in (f"trainingrun/{run.pk}/live/", f"trainingrun/{run.pk}/change/", f"comparison/{told.pk}/change/",
                 f"modelversion/{run.version_id}/change/", f"trainingrun/{house.pk}/live/"):  # fmt: skip
        assert theirs.get(f"/admin/ml/{path}").status_code == 404, path
    for path in (f"trainingrun/{run.pk}/cancel/", f"trainingrun/{run.pk}/compare/", f"comparison/{told.pk}/promote/",
                 f"comparison/{told.pk}/roll-back/", f"modelversion/{run.version_id}/promote/",
                 f"modelversion/{house.version_id}/promote/"):  # fmt: skip
        assert theirs.post(f"/admin/ml/{path}", {"override": "on", "reason": "x"}).status_code == 404, path
    forged = theirs.post(RETRAIN, {"store": store.pk, "start_from": "base", "method": "lora"})
    assert forged.status_code == 400
    assert theirs.post(RETRAIN, {"store": "", "start_from": "base", "method": "lora"}).status_code == 400
    assert f"{run.version.label}" not in page(theirs, "/admin/ml/auditentry/")
    assert page(root, f"/admin/ml/trainingrun/{house.pk}/change/")


def test_an_analyst_looks_and_a_manager_looks_but_only_the_owner_acts(words, store, bob, staff, as_user, sent):
    run = retrain(staff, store)
    bob.is_staff = True
    bob.save()
    client = as_user(bob)
    assert client.get("/admin/ml/trainingrun/").status_code == 403, "an agent has no business here"
    Membership.objects.filter(user=bob).update(role="analyst")
    shown = page(client, f"/admin/ml/trainingrun/{run.pk}/change/")
    assert "/cancel/" not in shown and "retrain/" not in page(client, "/admin/ml/trainingrun/")
    assert client.get(RETRAIN).status_code == 404
    assert client.post(f"/admin/ml/trainingrun/{run.pk}/cancel/").status_code == 404


def test_a_schedule_is_made_checked_and_recorded(words, store, staff, alice):
    data = {"capability": "words", "store": store.pk, "start_from": "live", "config": "{}", "enabled": "on"}
    path = "/admin/ml/retrainschedule/add/"
    assert "Give a number of labels" in staff.post(path, data).content.decode()
    assert "not five" in staff.post(path, {**data, "cron": "0 3 *"}).content.decode()
    assert "epochs=0" in staff.post(path, {**data, "cron": "0 3 * * 1", "config": '{"epochs": 0}'}).content.decode()
    assert staff.post(path, {**data, "store": "", "cron": "0 3 * * 1"}).status_code == 200, "the house is not hers"
    assert not RetrainSchedule.objects.exists()
    assert staff.post(path, {**data, "cron": "0 3 * * 1"}).status_code == 302
    assert RetrainSchedule.objects.get().created_by == alice
    assert AuditEntry.objects.get().action == "scheduled"
    assert "0 3 * * 1" in page(staff, "/admin/ml/retrainschedule/")


def test_the_audit_trail_has_no_form_to_change_it(words, store, root, sent):
    retrain(root, store)
    entry = AuditEntry.objects.get()
    assert root.post(f"/admin/ml/auditentry/{entry.pk}/change/", {"reason": "x"}).status_code == 403
    assert root.post(f"/admin/ml/auditentry/{entry.pk}/delete/", {"post": "yes"}).status_code == 403
    assert root.get("/admin/ml/auditentry/add/").status_code == 403


def test_the_form_of_every_capability_opens_and_offers_what_its_engine_knows(root):
    shown = page(root, "/admin/ml/trainingrun/retrain/?capability=reviews")
    for name in ("AdaLoRA", "Bottleneck adapter", 'name="dp_noise"', 'name="trials"', 'name="adversarial"', "House:"):
        assert name in shown
    assert 'name="rank"' in page(root, "/admin/ml/trainingrun/retrain/?capability=copy")
    assert root.get("/admin/ml/trainingrun/retrain/?capability=none").status_code == 404
