"""Texts have a history: kept, compared, put back, talked about; and many are decided at once."""

import pytest

from products import asset_history, copy_editing, copy_previews
from products.asset_history import Piece, compare, versions
from products.models import AdAsset, AssetComment, AssetRevision, CopyRequest
from tests.factories import make_product
from tests.products.copy.writer import writer  # noqa: F401

pytestmark = pytest.mark.django_db


@pytest.fixture
def mug(store):
    return make_product(
        store, "Stoneware mug 350 ml", attributes={"Material": "Stoneware", "Volume": "350 ml", "Care": "Dishwasher-safe"},
        description_text="A sturdy mug in glazed stoneware.",
    )  # fmt: skip


@pytest.fixture
def order(mug, store):
    return CopyRequest.objects.create(
        store=store, product=mug, channels=["seo"], locale="en", tone="neutral", asked={"seo.title": 3},
        finished_at="2026-11-01T00:00Z",
    )  # fmt: skip


def make(order, n: int = 1, text: str = "Stoneware mug with 350 ml", **fields) -> AdAsset:
    values = {
        "field": "seo.title",
        "locale": "en",
        "tone": "neutral",
        "angle": "feature",
        "model_label": "house-copy-x",
        **fields,
    }
    return AdAsset.objects.create(
        store=order.store, request=order, product=order.product, position=n, text=text, machine_text=text, inputs_hash="0" * 64, **values
    )  # fmt: skip


@pytest.fixture
def asset(order):
    return make(order)


def edit(client, asset, text: str):
    return client.post(f"/s/alice/copy/assets/{asset.pk}/edit/", {"text": text}, headers={"hx-request": "true"})


# --- comparing
@pytest.mark.parametrize(
    ("old", "new", "pieces"),
    [
        ("a red mug", "a blue mug", [("same", "a "), ("old", "red"), ("new", "blue"), ("same", " mug")]),
        ("mug", "mug!", [("same", "mug"), ("new", "!")]), ("红色马克杯", "蓝色马克杯", [("old", "红"), ("new", "蓝"), ("same", "色马克杯")]),
        ("same", "same", [("same", "same")]), ("", "new", [("new", "new")]),
    ],
)  # fmt: skip
def test_two_texts_are_compared_by_words_and_by_characters_without_spaces(old, new, pieces):
    assert compare(old, new) == [Piece(kind, text) for kind, text in pieces]


def test_a_comparison_holds_both_texts_whole():
    old, new = "Glazed  stoneware, 350 ml: the mug.", "A glazed mug, 350 ml & 炻器 more"
    found = compare(old, new)
    assert "".join(p.text for p in found if p.kind != "new") == old
    assert "".join(p.text for p in found if p.kind != "old") == new


# --- keeping
def test_each_edit_keeps_what_was_there(asset, alice, bob, as_user):
    edit(as_user(alice), asset, "Stoneware mug, 350 ml")
    edit(as_user(bob), asset, "Sturdy mug, 350 ml")
    edit(as_user(bob), asset, "  Sturdy  mug, 350 ml ")  # the same again
    edit(as_user(bob), asset, "x" * 90)  # refused
    asset.refresh_from_db()
    assert asset.text == "Sturdy mug, 350 ml" and asset.machine_text == "Stoneware mug with 350 ml"
    kept = list(asset.revisions.values_list("text", "origin", "model_label", "replaced_by__email"))
    assert kept == [
        ("Stoneware mug, 350 ml", "human", "house-copy-x", "bob@example.com"),
        ("Stoneware mug with 350 ml", "machine", "house-copy-x", "alice@example.com"),
    ]
    told = [(v.text, v.origin, v.by, v.revision is None) for v in versions(asset)]
    assert told == [
        ("Sturdy mug, 350 ml", "human", bob, True), ("Stoneware mug, 350 ml", "human", alice, False),
        ("Stoneware mug with 350 ml", "machine", None, False),
    ]  # fmt: skip
    page = as_user(bob).get(f"/s/alice/copy/assets/{asset.pk}/history/").content.decode()
    assert '<del class="diff-old">Stoneware</del>' in page and '<ins class="diff-new">Sturdy</ins>' in page
    assert page.count("Bring this text back") == 2
    card = as_user(bob).get(f"/s/alice/copy/{asset.request_id}/").content.decode()
    assert "History 2" in card


def test_the_model_keeps_its_own_earlier_texts_too(asset, alice, as_user, writer):  # noqa: F811
    writer.texts["seo.title"] = ["Dishwasher-safe mug in glazed stoneware"]
    card = (
        as_user(alice)
        .post(f"/s/alice/copy/assets/{asset.pk}/rewrite/", headers={"hx-request": "true"})
        .content.decode()
    )
    asset.refresh_from_db()
    assert asset.text == "Dishwasher-safe mug in glazed stoneware" == asset.machine_text and "Dishwasher" in card
    (kept,) = asset.revisions.all()
    assert (kept.text, kept.origin, kept.replaced_by) == ("Stoneware mug with 350 ml", "machine", alice)
    as_user(alice).post(f"/s/alice/copy/assets/{asset.pk}/rewrite/", headers={"hx-request": "true"})
    assert asset.revisions.count() == 1, "the same text is no new one"


def test_a_text_that_a_person_touched_while_the_model_wrote_stays(asset, alice, writer):  # noqa: F811
    writer.texts["seo.title"] = ["Dishwasher-safe mug in glazed stoneware"]
    writer.before = lambda: AdAsset.objects.filter(pk=asset.pk).update(text="Mine", origin="human")
    assert copy_editing.rewrite(asset, alice) is False
    asset.refresh_from_db()
    assert asset.text == "Mine" and not AssetRevision.objects.exists()


def test_an_earlier_text_comes_back_with_its_own_provenance(asset, alice, as_user):
    client = as_user(alice)
    edit(client, asset, "Sturdy mug, 350 ml")
    first = AssetRevision.objects.get()
    client.post(f"/s/alice/copy/revisions/{first.pk}/restore/")
    client.post(f"/s/alice/copy/revisions/{first.pk}/restore/")
    asset.refresh_from_db()
    assert (asset.text, asset.origin) == ("Stoneware mug with 350 ml", "machine")
    assert [r.text for r in asset.revisions.all()] == ["Sturdy mug, 350 ml", "Stoneware mug with 350 ml"]
    assert any(span["value"] == "350 ml" or "350" in span["value"] for span in asset.facts)


def test_an_approved_text_waits_again_when_one_edits_it_who_may_not_approve(asset, alice, bob, as_user):
    copy_editing.decide(asset, "approved", alice)
    edit(as_user(alice), asset, "Stoneware mug, 350 ml")
    asset.refresh_from_db()
    assert asset.status == "approved"
    edit(as_user(bob), asset, "Sturdy mug, 350 ml")
    asset.refresh_from_db()
    assert asset.status == "proposed"
    copy_editing.decide(asset, "approved", alice)
    as_user(bob).post(f"/s/alice/copy/revisions/{asset.revisions.last().pk}/restore/")
    asset.refresh_from_db()
    assert (asset.text, asset.status) == ("Stoneware mug with 350 ml", "proposed")


# --- comments
def test_people_talk_about_a_text(asset, alice, bob, as_user):
    url = f"/s/alice/copy/assets/{asset.pk}/comment/"
    as_user(bob).post(url, {"text": "Too <b>plain</b>?\n\nWhat do you think"})
    as_user(alice).post(url, {"text": "  \n "})
    as_user(alice).post(url, {"text": "x" * 1001})
    (found,) = AssetComment.objects.all()
    assert found.text == "Too <b>plain</b>?\nWhat do you think" and found.author == bob
    page = as_user(alice).get(f"/s/alice/copy/assets/{asset.pk}/history/").content.decode()
    assert "Too &lt;b&gt;plain&lt;/b&gt;?<br>What" in page and "bob@example.com" in page
    assert "1 comment" in as_user(alice).get(f"/s/alice/copy/{asset.request_id}/").content.decode()


# --- many at once
def test_many_texts_are_decided_at_once_by_those_who_may(order, alice, bob, as_user, other_store):
    texts = [make(order, n) for n in range(1, 5)]
    ids = [t.pk for t in texts[:3]]
    assert as_user(bob).post("/s/alice/copy/assets/decide/", {"ids": ids, "status": "approved"}).status_code == 403
    to = f"/s/alice/copy/{order.pk}/"
    page = as_user(alice).post(
        "/s/alice/copy/assets/decide/", {"ids": ids, "status": "approved", "next": to}, follow=True
    )
    assert page.redirect_chain[0][0] == to and "3 texts approved." in page.content.decode()
    assert list(order.assets.values_list("status", flat=True)) == ["approved"] * 3 + ["proposed"]
    as_user(alice).post(
        "/s/alice/copy/assets/decide/", {"ids": ids[:1] + ["x"], "status": "rejected", "reason": "dull"}
    )
    texts[0].refresh_from_db()
    assert (texts[0].status, texts[0].reason, texts[0].decided_by) == ("rejected", "dull", alice)
    assert as_user(alice).post("/s/alice/copy/assets/decide/", {"ids": ids, "status": "proposed"}).status_code == 422
    page = as_user(alice).post("/s/alice/copy/assets/decide/", {"status": "approved", "next": to}, follow=True)
    assert "Tick the texts first." in page.content.decode() and "0 texts" not in page.content.decode()
    evil = as_user(alice).post(
        "/s/alice/copy/assets/decide/", {"ids": ids, "status": "approved", "next": "//evil.example"}
    )
    assert evil["Location"] == "/s/alice/copy/"


def test_variants_stand_side_by_side_with_keys_and_a_form_for_many(order, alice, bob, as_user):
    for n in (1, 2, 3):
        make(order, n, f"Stoneware mug, {n} times 350 ml")
    page = as_user(alice).get(f"/s/alice/copy/{order.pk}/").content.decode()
    assert page.count('form="decide-many"') == 3 and page.count("data-asset") == 3 and "copy_review.js" in page
    assert page.count('data-key="a"') == 3 and 'id="decide-many"' in page and "grid-cards" in page
    page = as_user(bob).get(f"/s/alice/copy/{order.pk}/").content.decode()
    assert 'form="decide-many"' not in page and 'id="decide-many"' not in page
    alone = as_user(bob).get(f"/s/alice/copy/assets/{order.assets.first().pk}/edit/").content.decode()
    assert "<textarea" in alone and "<html" in alone  # without JavaScript, a page of its own


def test_a_card_counts_as_the_channel_does_and_names_other_lengths_where_they_differ(order, alice, as_user):
    texts = [make(order, 1, "Mug, 350 ml"), make(order, 2, "Größe 2 – 炻器杯")]
    page = as_user(alice).get(f"/s/alice/copy/{order.pk}/").content.decode()
    plain, wide = (" ".join(page.split(f'id="asset-{t.pk}"')[1].split("</article>")[0].split()) for t in texts)
    assert "11 / 60" in plain and "bytes" not in plain and "characters" not in plain
    assert "16 / 60" in wide and "(13 characters · 23 bytes)" in wide


def test_what_a_person_typed_is_counted_when_it_is_refused(asset, alice, as_user):
    page = (
        as_user(alice)
        .post(f"/s/alice/copy/assets/{asset.pk}/edit/", {"text": "A mug " * 20}, HTTP_HX_REQUEST="true")
        .content.decode()
    )
    assert "120 / 60" in page and "over the channel&#x27;s limit" in page and "A mug A mug" in page


# --- tenancy
def test_nobody_sees_or_changes_another_stores_texts(asset, alice, charlie, as_user):
    edit(as_user(alice), asset, "Sturdy mug, 350 ml")
    revision, stranger = AssetRevision.objects.get(), as_user(charlie)
    for slug in ("charlie", "alice"):
        assert stranger.get(f"/s/{slug}/copy/assets/{asset.pk}/history/").status_code == 404
        assert stranger.post(f"/s/{slug}/copy/assets/{asset.pk}/comment/", {"text": "x"}).status_code == 404
        assert stranger.post(f"/s/{slug}/copy/revisions/{revision.pk}/restore/").status_code == 404
    assert stranger.post("/s/alice/copy/assets/decide/", {"ids": [asset.pk], "status": "approved"}).status_code == 404
    stranger.post("/s/charlie/copy/assets/decide/", {"ids": [asset.pk], "status": "approved"})
    asset.refresh_from_db()
    assert asset.status == "proposed" and asset.text == "Sturdy mug, 350 ml" and not AssetComment.objects.exists()


# --- previews
@pytest.mark.parametrize(
    ("text", "width", "shown"),
    [
        ("Short enough", 20, ("Short enough", "")), ("A sturdy mug in glazed stoneware", 20, ("A sturdy mug in", " glazed stoneware")),
        ("釉面炻器马克杯", 9, ("釉面炻器", "马克杯")), ("👩‍👩‍👧‍👧👩‍👩‍👧‍👧👩‍👩‍👧‍👧", 20, ("👩‍👩‍👧‍👧👩‍👩‍👧‍👧", "👩‍👩‍👧‍👧")),
        ("Unbreakableandverylongword", 10, ("Unbreakab", "leandverylongword")),
    ],
)  # fmt: skip
def test_a_text_is_cut_where_the_channel_cuts_it(text, width, shown):
    found = copy_previews.cut(text, width)
    assert found.text + found.rest == text
    assert (found.text, found.rest) == shown or "👩" in text


def test_each_channel_shows_what_it_has_room_for(order, mug, store, alice, as_user):
    order.channels = ["google_rsa", "google_merchant", "meta", "amazon", "seo"]
    order.asked = dict.fromkeys(
        ("google_rsa.headline", "google_rsa.description", "google_merchant.title", "meta.headline", "meta.primary_text",
         "amazon.title", "amazon.bullet", "seo.title", "seo.description"), 3)  # fmt: skip
    order.save()
    for n in (1, 2, 3):
        make(order, n, f"Glazed stoneware mug no {n} here", field="google_rsa.headline")
        make(order, n, f"Bullet {n}", field="amazon.bullet")
    make(order, 1, "Stoneware mug " * 9, field="google_merchant.title")
    make(order, 1, "A sturdy mug in glazed stoneware. " * 4, field="meta.primary_text")
    make(order, 1, "Meta headline", field="meta.headline", status="rejected")
    make(order, 1, "Second", field="seo.title")
    make(order, 2, "First", field="seo.title", status="approved")
    tops = copy_previews.tops(order.assets.all())
    assert tops["seo.title"] == ["First", "Second"] and "meta.headline" not in tops
    search = copy_previews.build("google_rsa", tops, mug, store)
    assert search.title.text.count("|") == 1 and search.left_out == ["Glazed stoneware mug no 3 here"]
    card = copy_previews.build("google_merchant", tops, mug, store)
    assert len(card.title.text) <= 69 and card.title.rest
    post = copy_previews.build("meta", tops, mug, store)
    assert post.title.text == mug.title and post.lines[0].rest
    assert [line.text for line in copy_previews.build("amazon", tops, mug, store).lines] == [
        "Bullet 1",
        "Bullet 2",
        "Bullet 3",
    ]
    assert copy_previews.build("amazon", {"seo.title": ["x"]}, mug, store) is None
    page = as_user(alice).get(f"/s/alice/copy/{order.pk}/").content.decode()
    assert (
        page.count("<figure") == 5
        and "No room on a phone for:" in page
        and "See more" in page
        and "16.90" in page.replace(",", ".")
    )


def test_history_is_written_in_the_transaction_that_changes_the_text(asset, alice, monkeypatch):
    def broken(*_args, **_fields):
        raise RuntimeError

    monkeypatch.setattr(copy_editing, "keep", broken)
    with pytest.raises(RuntimeError):
        copy_editing.edit(asset, "Sturdy mug, 350 ml", alice)
    asset.refresh_from_db()
    assert asset.text == "Stoneware mug with 350 ml"
    assert asset_history.versions(asset)[0].text == asset.text
