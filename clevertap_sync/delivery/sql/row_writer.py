"""Single rows, written as the ORM would write them, by statements composed once.

For the few writes of every upload: the ORM takes up to a millisecond of CPU to compose a
statement that the database carries out in a tenth of that. Values go through the model's
fields, so that the stored values are the same. No signals are sent: these models have no
receivers.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cache
from typing import Any, TypeVar

from django.db import connection, models, transaction
from django.db.models import Field, Model
from django.db.models.base import ModelState

from clevertap_sync.process import clock

M = TypeVar("M", bound=Model)
Fields = Mapping[str, "Field[Any, Any]"]


#: What these fields hand to either database as it is. The ORM would ask a dozen functions.
_PLAIN_TYPES: Mapping[type, type] = {
    **dict.fromkeys((models.AutoField, models.BigAutoField, models.ForeignKey), int),
    **dict.fromkeys((models.IntegerField, models.BigIntegerField), int),
    **dict.fromkeys(
        (models.PositiveIntegerField, models.PositiveSmallIntegerField), int
    ),
    models.BooleanField: bool,
    models.CharField: str,
    models.TextField: str,
}


@dataclass(frozen=True, slots=True)
class DatabaseInstant:
    """A value for a column: the database's present instant plus so many seconds."""

    seconds: float = 0.0


NOW = DatabaseInstant()


@dataclass(frozen=True, slots=True)
class KeyBefore:
    """A value for a column: the primary key of the row that the step before wrote."""


KEY_BEFORE = KeyBefore()
#: What a statement computes in place of a parameter.
_Computed = type[DatabaseInstant] | type[KeyBefore] | None


@dataclass(frozen=True, slots=True)
class UpdateRow:
    """Set columns of the row that `where` describes.

    Names are those of columns in Python (`integration_id`); None in `where` is NULL.
    """

    model: type[Model]
    where: Mapping[str, Any]
    values: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class InsertRow:
    """Insert a new row, and give it its primary key. `values` replace the row's own."""

    row: Model
    values: Mapping[str, Any]


Step = UpdateRow | InsertRow


def write_rows(*steps: Step) -> datetime | None:
    """Carry out the steps, each only if the one before it found its row; return the instant.

    It is the database's present instant, to which each `DatabaseInstant` adds its seconds.
    None means that the first step found no row. On PostgreSQL the steps are one statement,
    because a round trip costs more than the statement. Rows are locked in the steps' order.
    """
    if connection.vendor == "postgresql":
        return _write_in_one_statement(steps)
    with transaction.atomic(savepoint=False):
        return _write_one_by_one(steps)


def read_row(model: type[M], values: Sequence[Any]) -> M:
    """Return the row with these values, in the order of `list_columns`."""
    converted = list(values)
    for place, column, convert in _list_converters(model, connection.vendor):
        converted[place] = convert(converted[place], column, connection)
    return model.from_db(connection.alias, list(_list_fields(model)), converted)


def read_json_row(model: type[M], found: Mapping[str, Any]) -> M:
    """Return the row that PostgreSQL's `row_to_json` gave, by column."""
    values = [found[name] for name in _list_column_names(model)]
    for place, convert in _list_json_converters(model):
        if values[place] is not None:
            values[place] = convert(values[place])
    return model.from_db(connection.alias, list(_list_fields(model)), values)


def copy_row(row: M, **changes: Any) -> M:  # noqa: ANN401 - of any column
    """Return a stored row like this one, but for columns by their name in Python.

    A model makes a row in twenty times the time. Related rows are those of `row`.
    """
    kind = type(row)
    made = kind.__new__(kind)
    vars(made).update(vars(row), **changes)
    made._state = ModelState()
    made._state.adding, made._state.db = False, connection.alias
    made._state.fields_cache.update(row._state.fields_cache)
    return made


@cache
def list_columns(model: type[Model], alias: str) -> str:
    """Return the model's columns for a SELECT, of the table called `alias` there."""
    return ", ".join(
        f"{alias}.{field.column}" for field in _list_fields(model).values()
    )


def _write_in_one_statement(steps: Sequence[Step]) -> datetime | None:
    statement = _compose_statement(tuple(map(_describe_step, steps)))
    given = [value for step in steps for value in _list_parameters(step)]
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
        now, *found = cursor.fetchone()
    before = None
    for step, key in zip(steps, found, strict=True):
        if isinstance(step, InsertRow) and key is not None:
            _mark_stored(step, key, now, before)
        before = key
    return now if found[0] is not None else None


def _write_one_by_one(steps: Sequence[Step]) -> datetime | None:
    now = clock.read_now()
    before = None
    for number, step in enumerate(steps):
        with connection.cursor() as cursor:
            cursor.execute(
                _compose_lone_statement(_describe_step(step)),
                _list_parameters(step, now, before),
            )
            if not cursor.rowcount:
                return now if number else None
            if isinstance(step, InsertRow):
                _mark_stored(step, cursor.lastrowid, now, before)
                before = cursor.lastrowid
    return now


def _mark_stored(step: InsertRow, key: int, now: datetime, before: int | None) -> None:
    row = step.row
    row.pk = key
    for name, value in step.values.items():
        setattr(row, name, _resolve(value, now, before))
    row._state.adding, row._state.db = False, connection.alias


def _resolve(value: object, now: datetime, before: int | None) -> object:
    """Return what the statement computed; `before` is the key that the step before wrote."""
    if isinstance(value, DatabaseInstant):
        return now + timedelta(seconds=value.seconds)
    return before if isinstance(value, KeyBefore) else value


def _list_parameters(
    step: Step, now: datetime | None = None, before: int | None = None
) -> "list[Any]":
    """Return the statement's parameters, in order.

    Without `now`, a `DatabaseInstant` is its seconds, which the statement adds to its clock,
    and a `KeyBefore` is none, since the statement knows the key.
    """
    if isinstance(step, UpdateRow):
        fields = _list_fields(step.model)
        known = [(n, v) for n, v in step.where.items() if v is not None]
        pairs = [*step.values.items(), *known]
    else:
        fields = _list_fields(type(step.row))
        pairs = [
            (name, step.values.get(name, getattr(step.row, name)))
            for name in _list_insertable_fields(type(step.row))
        ]
    if now is None:
        pairs = [each for each in pairs if each[1] is not KEY_BEFORE]
    else:
        pairs = [(name, _resolve(value, now, before)) for name, value in pairs]
    return [_prepare_parameter(fields[name], value) for name, value in pairs]


def _prepare_parameter(field: "Field[Any, Any]", value: object) -> Any:  # noqa: ANN401 - what the driver takes
    if isinstance(value, DatabaseInstant):
        return value.seconds
    if value is None or type(value) is _PLAIN_TYPES.get(type(field)):
        return value
    return field.get_db_prep_save(value, connection)


@dataclass(frozen=True, slots=True)
class _StepForm:
    """Everything about a step but its values: what its statement is composed from.

    `values` has, per column, what the statement computes; `where`, whether it is not None.
    """

    model: type[Model]
    is_new: bool
    values: tuple[tuple[str, _Computed], ...]
    where: tuple[tuple[str, bool], ...] = ()


def _describe_step(step: Step) -> _StepForm:
    if isinstance(step, UpdateRow):
        values = tuple((n, _find_computed(v)) for n, v in step.values.items())
        where = tuple((name, value is not None) for name, value in step.where.items())
        return _StepForm(step.model, is_new=False, values=values, where=where)
    computed = {n: _find_computed(v) for n, v in step.values.items()}
    model = type(step.row)
    return _StepForm(
        model,
        is_new=True,
        values=tuple((n, computed.get(n)) for n in _list_insertable_fields(model)),
    )


def _find_computed(value: object) -> _Computed:
    kind = type(value)
    return kind if kind in (DatabaseInstant, KeyBefore) else None


@cache
def _compose_statement(forms: tuple[_StepForm, ...]) -> str:
    """Return the one statement that carries out these steps on PostgreSQL."""
    steps, keys = ["instant AS MATERIALIZED (SELECT clock_timestamp() AS now)"], []
    for number, form in enumerate(forms):
        after = f"EXISTS (SELECT FROM step_{number - 1})" if number else "TRUE"
        computed: dict[_Computed, str] = {
            DatabaseInstant: "(SELECT now FROM instant) + %s * interval '1 second'",
            KeyBefore: f"(SELECT id FROM step_{number - 1})",
        }
        body = _compose_step(form, computed, after)
        steps.append(f"step_{number} AS ({body} RETURNING id)")
        keys.append(f"(SELECT id FROM step_{number})")
    return f"WITH {', '.join(steps)} SELECT now, {', '.join(keys)} FROM instant"


@cache
def _compose_lone_statement(form: _StepForm) -> str:
    return _compose_step(form, {}, "TRUE")


def _compose_step(
    form: _StepForm, computed: Mapping[_Computed, str], after: str
) -> str:
    """Return a step's statement; `computed` has SQL in place of values, `after` a condition."""
    fields, table = _list_fields(form.model), form.model._meta.db_table
    placeholders = {name: computed.get(kind, "%s") for name, kind in form.values}
    if form.is_new:
        names = ", ".join(str(fields[name].column) for name in placeholders)
        chosen = ", ".join(placeholders.values())
        return f"INSERT INTO {table} ({names}) SELECT {chosen} WHERE {after}"
    changes = ", ".join(
        f"{fields[name].column} = {placeholder}"
        for name, placeholder in placeholders.items()
    )
    conditions = " AND ".join(
        f"{fields[name].column} = %s" if is_known else f"{fields[name].column} IS NULL"
        for name, is_known in form.where
    )
    return f"UPDATE {table} SET {changes} WHERE {conditions} AND {after}"


@cache
def _list_fields(model: type[Model]) -> Fields:
    return {field.attname: field for field in model._meta.concrete_fields}


@cache
def _list_converters(model: type[Model], _vendor: str) -> "list[tuple[int, Any, Any]]":
    """Return (column index, column, converter) for each column that the ORM converts."""
    found: list[tuple[int, Any, Any]] = []
    for place, field in enumerate(_list_fields(model).values()):
        column: Any = field.cached_col
        database = connection.ops.get_db_converters(column)
        both = [*database, *field.get_db_converters(connection)]
        found += [(place, column, convert) for convert in both]
    return found


@cache
def _list_column_names(model: type[Model]) -> list[str]:
    return [str(field.column) for field in _list_fields(model).values()]


@cache
def _list_json_converters(
    model: type[Model],
) -> "list[tuple[int, Callable[[Any], Any]]]":
    """Return (column index, converter) for each column whose JSON is not its value."""
    found = []
    for place, field in enumerate(_list_fields(model).values()):
        if convert := _find_json_converter(field):
            found.append((place, convert))
    return found


def _find_json_converter(field: "Field[Any, Any]") -> Callable[[Any], Any] | None:
    if isinstance(field, models.DateTimeField):
        return datetime.fromisoformat
    if isinstance(field, models.DateField):
        return date.fromisoformat
    from_database = getattr(field, "from_db_value", None)
    if from_database is None or isinstance(field, models.JSONField):
        return None
    return lambda value: from_database(value, None, connection)


@cache
def _list_insertable_fields(model: type[Model]) -> Fields:
    """Return the fields that an INSERT names: all but the primary key."""
    return {
        n: field for n, field in _list_fields(model).items() if not field.primary_key
    }
