"""Conditions of WHERE and FILTER, by whose columns they are of."""

from __future__ import annotations

from dataclasses import dataclass, field

from glovebox.planner.typed import NULL, Typed
from glovebox.protocols import expression as shared
from glovebox.schema.expressions import Call, Expression


@dataclass(frozen=True)
class Conditions:
    """A condition as one of each owner alone, and bits of what mixes them, all to hold; lacking: of rows that have no
    match."""

    own: dict[int, Typed] = field(default_factory=dict)
    mixed: tuple[shared.Expression, ...] = ()
    lacking: bool = False

    def __bool__(self) -> bool:
        return bool(self.own or self.mixed or self.lacking)


NONE = Conditions()


def where(condition: Typed | None, expression: Expression) -> Expression:
    """The expression where the condition holds, else NULL."""
    return Call("case", (condition.expression, expression, NULL)) if condition else expression
