"""What all views of the API do: say in the audit log whence a change came, and turn refusals into problems."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from rest_framework.exceptions import PermissionDenied
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from dashboard.accounts.client_address import client_address
from dashboard.api.authentication import token_of
from dashboard.api.faults import REFUSED, as_problem
from dashboard.services.auditing import origin


class ApiView(APIView):
    """`is_for_all` False: a token that is for some instances only does not reach it."""

    is_for_all = False

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with ExitStack() as self.leaving:
            return super().dispatch(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        super().initial(request, *args, **kwargs)
        if not self.is_for_all and is_limited(request):
            raise PermissionDenied("This token is for some instances only.")
        self.leaving.enter_context(origin(token_of(request), client_address(request._request)))

    def handle_exception(self, exc: Exception) -> Response:
        return super().handle_exception(as_problem(exc) if isinstance(exc, REFUSED) else exc)


def is_limited(request: Request) -> bool:
    token = token_of(request)
    return token is not None and token.is_limited
