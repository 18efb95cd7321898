"""Forms of the catalogue pages."""

from decimal import Decimal

from django import forms
from django.core.exceptions import ValidationError
from django.utils.translation import gettext_lazy as _

from ecomai.forms import Styled
from ecomai.lib.numerals import decimal_sign, parse_decimal
from products.models import Product


class Amount(forms.CharField):
    """An amount as people write it: 12.50, 12,50, 1.234,50. Gives a Decimal or None."""

    def to_python(self, value) -> Decimal | None:
        text = super().to_python(value)
        if not text:
            return None
        try:
            amount = parse_decimal(text, decimal_sign([text])[0])
        except ValueError:
            raise ValidationError(_("“%(value)s” is not an amount."), params={"value": text}) from None
        if amount is not None and not 0 <= amount < 10**10:
            raise ValidationError(_("“%(value)s” is out of range."), params={"value": text})
        return amount


class ProductForm(Styled, forms.Form):
    title = forms.CharField(label=_("Title"), max_length=500)
    handle = forms.SlugField(label=_("Handle"), max_length=255, allow_unicode=True)
    status = forms.ChoiceField(label=_("Status"), choices=Product.Status.choices)
    brand = forms.CharField(label=_("Brand"), max_length=200, required=False)
    category = forms.CharField(label=_("Category"), max_length=1000, required=False, help_text=_("Kitchen > Cookware"))
    tags = forms.CharField(label=_("Tags"), required=False, help_text=_("Separated by commas"))
    description_raw = forms.CharField(
        label=_("Description"), required=False, widget=forms.Textarea(attrs={"rows": 8}), help_text=_("Text or HTML")
    )
    attributes = forms.CharField(
        label=_("Attributes"), required=False, widget=forms.Textarea(attrs={"rows": 5}),
        help_text=_("One a line: Material: Stoneware"),
    )  # fmt: skip
    seo_title = forms.CharField(label=_("SEO title"), max_length=300, required=False)
    seo_description = forms.CharField(
        label=_("SEO description"), max_length=1000, required=False, widget=forms.Textarea(attrs={"rows": 2})
    )

    def clean_tags(self) -> list[str]:
        return [tag.strip() for tag in self.cleaned_data["tags"].split(",") if tag.strip()]

    def clean_attributes(self) -> dict[str, str]:
        out = {}
        for number, line in enumerate(self.cleaned_data["attributes"].splitlines(), 1):
            if not line.strip():
                continue
            name, colon, value = line.partition(":")
            if not colon or not name.strip() or not value.strip():
                raise ValidationError(
                    _("Line %(n)d: write name, colon, value. “%(value)s”"), params={"n": number, "value": line[:60]}
                )
            out[name.strip()] = value.strip()
        return out

    @staticmethod
    def start(product: Product) -> dict:
        """Initial values of a product."""
        return {
            "title": product.title, "handle": product.handle, "status": product.status,
            "brand": product.brand.name if product.brand else "",
            "category": product.category.path if product.category else "", "tags": ", ".join(product.tags),
            "description_raw": product.description_raw, "seo_title": product.seo_title,
            "seo_description": product.seo_description,
            "attributes": "\n".join(f"{name}: {value}" for name, value in product.attributes.items()),
        }  # fmt: skip


class VariantForm(Styled, forms.Form):
    sku = forms.CharField(label=_("SKU"), max_length=255, required=False)
    gtin = forms.RegexField(r"^\d{0,14}$", label=_("GTIN"), required=False)
    stock = forms.IntegerField(label=_("Stock"), required=False, min_value=-(10**6), max_value=10**9)
    price = Amount(label=_("Price"), required=False)
    compare_at = Amount(label=_("Former price"), required=False)


class NewProductForm(Styled, forms.Form):
    title = forms.CharField(label=_("Title"), max_length=500)
    handle = forms.SlugField(label=_("Handle"), max_length=255, allow_unicode=True)
