"""How often each value of a column is there, in each group of an owner's rows: what quantiles are found by."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlglot import exp

from glovebox.data.arrays import integers
from glovebox.data.database import Database, Parameters, batches
from glovebox.data.measures import condition, group_number, line_units, of_row
from glovebox.data.trees import call, is_null, not_, number
from glovebox.data.view import View
from glovebox.errors import DataError, GloveboxError
from glovebox.schema.local import LocalQuery, Measure


def value_counts(
    database: Database, view: View, query: LocalQuery, measure: Measure, every: exp.Select
) -> NDArray[np.int64]:
    """How many of the rows that pass the filter have each value of a measure of kind counts: (groups, values) int64."""
    counts, parameters = np.zeros((query.groups, measure.high - measure.low + 1), np.int64), Parameters()
    value = of_row(measure, view, parameters)
    if value is None:
        raise GloveboxError("the plan counts values of nothing", code="plan", step="loaded")
    select = exp.select(group_number(query, view, parameters).as_("g"), value.as_("v"), call("count_star").as_("n"))
    select = select.from_(every.subquery("every")).where(condition(query, view, parameters), not_(is_null(value)))
    for batch in batches(database, select.group_by(number(1), number(2)), parameters):
        place, (groups, _) = line_units(measure, batch.column("v")) - measure.low, integers(batch.column("g"))
        if len(place) and not 0 <= place.min() <= place.max() < counts.shape[1]:
            raise DataError(f"{query.table}: values are outside the bounds that the contract gives", step="loaded")
        counts[groups, place] = integers(batch.column("n"))[0]
    return counts
