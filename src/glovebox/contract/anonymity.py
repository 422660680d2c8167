"""What a contract says of anonymisation on the way in: values clipped, moments rounded, numbers in bands."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from glovebox.contract.document import ColumnPart
from glovebox.contract.lines import Fault, Path
from glovebox.schema.columns import Kind

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PERIODS: dict[str, tuple[str, ...]] = {
    "date": ("week", "month", "quarter", "year"),
    "timestamp": ("hour", "day", "week", "month", "quarter", "year"),
}


def check_round(kind: Kind, part: ColumnPart, low: int | None, path: Path) -> None:
    """Return if moments may be rounded as the column says. Raises Fault."""
    if part.round is None:
        return
    if part.round not in PERIODS[kind]:
        hint = f"one of {', '.join(PERIODS[kind])}"
        raise Fault("contract_round", (*path, "round"), f"a {kind} is not rounded to its {part.round}", hint)
    if low is None:
        return
    begins = EPOCH + (timedelta(days=low) if kind == "date" else timedelta(seconds=low))
    first = first_of_period(begins, part.round)
    if first != begins:
        hint = f"a range that begins at {first.date() if kind == 'date' else first.isoformat()}"
        sentence = f"the range begins within a {part.round}, and what is rounded would lie before it"
        raise Fault("contract_round", (*path, "range"), sentence, hint)


def first_of_period(moment: datetime, period: str) -> datetime:
    """The first moment of a period."""
    midnight = moment.replace(hour=0, minute=0, second=0)
    match period:
        case "hour":
            return moment.replace(minute=0, second=0)
        case "week":
            return midnight - timedelta(days=midnight.weekday())
        case "month":
            return midnight.replace(day=1)
        case "quarter":
            return midnight.replace(day=1, month=(midnight.month - 1) // 3 * 3 + 1)
        case "year":
            return midnight.replace(day=1, month=1)
        case _:
            return midnight


def check_clip(part: ColumnPart, path: Path) -> None:
    """Return if there is a range to clip to, where the column clips. Raises Fault."""
    if part.clip and part.range is None:
        sentence = "there is no range to clip to"
        raise Fault("contract_range", (*path, "clip"), sentence, "write range = [lowest, highest], both allowed")


def check_bands(part: ColumnPart, edges: tuple[int, ...], path: Path) -> None:
    """Return if the bands are in order and nothing else stands beside them that they settle. Raises Fault."""
    if any(low >= high for low, high in pairwise(edges)):
        sentence = "the bands are not in order"
        raise Fault("contract_bands", (*path, "bands"), sentence, "write the least number of each, lowest first")
    for key in ("range", "clip"):
        if key in part.model_fields_set:
            raise Fault("contract_bands", (*path, key), f"{key} has no use beside bands", f"leave {key} out")
    if part.values not in (None, ["other"]):
        sentence = "the labels of bands are made from their edges"
        raise Fault("contract_bands", (*path, "values"), sentence, 'values = ["other"] for what is in no band, or none')


def band_labels(edges: tuple[int, ...], scale: int) -> tuple[str, ...]:
    """The labels of the bands that begin at these numbers, in units of 10**-scale; the last has no end."""
    texts = [plain(edge, scale) for edge in edges]
    within = (
        f"from {low} to under {text}" if scale else f"from {low} to {high - 1}"
        for low, text, high in zip(texts, texts[1:], edges[1:], strict=False)
    )
    return (*within, f"from {texts[-1]}")


def plain(units: int, scale: int) -> str:
    """Units of 10**-scale as a decimal's text."""
    whole, rest = divmod(abs(units), 10**scale)
    decimals = f".{rest:0{scale}d}" if scale else ""
    return f"{'-' if units < 0 else ''}{whole}{decimals}"
