"""Lists by the columns of their rows, `?instance=1&enabled=true`, and by words that are in them, `?search=`."""

from __future__ import annotations

from typing import Any, ClassVar, Final

from django import forms
from django.db import models
from django_filters import FilterSet, NumberFilter
from django_filters.rest_framework import DjangoFilterBackend
from rest_framework.exceptions import ValidationError
from rest_framework.filters import SearchFilter
from rest_framework.request import Request

MAX_SEARCH_TERMS: Final = 50    # each is a condition, and databases take only so many of them
MAX_KEY: Final = 2**63 - 1      # what every database takes


class KeyField(forms.IntegerField):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        for name in ("min_value", "max_value", "step_size", "decimal_places"):
            kwargs.pop(name, None)
        super().__init__(*args, min_value=0, max_value=MAX_KEY, **kwargs)


class KeyFilter(NumberFilter):
    """Rows that belong to another one. There being no such row gives no rows, as does one that is none of the token's: who
    asks for numbers does not learn which of them there are."""

    field_class = KeyField


class RowFilters(FilterSet):
    FILTER_DEFAULTS: ClassVar = {
        **FilterSet.FILTER_DEFAULTS,
        models.ForeignKey: {"filter_class": KeyFilter},
        models.IntegerField: {"filter_class": KeyFilter},
        models.PositiveIntegerField: {"filter_class": KeyFilter},
    }


class Filters(DjangoFilterBackend):
    filterset_base = RowFilters


class Search(SearchFilter):
    def get_search_terms(self, request: Request) -> list[str]:
        terms: list[str] = super().get_search_terms(request)
        if len(terms) > MAX_SEARCH_TERMS:
            raise ValidationError({self.search_param: [f"These are more than {MAX_SEARCH_TERMS} words."]})
        return terms
