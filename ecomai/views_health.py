"""/healthz: this process answers. /readyz: everything that it needs does too."""

from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache

from ecomai import health


@never_cache
def healthz(request: HttpRequest) -> JsonResponse:
    return JsonResponse({"ok": True})


@never_cache
def readyz(request: HttpRequest) -> JsonResponse:
    found = health.checks()
    ok = all(check.ok for check in found)
    detail = {check.name: "ok" if check.ok else check.detail or "failed" for check in found}
    return JsonResponse({"ok": ok, "checks": detail}, status=200 if ok else 503)
