"""Orders of copy and imports for servers (DRF); products are in api_storefront and api_lists, events in api_events."""

from django.http import Http404
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.exceptions import ValidationError
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from ecomai.api_base import StoreView
from ecomai.lib.tablefile import TableError
from products import catalogue_import
from products.api_serializers import CopyRequestSerializer, ImportSerializer, StartedSerializer
from products.import_views import start_import
from products.models import AdAsset, CatalogueImport, CopyRequest

EXAMPLE_COPY = {
    "id": 31, "status": "done", "asked": {"seo.title": 1}, "thrown_away": {},
    "assets": [{
        "id": 77, "field": "seo.title", "text": "Stoneware mug, 350 ml", "status": "proposed", "origin": "machine",
        "angle": "feature", "locale": "en", "model": "house copy v1", "written_at": "2026-11-18T10:00:00Z",
        "facts": [{"start": 0, "end": 9, "name": "Material", "value": "Stoneware"}],
    }],
}  # fmt: skip
EXAMPLE_IMPORT = {
    "id": 8, "status": "done", "counts": {"created": 120, "updated": 3}, "error": "",
    "issues": [{"severity": "warning", "code": "no_price", "line": 14, "column": "Variant Price", "value": "", "message": "No price: saved as a draft."}],
}  # fmt: skip


class CopyDetail(StoreView):
    """A copy request with its texts and their provenance. Secret keys only."""

    secret_only = True

    @extend_schema(
        operation_id="v1_copy_retrieve",
        responses=CopyRequestSerializer,
        examples=[OpenApiExample("Written", EXAMPLE_COPY, response_only=True, status_codes=["200"])],
    )
    def get(self, request: Request, pk: int) -> Response:
        order = get_object_or_404(CopyRequest.objects.select_related("job"), pk=pk, store=request.user.key.store)
        state = "done" if order.finished_at else order.job.status if order.job else "failed"
        rows = AdAsset.objects.filter(request=order)
        body = {
            "id": order.pk, "status": state, "asked": order.asked, "assets": rows, "thrown_away": order.thrown_away,
        }  # fmt: skip
        return Response(CopyRequestSerializer(body).data)


class ImportList(StoreView):
    """Upload a catalogue file; it is imported at once. Secret keys only."""

    secret_only = True
    parser_classes = [MultiPartParser]

    @extend_schema(
        operation_id="v1_imports_create",
        request={
            "multipart/form-data": {
                "type": "object",
                "properties": {"file": {"type": "string", "format": "binary"}},
                "required": ["file"],
            }
        },
        responses={202: StartedSerializer},
        examples=[OpenApiExample("Started", {"id": 8, "status": "staging"}, response_only=True, status_codes=["202"])],
    )
    def post(self, request: Request) -> Response:
        file = request.FILES.get("file")
        if file is None:
            raise ValidationError({"file": ["Send a file."]})
        try:
            run = catalogue_import.open_run(
                store=request.user.key.store, file=file, filename=file.name, auto_apply=True
            )
        except TableError as error:
            raise ValidationError({"file": [str(error)]}) from error
        start_import(run, None, "products.tasks.run_import", f"Import {run.filename}")
        return Response({"id": run.pk, "status": run.status}, status=status.HTTP_202_ACCEPTED)


class ImportDetail(StoreView):
    """State and counts of an import. Secret keys only."""

    secret_only = True

    @extend_schema(
        operation_id="v1_imports_retrieve",
        responses=ImportSerializer,
        examples=[OpenApiExample("Done", EXAMPLE_IMPORT, response_only=True, status_codes=["200"])],
    )
    def get(self, request: Request, pk: int) -> Response:
        catalogue_import.settle(request.user.key.store)
        run = CatalogueImport.objects.filter(pk=pk, store=request.user.key.store).first()
        if run is None:
            raise Http404
        issues = list(run.issues.values("severity", "code", "line", "column", "value", "message")[:200])
        return Response(
            {"id": run.pk, "status": run.status, "counts": run.counts, "error": run.error, "issues": issues}
        )
