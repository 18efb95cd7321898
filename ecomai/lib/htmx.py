"""Answer with a whole page, or with the one part of it that htmx asked for."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render


def render_page_or_part(
    request: HttpRequest, page: str, part: str, context: dict | None = None, *, target: str, status: int = 200
) -> HttpResponse:
    """Render `part` when the request is htmx's for the element `target`, else `page` (which includes the part)."""
    htmx = getattr(request, "htmx", None)
    wants_part = bool(htmx and htmx.target == target)
    response = render(request, part if wants_part else page, context, status=status)
    response["Vary"] = "HX-Request, HX-Target"
    return response
