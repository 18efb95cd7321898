"""The page on which an experiment is drafted: plan, variants, products and texts, with the planner beside it."""

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_GET, require_http_methods, require_POST
from django_htmx.http import HttpResponseClientRedirect

from ecomai.access import store_view
from ecomai.forms import LOCALES
from products import catalogue_search, channels, experiment_drafts, experiment_page, experiment_planner, experiments
from products.experiment_checks import LISTING
from products.experiment_forms import PlanForm
from products.experiment_views import find, say, start
from products.models import AdAsset, Arm, ArmText, CopyRequest, Experiment, Product

FOUND, MOST_FOUND = 20, 20_000


@store_view("experiments.manage")
@require_http_methods(["GET", "POST"])
def experiment_new(request: HttpRequest) -> HttpResponse:
    """The name and what is split; the rest follows on the page of the draft."""
    values = {"name": "", "unit": Experiment.Unit.VISITOR}
    error = ""
    if request.method == "POST":
        values = {"name": request.POST.get("name", ""), "unit": request.POST.get("unit", "")}
        extra = {}
        if values["unit"] == Experiment.Unit.PRODUCT:
            extra = {"mode": Experiment.Mode.FIXED, "metric": Experiment.Metric.CLICK}
        try:
            made = experiments.create(store=request.store, by=request.user, **values, **extra)
            _take_products(request, made)
            return redirect("products:experiment_edit", store=request.store.slug, pk=made.pk)
        except ValidationError as problem:
            error = " ".join(problem.messages)
    context = {
        "values": values,
        "error": error,
        "units": Experiment.Unit.choices,
        "product": request.GET.get("product", ""),
    }
    return render(request, "products/experiment_new.html", context, status=422 if error else 200)


def _take_products(request: HttpRequest, made: Experiment) -> None:
    """From a product's page one comes with the product at hand."""
    pk = request.POST.get("product", "")
    product = Product.objects.filter(store=request.store, pk=pk).first() if pk.isdigit() and len(pk) < 19 else None
    if product is not None:
        field = "title" if made.unit == Experiment.Unit.VISITOR else "google_merchant.title"
        experiments.add_products(
            experiment=made, by=request.user, products=[product], fields=[field], locale=experiment_page.first_locale(request.store)
        )  # fmt: skip


def _planner(experiment: Experiment) -> dict:
    """What stands beside the form: size and days, and what is still missing."""
    feed = experiment.unit == Experiment.Unit.PRODUCT
    texts = ArmText.objects.filter(arm__experiment=experiment)
    return {
        "experiment": experiment, "problems": experiments.problems(experiment), "what": experiment_page.share_words(experiment),
        "plan": None if feed else experiment_planner.plan(experiment),
        "feed": experiment_planner.feed_plan(experiment, timezone.now().date()) if feed else None,
        "empty": texts.filter(text="").count(), "written": texts.exists(),
    }  # fmt: skip


@store_view("experiments.manage")
@require_POST
def experiment_from_copy(request: HttpRequest) -> HttpResponse:
    """From the approved texts of a field of an order to a draft that tests them."""
    order = get_object_or_404(CopyRequest, pk=_number(request, "order"), store=request.store)
    rows = order.assets.filter(field=request.POST.get("field", ""), status=AdAsset.Status.APPROVED)
    try:
        made = experiment_drafts.from_texts(
            store=request.store, by=request.user, assets=rows.select_related("product").order_by("position", "pk")
        )
    except ValidationError as error:
        say(request, error)
        return redirect("products:copy_request", store=request.store.slug, pk=order.pk)
    return redirect("products:experiment_edit", store=request.store.slug, pk=made.pk)


@store_view("experiments.manage")
@require_http_methods(["GET", "POST"])
def experiment_edit(request: HttpRequest, pk: int) -> HttpResponse:
    """The draft. A change of the form is kept at once and the planner answers; “start” brings variants and texts along, so
    that what runs is what the page shows. After the start only name, hypothesis and the rules that act by themselves can be
    changed."""
    experiment = find(request, pk)
    form = PlanForm(request.POST if request.method == "POST" else None, experiment=experiment)
    told: list[str] = []
    if request.method == "POST":
        _keep_plan(request, experiment, form)
        starting = "start" in request.POST
        if starting and not form.errors:
            told = _begin(request, experiment)
            if experiment.status != Experiment.Status.DRAFT:
                url = reverse("products:experiment", args=[request.store.slug, pk])
                return HttpResponseClientRedirect(url) if request.htmx else redirect(url)
        kept = not form.errors and not told
        if request.htmx:
            context = {**_planner(experiment), "form": form, "told": told, "kept": kept}
            return render(request, "products/_experiment_planner.html", context)
        if kept and not starting:
            messages.success(request, _("Saved."))
            return redirect("products:experiment_edit", store=request.store.slug, pk=pk)
    begin = request.GET.get("from", "0")
    offset = int(begin) if begin.isdigit() and len(begin) < 9 else 0
    products, count = experiment_page.texts(experiment, start=offset)
    draft = experiment.status == Experiment.Status.DRAFT
    context = {
        **_planner(experiment), "form": form, "arms": list(experiment.arms.all()), "products": products, "count": count,
        "offset": offset, "previous": max(0, offset - experiment_page.SHOWN_TEXTS), "next": offset + experiment_page.SHOWN_TEXTS,
        "told": told, "draft": draft, "more_arms": draft and experiment.arms.count() < experiments.MOST_ARMS,
        **_search(request, experiment),
    }  # fmt: skip
    return render(request, "products/experiment_edit.html", context, status=422 if request.method == "POST" else 200)


def _keep_plan(request: HttpRequest, experiment: Experiment, form: PlanForm) -> None:
    """Keep the plan; what is wrong with it stands in the form."""
    if not form.is_valid():
        return
    try:
        experiments.update(experiment=experiment, by=request.user, **form.values())
    except ValidationError as error:
        # A field of the model that the form doesn't show, or a rule over several.
        for name, texts in (error.message_dict if hasattr(error, "error_dict") else {None: error.messages}).items():
            form.add_error(name if name in form.fields else None, texts)
        experiment.refresh_from_db()


def _begin(request: HttpRequest, experiment: Experiment) -> list[str]:
    """Keep variants and texts as they were sent, and start. Returns what is wrong beside the planner's list of problems."""
    if experiment.status != Experiment.Status.DRAFT:
        return []
    try:
        if any(name.startswith("share-") for name in request.POST):
            _keep_arms(request, experiment)
        _saved, wrong = _keep_texts(request, experiment)
        if not wrong:
            start(request, experiment)
        return wrong
    except ValidationError as error:
        experiment.refresh_from_db()
        known = experiments.problems(experiment)
        return [text for text in error.messages if text not in known]


def _fields(experiment: Experiment) -> list[tuple[str, str]]:
    """What can be tested: the listing's fields for visitors, the channels' fields for feeds first."""
    listing, ads = list(LISTING), list(channels.limits(experiment.store))
    order = listing + ads if experiment.unit == Experiment.Unit.VISITOR else ads + listing
    return [(name, experiment_page.field_label(name)) for name in order]


def _search(request: HttpRequest, experiment: Experiment) -> dict:
    """Products that the words find and that aren't in the experiment yet."""
    q = request.GET.get("q", "").strip().replace("\0", "")[:200]
    taken = ArmText.objects.filter(arm__experiment=experiment).values("product_id")
    found = catalogue_search.find(request.store, catalogue_search.Filters(q=q)).exclude(pk__in=taken)
    names = dict(LOCALES)
    codes = dict.fromkeys([experiment_page.first_locale(request.store), *request.store.locales])
    count, more = catalogue_search.capped_count(found, MOST_FOUND)
    return {
        "experiment": experiment, "q": q, "found": list(found.order_by("title", "pk")[:FOUND]), "found_count": count,
        "found_more": more, "fields": _fields(experiment), "locales": [(code, names.get(code, code)) for code in codes],
        "chosen_field": "title" if experiment.unit == Experiment.Unit.VISITOR else "google_merchant.title",
    }  # fmt: skip


@store_view("experiments.manage")
@require_GET
def experiment_find(request: HttpRequest, pk: int) -> HttpResponse:
    """The products that the words find, as one types."""
    return render(request, "products/_experiment_found.html", _search(request, find(request, pk)))


def _back(request: HttpRequest, pk: int) -> HttpResponse:
    response = redirect("products:experiment_edit", store=request.store.slug, pk=pk)
    start = request.POST.get("from", "")
    response["Location"] += (f"?from={start}" if start.isdigit() else "") + "#texts"
    return response


@store_view("experiments.manage")
@require_POST
def experiment_products(request: HttpRequest, pk: int) -> HttpResponse:
    """Add products (the ticked ones, or all that the words find), remove one, or all that lack a text."""
    experiment, action = find(request, pk), request.POST.get("action", "")
    try:
        if action == "add":
            q = request.POST.get("q", "").strip().replace("\0", "")[:200]
            ids = [int(i) for i in request.POST.getlist("ids") if i.isdigit() and len(i) < 19]
            rows = Product.objects.filter(store=request.store, pk__in=ids)
            if request.POST.get("all"):
                rows = catalogue_search.find(request.store, catalogue_search.Filters(q=q))
            new = experiments.add_products(
                experiment=experiment, by=request.user, products=list(rows.order_by("pk")[: MOST_FOUND + 1]),
                fields=request.POST.getlist("fields"), locale=request.POST.get("locale", ""),
            )  # fmt: skip
            if new:
                messages.success(request, ngettext("%(n)d text to test.", "%(n)d texts to test.", new) % {"n": new})
            else:
                messages.info(request, _("Nothing was added: tick products that aren't in it yet."))
        elif action == "remove":
            product = get_object_or_404(Product, pk=_number(request, "product"), store=request.store)
            experiments.remove_product(experiment=experiment, by=request.user, product=product)
        elif action == "remove_empty":
            gone = experiments.remove_unwritten(experiment=experiment, by=request.user)
            messages.success(
                request, ngettext("%(n)d product taken out.", "%(n)d products taken out.", gone) % {"n": gone}
            )
        else:
            return HttpResponse(status=422)
    except ValidationError as error:
        say(request, error)
    return _back(request, pk)


def _number(request: HttpRequest, name: str) -> int:
    value = request.POST.get(name, "")
    return int(value) if value.isdigit() and len(value) < 19 else 0


@store_view("experiments.manage")
@require_POST
def experiment_arms(request: HttpRequest, pk: int) -> HttpResponse:
    """Add or remove a variant, or save names and shares."""
    experiment, action = find(request, pk), request.POST.get("action", "")
    try:
        if action == "add":
            experiments.add_arm(experiment=experiment, by=request.user)
        elif action.startswith("remove-"):
            arm = get_object_or_404(
                Arm, pk=int(action[7:]) if action[7:].isdigit() and len(action) < 26 else 0, experiment=experiment
            )
            experiments.remove_arm(arm=arm, by=request.user)
        elif action == "save":
            _keep_arms(request, experiment)
            messages.success(request, _("Saved."))
        else:
            return HttpResponse(status=422)
    except ValidationError as error:
        say(request, error)
    return _back(request, pk)


def _keep_arms(request: HttpRequest, experiment: Experiment) -> None:
    """Names and shares as they were sent. Raises ValidationError."""
    weights = {}
    for arm in experiment.arms.all():
        experiments.rename_arm(arm=arm, by=request.user, name=request.POST.get(f"name-{arm.pk}", arm.name))
        weights[arm.pk] = _share(request.POST.get(f"share-{arm.pk}", ""))
    experiments.set_weights(experiment=experiment, by=request.user, weights=weights)


def _share(text: str) -> float:
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return 0.0


@store_view("experiments.manage")
@require_POST
def experiment_texts(request: HttpRequest, pk: int) -> HttpResponse:
    """Save what the variants show: `text-<id>` as typed, or an approved text chosen in `asset-<id>`."""
    experiment = find(request, pk)
    saved, wrong = _keep_texts(request, experiment)
    if request.htmx:
        context = {**_planner(experiment), "told": wrong, "kept": not wrong}
        return render(request, "products/_experiment_planner.html", context)
    for text in wrong:
        messages.error(request, text)
    if not wrong:
        messages.success(request, ngettext("%(n)d text saved.", "%(n)d texts saved.", saved) % {"n": saved})
    return _back(request, pk)


def _keep_texts(request: HttpRequest, experiment: Experiment) -> tuple[int, list[str]]:
    """Returns how many texts are new, and what is wrong with the others (five at most)."""
    sent = {int(k[5:]): v for k, v in request.POST.items() if k.startswith("text-") and k[5:].isdigit() and len(k) < 24}
    rows = ArmText.objects.filter(arm__experiment=experiment, pk__in=sent).select_related(
        "arm__experiment", "product", "asset"
    )
    assets = AdAsset.objects.filter(store=request.store, status=AdAsset.Status.APPROVED)
    wrong: list[str] = []
    saved = 0
    for row in rows:
        text, asset = sent[row.pk], row.asset
        chosen = _number(request, f"asset-{row.pk}")
        if chosen and text.strip() == row.text:
            asset = assets.filter(pk=chosen, product=row.product).first()
            text = asset.text if asset else text
        try:
            new = experiments.set_text(
                arm=row.arm, product=row.product, field=row.field, locale=row.locale, text=text, by=request.user, asset=asset
            )  # fmt: skip
            saved += new.text != row.text
        except ValidationError as error:
            label = experiment_page.field_label(row.field)
            wrong.append(f"{row.product.title[:60]}, {row.arm.name}, {label}: {' '.join(error.messages)}")
    return saved, wrong[:5]
