"""What every view of the API shares."""

from django.http import Http404
from django.utils.translation import gettext as _
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.views import APIView


class StoreView(APIView):
    """A view whose path and parameters hold no character that the database can't keep."""

    def initial(self, request: Request, *args, **kwargs) -> None:
        super().initial(request, *args, **kwargs)
        if any("\0" in str(value) for value in kwargs.values()):
            raise Http404
        for name, values in request.query_params.lists():
            if "\0" in name or any("\0" in value for value in values):
                raise ValidationError({name.replace("\0", ""): [_("Null characters are not allowed.")]})
