"""Briefs, bulk orders and earlier texts in the admin: what each role sees and changes there."""

import pytest
from django.utils import timezone

from ecomai.models import Membership, User
from products import copy_editing
from products.models import AdAsset, AssetRevision, CopyBatch, CopyBrief, CopyRequest, Product
from tests.factories import make_product

pytestmark = pytest.mark.django_db
FORM = {
    "name": "Spring", "audience": "gardeners", "angles": ["benefit"], "must_include": "mug | cup", "banned": "cheap\nbest", "channels": ["seo"],
    "locale": "en", "tone": "friendly", "variants": 2, "use_voice": "on",
}  # fmt: skip


@pytest.fixture
def root(as_user):
    return as_user(User.objects.create_superuser("root@example.com", "x"))


@pytest.fixture
def staff(store, as_user):
    """A manager of the one store, with a door to the admin."""
    user = User.objects.create_user("staff@example.com", "x", is_staff=True)
    Membership.objects.create(user=user, store=store, role="manager")
    return as_user(user)


def text_of(store, by) -> AdAsset:
    """A text that was changed once."""
    order = CopyRequest.objects.create(store=store, product=make_product(store), channels=["seo"], locale="en", tone="neutral",
                                       asked={"seo.title": 1}, finished_at=timezone.now())  # fmt: skip
    row = AdAsset.objects.create(
        store=store, request=order, product=order.product, field="seo.title", locale="en", tone="neutral", angle="use", position=1,
        text="Stoneware mug", machine_text="Stoneware mug", model_label="m", inputs_hash="h",
    )  # fmt: skip
    copy_editing.edit(row, "Stoneware mug for tea", by)
    return row


def test_a_brief_is_made_and_changed_with_the_checks_of_its_own_page(store, other_store, root):
    page = root.post("/admin/products/copybrief/add/", {**FORM, "store": store.pk})
    assert page.status_code == 302, page.context["errors"]
    brief = CopyBrief.objects.get()
    assert (brief.store, brief.must_include, brief.banned, brief.channels) == (
        store,
        ["mug | cup"],
        ["cheap", "best"],
        ["seo"],
    )
    assert (brief.use_voice, brief.use_reviews, brief.variants, brief.created_by.email) == (
        True,
        False,
        2,
        "root@example.com",
    )
    before = brief.updated_at
    page = root.get(f"/admin/products/copybrief/{brief.pk}/change/")
    assert b"mug | cup" in page.content and 'name="store"' not in page.content.decode()
    assert (
        root.post(
            f"/admin/products/copybrief/{brief.pk}/change/", {**FORM, "name": "Autumn", "store": other_store.pk}
        ).status_code
        == 302
    )
    brief.refresh_from_db()
    assert (brief.name, brief.store) == ("Autumn", store) and brief.updated_at > before


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"channels": []}, "This field is required"), ({"banned": "cup"}, "both demanded and banned"), ({"variants": 11}, "less than or equal to 10"),
        ({"angles": ["magic"]}, "not one of the available choices"), ({"name": "Taken"}, "a brief of that name"), ({"locale": "xx"}, "not one of the available"),
    ],
)  # fmt: skip
def test_a_brief_that_makes_no_sense_is_refused(store, root, change, told):
    CopyBrief.objects.create(store=store, name="Taken", channels=["seo"], locale="en")
    mine = CopyBrief.objects.create(store=store, name="Mine", channels=["seo"], locale="en")
    for path, store_too in ((f"{mine.pk}/change/", {}), ("add/", {"store": store.pk})):
        page = root.post(f"/admin/products/copybrief/{path}", {**FORM, **store_too, **change})
        assert page.status_code == 200 and told in page.content.decode(), path
    assert CopyBrief.objects.count() == 2


def test_staff_see_their_stores_rows_alone_and_forge_no_other(store, other_store, alice, staff):
    rows = {}
    for shop, name in ((store, "Ours"), (other_store, "Theirs")):
        brief = CopyBrief.objects.create(store=shop, name=name, channels=["seo"], locale="en")
        batch = CopyBatch.objects.create(store=shop, brief=brief, settings={"name": name})
        rows[shop.pk] = {"copybrief": brief, "copybatch": batch, "assetrevision": text_of(shop, alice).revisions.get()}
    for model in ("copybrief", "copybatch", "assetrevision"):
        page = staff.get(f"/admin/products/{model}/")
        assert page.status_code == 200 and page.context["cl"].result_count == 1
        assert [row.store_id for row in page.context["cl"].result_list] == [store.pk]
        assert "Charlie" not in page.content.decode(), "no filter names another's store"
        assert staff.get(f"/admin/products/{model}/{rows[store.pk][model].pk}/change/").status_code == 200
        assert staff.get(f"/admin/products/{model}/{rows[other_store.pk][model].pk}/change/").status_code == 302
    staff.post("/admin/products/copybrief/add/", {**FORM, "store": other_store.pk})
    assert not CopyBrief.objects.filter(name="Spring").exists()


def test_orders_and_earlier_texts_are_read_and_go_only_with_what_they_belong_to(store, alice, root):
    row = text_of(store, alice)
    revision = row.revisions.get()
    batch = CopyBatch.objects.create(store=store, settings={"name": "Spring"})
    for model, pk in (("assetrevision", revision.pk), ("copybatch", batch.pk)):
        for path in ("add/", f"{pk}/delete/"):
            assert root.post(f"/admin/products/{model}/{path}", {"post": "yes"}).status_code == 403
        assert root.post(f"/admin/products/{model}/{pk}/change/", {"text": "x"}).status_code == 403
        root.post(f"/admin/products/{model}/", {"action": "delete_selected", "_selected_action": [pk], "post": "yes"})
    assert [r.text for r in AssetRevision.objects.all()] == ["Stoneware mug"] and CopyBatch.objects.exists()
    page = root.post(f"/admin/products/product/{row.product_id}/delete/", {"post": "yes"})
    assert page.status_code == 302 and not Product.objects.exists() and not AssetRevision.objects.exists()
