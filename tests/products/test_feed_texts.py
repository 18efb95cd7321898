"""Approved ad copy in product feeds: marked where a model wrote it, and no threat to the catalogue's own texts."""

import csv
import io

import pytest
from django.urls import reverse
from django.utils import timezone

from products import catalogue_export, copy_editing
from products.models import AdAsset, CopyRequest, Product
from tests.factories import import_now, make_product

pytestmark = pytest.mark.django_db


@pytest.fixture
def mug(store) -> Product:
    return make_product(store, "Mug", sku="M-1", handle="mug", description_raw="Clay.", description_text="Clay.")


def approve(product: Product, by, field: str, text: str, locale: str = "en") -> AdAsset:
    order = CopyRequest.objects.create(store=product.store, product=product, locale=locale, tone="neutral")
    asset = AdAsset.objects.create(
        store=product.store, request=order, product=product, field=field, locale=locale, tone="neutral", angle="",
        position=1, text=text, machine_text=text, model_label="m", inputs_hash="h", written_at=timezone.now(),
    )  # fmt: skip
    copy_editing.decide(asset, AdAsset.Status.APPROVED, by)
    return asset


def feed(as_user, user, form: str, **more) -> str:
    address = reverse("products:export", args=[user.memberships.get().store.slug])
    return b"".join(as_user(user).get(address, {"format": form, **more})).decode()


def test_a_machines_title_takes_the_place_of_the_plain_one_and_is_marked(mug, alice, as_user):
    approve(mug, alice, "google_merchant.title", 'Mug, 12" tall')
    table = csv.DictReader(io.StringIO(feed(as_user, alice, "google_tsv", copy="on")), delimiter="\t")
    (cells,) = table
    assert cells["title"] == "" and cells["structured_description"] == ""
    assert cells["structured_title"] == 'trained_algorithmic_media:"Mug, 12"" tall"'
    xml = feed(as_user, alice, "google_xml", copy="on")
    assert "<g:title>" not in xml
    assert (
        "<g:structured_title><g:digital_source_type>trained_algorithmic_media</g:digital_source_type>"
        '<g:content>Mug, 12" tall</g:content></g:structured_title>'
    ) in xml


def test_a_text_that_a_person_edited_is_that_persons(mug, alice, as_user):
    asset = approve(mug, alice, "google_merchant.title", "Mug by machine")
    AdAsset.objects.filter(pk=asset.pk).update(text="Mug by Alice", origin=AdAsset.Origin.HUMAN)
    xml = feed(as_user, alice, "google_xml", copy="on")
    assert "<g:title>Mug by Alice</g:title>" in xml and "structured_" not in xml


def test_without_being_asked_for_or_in_another_language_no_copy_is_in_the_feed(mug, alice, as_user):
    approve(mug, alice, "google_merchant.title", "Becher", locale="de")
    assert "Becher" not in feed(as_user, alice, "google_xml", copy="on")
    approve(mug, alice, "google_merchant.title", "Another mug")
    assert "Another mug" not in feed(as_user, alice, "google_xml")


@pytest.mark.parametrize("form", ["google_tsv", "google_xml"])
def test_a_feed_with_machine_made_texts_never_overwrites_the_catalogue(mug, alice, store, other_store, form):
    approve(mug, alice, "google_merchant.title", 'A "fine" mug')
    approve(mug, alice, "google_merchant.description", "Made of clay, by hand.")
    data = b"".join(catalogue_export.export(store, form, copy=True))
    assert import_now(store, data, filename=f"f.{form[-3:]}").counts["changed"] == 0
    mug.refresh_from_db()
    assert (mug.title, mug.description_text) == ("Mug", "Clay.")
    assert import_now(other_store, data, filename=f"f.{form[-3:]}").counts["created"] == 1
    there = Product.objects.get(store=other_store)
    assert (there.title, there.description_text) == ('A "fine" mug', "Made of clay, by hand.")
