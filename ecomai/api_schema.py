"""How the OpenAPI document is made: the errors that an address can really give."""

from drf_standardized_errors.openapi import AutoSchema as StandardSchema


class AutoSchema(StandardSchema):
    """Only what takes a body can be sent too much of it, or in the wrong format."""

    def _should_add_error_response(self, responses: dict, status_code: str) -> bool:
        if status_code in ("413", "415") and self.method in ("GET", "DELETE"):
            return False
        return super()._should_add_error_response(responses, status_code)
