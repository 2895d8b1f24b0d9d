"""Grafana's data frames as JSON → Series.

Shape checked against ``data/frame_json.go`` of grafana-plugin-sdk-go and "Query a data source"
in Grafana's data source API documentation: a frame has ``schema.fields`` (each with ``name``,
``type`` and, for values, ``labels``) and ``data.values``, one column per field. Times are epoch
milliseconds. What JSON has no number for is null in its column and listed in ``data.entities``
(``NaN``, ``Inf``, ``NegInf``: row numbers per field); any other null is a step without a sample.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from service.metrics.source import Series

_ENTITIES = {"NaN": np.nan, "Inf": np.inf, "NegInf": -np.inf}


class _Field(BaseModel):
    name: str = ""
    type: str = ""
    labels: dict[str, str] | None = None


class _Schema(BaseModel):
    fields: list[_Field] = []
    meta: dict[str, Any] | None = None


class _Data(BaseModel):
    values: list[list[Any]] = []
    entities: list[dict[str, list[int]] | None] | None = None


class Frame(BaseModel):
    """One frame of an answer."""

    schema_: _Schema = _Schema()
    data: _Data = _Data()

    model_config = {"alias_generator": lambda name: name.rstrip("_")}

    @property
    def notices(self) -> tuple[str, ...]:
        """What the data source wants the reader to know."""
        listed = (self.schema_.meta or {}).get("notices")
        found = [item.get("text") for item in listed or () if isinstance(item, Mapping)]
        return tuple(text for text in found if isinstance(text, str))

    def series(self) -> Iterator[Series]:
        """One series per numeric field, with the frame's only time field.

        Raises: ValueError for a frame whose columns don't fit its fields.
        """
        fields, columns = self.schema_.fields, self.data.values
        if not columns:
            return
        if len(fields) != len(columns) or len({len(column) for column in columns}) > 1:
            raise ValueError("a frame with other columns than fields")
        times = [place for place, field in enumerate(fields) if field.type == "time"]
        if len(times) != 1:
            raise ValueError("a frame that is no time series")
        moments = self._values(times[0]) / 1000.0
        for place, field in enumerate(fields):
            if field.type != "number":
                continue
            values = self._values(place)
            there = ~np.isnan(values) | self._is_nan(place)
            yield Series(dict(field.labels or {}), moments[there], values[there])

    def _values(self, place: int) -> NDArray[np.float64]:
        try:
            values = np.array(self.data.values[place], dtype=np.float64)
        except TypeError as error:
            raise ValueError("a frame of numbers with something else in it") from error
        for name, rows in self._entities(place).items():
            values[rows] = _ENTITIES[name]
        return values

    def _is_nan(self, place: int) -> NDArray[np.bool_]:
        """Where "not a number" is the sample, and not its absence."""
        found = np.zeros(len(self.data.values[place]), dtype=bool)
        found[self._entities(place).get("NaN", [])] = True
        return found

    def _entities(self, place: int) -> dict[str, list[int]]:
        listed = self.data.entities or []
        found = (listed[place] if place < len(listed) else None) or {}
        rows = range(len(self.data.values[place]))
        if any(row not in rows for name in found for row in found[name]):
            raise ValueError("a frame that names rows which it has not")
        return {name: found[name] for name in _ENTITIES.keys() & found}
