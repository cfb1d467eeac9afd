"""From JSON values to a pydantic model, as the Go cores read them, with every problem at its place.

Before a model sees an object, its keys are matched as Go does (in any letter case), null is dropped (it is as if the
key were absent), and what the model does not know, or knows and does not run, is reported.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import UnionType
from typing import Annotated, Any, ClassVar, Self, TypeAlias, TypeVar, Union, get_args, get_origin

from pydantic import AliasChoices, BaseModel, ConfigDict, ValidationError
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from proxycore.document.jsonc import Loc
from proxycore.document.nearest import did_you_mean
from proxycore.document.report import Report

ModelT = TypeVar("ModelT", bound=BaseModel)


class Shape(BaseModel):
    """Base of the models of the document itself (the protocols' settings have their own base).

    `not_run` names keys that Xray knows and we do not run, `no_effect` those that do nothing; the values say why.
    """

    model_config = ConfigDict(extra="allow", frozen=True, strict=True, alias_generator=to_camel, defer_build=True)

    not_run: ClassVar[Mapping[str, str]] = {}
    no_effect: ClassVar[Mapping[str, str]] = {}

    def __deepcopy__(self, memo: object = None) -> Self:
        """Nobody changes it: the default of a field can be the same one everywhere."""
        return self


def read(model: type[ModelT], value: object, loc: Loc, report: Report, context: Mapping[str, Any]) -> ModelT | None:
    """`value`, which stands at `loc`, as `model`; None when there were errors, which are in `report` then."""
    fitted = json.dumps(fit(model, value, loc, report))
    try:
        # As JSON, because strictness then means JSON's types: a list is a list, but "80" is no number.
        return model.model_validate_json(fitted, strict=True, context=dict(context))
    except ValidationError as error:
        _report_errors(error, loc, report)
        return None


def fit(model: type[BaseModel], value: object, loc: Loc, report: Report) -> object:
    """`value` with its keys spelled as `model` spells them, at every depth."""
    return fit_object(model, value, loc, report) if isinstance(value, dict) else value


Fit: TypeAlias = Callable[[object, Loc, Report], object]
"""Does what `fit` does for one kind of field."""


def _fit_of(annotation: Any) -> Fit | None:
    """How values behind `annotation` are fitted; None: they stay as they are. Found once for each field, as this takes time."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return partial(fit, annotation)
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _fit_of(arguments[0])
    if origin is Union or origin is UnionType:
        return _fit_of_union(arguments)
    if origin in (list, tuple, set, frozenset) and arguments:
        return _fit_of_list(arguments[0])
    if origin in (dict, Mapping) and len(arguments) == 2:
        return _fit_of_dict(arguments[1])
    return None


def _fit_of_list(item_annotation: Any) -> Fit | None:
    fit_item = _fit_of(item_annotation)
    if fit_item is None:
        return None

    def fitted(value: object, loc: Loc, report: Report) -> object:
        if not isinstance(value, list):
            return value
        return [fit_item(item, (*loc, number), report) for number, item in enumerate(value)]

    return fitted


def _fit_of_dict(item_annotation: Any) -> Fit | None:
    fit_item = _fit_of(item_annotation)
    if fit_item is None:
        return None

    def fitted(value: object, loc: Loc, report: Report) -> object:
        if not isinstance(value, dict):
            return value
        return {key: fit_item(item, (*loc, key), report) for key, item in value.items()}

    return fitted


def _fit_of_union(members: tuple[Any, ...]) -> Fit | None:
    """By the member that a value looks like: among models the one that knows most of its keys."""
    members = tuple(get_args(member)[0] if get_origin(member) is Annotated else member for member in members)
    models = [member for member in members if isinstance(member, type) and issubclass(member, BaseModel)]
    fit_list = _fit_of(next((member for member in members if get_origin(member) in (list, tuple)), None))
    fit_dict = _fit_of(next((member for member in members if get_origin(member) is dict), None))
    if not models and fit_list is None and fit_dict is None:
        return None

    def fitted(value: object, loc: Loc, report: Report) -> object:
        if isinstance(value, list):
            return fit_list(value, loc, report) if fit_list is not None else value
        if not isinstance(value, dict):
            return value
        if models:
            best = models[0] if len(models) == 1 else max(models, key=lambda one: len(value.keys() & _keys(one).keys()))
            return fit_object(best, value, loc, report)
        return fit_dict(value, loc, report) if fit_dict is not None else value

    return fitted


@cache
def _keys(model: type[BaseModel]) -> dict[str, tuple[str, ...]]:
    """Each key that `model` reads, with all the keys of its field: the first one that is given counts."""
    groups = [_group(name, field) for name, field in model.model_fields.items()]
    return {key: group for group in groups for key in group}


@cache
def _fits(model: type[BaseModel]) -> dict[str, Fit | None]:
    return {key: _fit_of(field.annotation) for name, field in model.model_fields.items() for key in _group(name, field)}


def _group(name: str, field: FieldInfo) -> tuple[str, ...]:
    alias = field.validation_alias
    if isinstance(alias, AliasChoices):
        return tuple(choice for choice in alias.choices if isinstance(choice, str))
    return (alias if isinstance(alias, str) else name,)


@cache
def _spellings(model: type[BaseModel]) -> dict[str, str]:
    """Every key that means something in `model`, by its lower-case form."""
    return {key.lower(): key for key in (*_keys(model), *_not_run(model), *_no_effect(model))}


def _not_run(model: type[BaseModel]) -> Mapping[str, str]:
    return getattr(model, "not_run", {})


def _no_effect(model: type[BaseModel]) -> Mapping[str, str]:
    return getattr(model, "no_effect", {})


def fit_object(model: type[BaseModel], value: dict[str, object], loc: Loc, report: Report) -> dict[str, object]:
    """The same for an object and its model."""
    known, spellings, fits = _keys(model), _spellings(model), _fits(model)
    given: dict[str, str] = {}          # spelling of the model -> spelling of the document
    fitted: dict[str, object] = {}
    for written, item in value.items():
        key = spellings.get(written.lower())
        at = (*loc, written)
        if key is None:
            report.warn(at, "unknown key, it is ignored", _near_key(written, spellings), of_key=True)
            if written not in model.model_fields:       # a field's Python name is no key
                fitted[written] = item
            continue
        if key in given:
            report.error(at, f'the key is here twice, as "{given[key]}" and as "{written}"', of_key=True)
            continue
        given[key] = written
        if written != key:
            report.warn(at, f'the key is written "{key}"', "letter case does not matter to Xray", of_key=True)
        if key not in known:
            _report_unused(model, key, item, at, report)
        elif item is not None:
            fit_item = fits[key]
            fitted[key] = item if fit_item is None else fit_item(item, at, report)
    _drop_overridden(known, fitted, given, loc, report)
    return fitted


def _near_key(written: str, spellings: Mapping[str, str]) -> Callable[[], str]:
    return lambda: did_you_mean(written, spellings.values())


def _drop_overridden(
    known: Mapping[str, tuple[str, ...]], fitted: dict[str, object], given: Mapping[str, str], loc: Loc, report: Report
) -> None:
    """Where several names of one field are given, only the first counts, as in Xray."""
    for key in [key for key in fitted if key in known and known[key][0] != key]:
        winner = next(name for name in known[key] if name in fitted)
        if winner != key:
            report.warn((*loc, given[key]), f'"{winner}" is given too and counts instead', of_key=True)
            del fitted[key]


def _report_unused(model: type[BaseModel], key: str, item: object, at: Loc, report: Report) -> None:
    if key in _no_effect(model):
        report.warn(at, f"has no effect: {_no_effect(model)[key]}", of_key=True)
    elif is_empty(item):
        report.warn(at, "is empty and has no effect", of_key=True)
    else:
        report.error(at, _not_run(model)[key], of_key=True)


def is_empty(value: object) -> bool:
    """Whether a value says nothing: null, false, 0, empty text, or an object or list of nothing else."""
    if isinstance(value, dict):
        return all(is_empty(item) for item in value.values())
    if isinstance(value, list):
        return all(is_empty(item) for item in value)
    return not value


def field_of(value: object, name: str) -> object:
    """The field of a JSON object, its key in any letter case; None if it is absent or `value` is no object."""
    if not isinstance(value, dict):
        return None
    return next((item for key, item in value.items() if key.lower() == name.lower()), None)


# --- errors of pydantic, in our words

_KINDS = {
    "string_type": "text is expected", "int_type": "a whole number is expected", "float_type": "a number is expected",
    "int_parsing": "a whole number is expected", "int_from_float": "a whole number is expected",
    "bool_type": "true or false is expected", "bool_parsing": "true or false is expected",
    "list_type": "a list is expected", "tuple_type": "a list is expected", "set_type": "a list is expected",
    "frozen_set_type": "a list is expected", "dict_type": "an object is expected", "model_type": "an object is expected",
    "model_attributes_type": "an object is expected",
}
_SECRET_FREE_CHARS = 40      # of a wrong word that is shown; words, unlike ids and passwords, are short


def _report_errors(error: ValidationError, loc: Loc, report: Report) -> None:
    """One problem per place: where a union's members each complain, the first of them is enough."""
    seen: set[Loc] = set()
    for detail in error.errors(include_url=False):
        at = _place(detail, loc, report)
        if at not in seen:
            seen.add(at)
            message, hint = _message(detail)
            report.error(at, message, hint)


def _place(detail: ErrorDetails, loc: Loc, report: Report) -> Loc:
    """The error's place in the document: pydantic also names members of unions, which the document does not have."""
    at = loc
    for step in detail["loc"]:
        if report.has((*at, step)):
            at = (*at, step)
    if detail["type"] == "missing":
        at = (*at, detail["loc"][-1])
    return at


def _message(detail: ErrorDetails) -> tuple[str, str]:
    kind, value, facts = detail["type"], detail["input"], detail.get("ctx", {})
    if kind == "missing":
        return "is required", ""
    if kind == "value_error":
        return str(facts["error"]), ""
    if kind in _KINDS:
        return f"{_KINDS[kind]}, not {_kind_of(value)}", ""
    if kind == "literal_error":
        expected = str(facts["expected"])
        hint = did_you_mean(value, [word.strip(" '") for word in expected.replace(" or ", ",").split(",")]) if isinstance(
            value, str) else ""
        shown = f'"{value[:_SECRET_FREE_CHARS]}"' if isinstance(value, str) else _kind_of(value)
        return f"{shown} is not one of {expected}", hint
    if kind in ("greater_than_equal", "greater_than"):
        return f"must be {'at least' if kind.endswith('equal') else 'above'} {next(iter(facts.values()))}", ""
    if kind in ("less_than_equal", "less_than"):
        return f"must be {'at most' if kind.endswith('equal') else 'below'} {next(iter(facts.values()))}", ""
    return detail["msg"], ""


def _kind_of(value: object) -> str:
    """What kind of JSON value it is; never the value, which may be a secret."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "a number"
    return "a list" if isinstance(value, list | tuple) else "an object"
