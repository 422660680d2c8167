"""Realistic tables for the demo, the benchmarks and tests: the same seed gives the same files.

No person is in them. The seed only shapes made-up rows; nothing secret is drawn here.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

CAMPAIGN_FROM = date(2026, 12, 1)
CAMPAIGN_DAYS = 121  # to 2027-03-31
PEOPLE, BUYERS, VIEWERS = 9_000, 4_000, 6_000
ID_BYTES = 24
ROW_GROUP = 122_880  # rows, as DuckDB itself writes: it reads row groups side by side
PART = 32 * ROW_GROUP
GIVEN = ("anna", "ben", "chloe", "david", "emma", "farid", "greta", "hugo", "ines", "jonas", "kaya", "luc")
FAMILY = ("becker", "bernard", "cole", "dubois", "fischer", "garcia", "hughes", "jansen", "khan", "moreau", "smith")
HOSTS = ("example.com", "example.org", "mail.example", "post.example.net")
DIAGNOSES = ("fracture", "infarction", "pneumonia", "stroke", "porphyria")  # the last is rare
REGIONS = ("alps", "basin", "coast", "delta", "east", "fells", "gorge", "heath", "isles", "karst")
CHANNELS = ("app", "banner", "cinema", "direct", "email", "forum", "gazette", "hall", "invite", "journal")
WARDS = ("surgery", "cardiology", "medicine", "neurology", "medicine")

Ints = NDArray[np.int64]
Array = Any  # of Arrow, whose stubs do not follow it everywhere


def write_campaign(directory: Path, seed: int) -> tuple[Path, Path]:
    """A retailer's purchases (CSV) and a publisher's impressions (Parquet) in one campaign; returns both paths.

    purchases    customer, amount decimal(10,2), country, bought_on; up to 20 rows a customer
    impressions  customer, format video or banner, seen_on; up to 50 rows a customer
    Customers are e-mail addresses as people type them: in any case, with blanks around, a few missing or no address.
    """
    random = np.random.default_rng([seed, 1])
    people = random.permutation(PEOPLE)
    buyers, viewers = people[:BUYERS], people[PEOPLE - VIEWERS :]
    bought = np.repeat(buyers, np.minimum(20, random.geometric(0.45, BUYERS)))
    seen = np.repeat(viewers, np.minimum(50, random.geometric(0.25, VIEWERS)))
    random.shuffle(bought)
    random.shuffle(seen)
    cents = np.minimum(500_000, random.lognormal(8.0, 1.1, len(bought)).astype(np.int64) + 199)
    purchases = {
        "customer": _typed(random, bought, "n/a"),
        "amount": _decimals(cents, 10, 2),
        "country": _chosen(random, ("DE", "FR", "GB", "AT", "NL"), (0.4, 0.25, 0.2, 0.1, 0.05), len(bought)),
        "bought_on": _days(random, len(bought)),
    }
    impressions = {
        "customer": _typed(random, seen, "unknown"),
        "format": _chosen(random, ("video", "banner"), (0.35, 0.65), len(seen)),
        "seen_on": _days(random, len(seen)),
    }
    return _write(directory / "purchases.csv", purchases), _write(directory / "impressions.parquet", impressions)


def write_hospitals(directory: Path, seed: int) -> tuple[Path, Path, Path]:
    """Patients of three hospitals, one row a patient; returns the three paths (two Parquet, one CSV).

    patients  patient, age integer, sex F or M, diagnosis, ward, stay_days integer or missing, admitted_on
    A handful of patients in all three hospitals together have porphyria.
    """
    north = _patients(np.random.default_rng([seed, 2]), "N", 1_200, 2)
    harbour = _patients(np.random.default_rng([seed, 3]), "H", 800, 3)
    valley = _patients(np.random.default_rng([seed, 4]), "V", 450, 1)
    return (
        _write(directory / "north.parquet", north),
        _write(directory / "harbour.parquet", harbour),
        _write(directory / "valley.csv", valley),
    )


def write_keyed(path: Path, rows: int, first: int, columns: Sequence[str], seed: int) -> Path:
    """A table about the people first, first + 1, ..., one row each, in random order (Parquet). columns, by name:

    id                24 hexadecimal digits, different for different people and the same in every table of the seed
    amount, price     decimal(10,2) from 0 to 5000
    score             integer from -1000 to 1000
    region, channel   one of ten each; all hundred pairs among any hundred people in a row
    bought_on, seen_on  dates
    """
    random = np.random.default_rng([seed, 5, first])
    people = first + random.permutation(rows)
    path.parent.mkdir(parents=True, exist_ok=True)
    parts = (people[begin : begin + PART] for begin in range(0, max(rows, 1), PART))  # in the memory of one
    tables = (pa.table({name: _keyed(random, name, part, seed) for name in columns}) for part in parts)
    first_table = next(tables)
    with pyarrow.parquet.ParquetWriter(path, first_table.schema, compression="zstd") as writer:
        for table in itertools.chain([first_table], tables):
            writer.write_table(table, ROW_GROUP)
    return path


def _keyed(random: np.random.Generator, column: str, people: Ints, seed: int) -> Array:
    match column:
        case "id":
            return _hex_ids(people, seed)
        case "amount" | "price":
            return _decimals(random.integers(0, 500_001, len(people)), 10, 2)
        case "score":
            return pa.array(random.integers(-1_000, 1_001, len(people)))
        case "region":
            return pa.array(REGIONS).take(people % 10)
        case "channel":
            return pa.array(CHANNELS).take(people // 10 % 10)
        case "bought_on" | "seen_on":
            return _days(random, len(people))
    raise ValueError(f"no column {column} is made here")


def _patients(random: np.random.Generator, letter: str, count: int, rare: int) -> dict[str, Array]:
    which = random.choice(len(DIAGNOSES) - 1, count, p=(0.3, 0.2, 0.35, 0.15))
    which[random.choice(count, rare, replace=False)] = len(DIAGNOSES) - 1
    stays = np.minimum(120, random.gamma(2.0, 3.0 + which).astype(np.int64) + 1)
    digits = (random.permutation(90_000)[:count] + 10_000).astype(str)
    return {
        "patient": pa.array(_joined(f"{letter}-", digits)),
        "age": pa.array(np.clip(random.normal(45 + 8 * which, 18).astype(np.int64), 0, 104)),
        "sex": _chosen(random, ("F", "M"), (0.52, 0.48), count),
        "diagnosis": pa.array(np.array(DIAGNOSES)[which]),
        "ward": pa.array(np.array(WARDS)[which]),
        "stay_days": pa.array(stays, mask=random.random(count) < 0.04),
        "admitted_on": _days(random, count),
    }


def _typed(random: np.random.Generator, people: Ints, none: str) -> Array:
    """The addresses of people as they were typed; 1 % missing, 1 % the word for none."""
    given, family, host = (np.array(words) for words in (GIVEN, FAMILY, HOSTS))
    plain = _joined(
        given[people % 12], ".", family[people // 12 % 11], people.astype(str), "@", host[people % 7 % 4]
    )  # fmt: skip
    how = random.choice(7, len(people), p=(0.6, 0.1, 0.13, 0.08, 0.07, 0.01, 0.01))
    forms = [np.strings.upper(plain), np.strings.capitalize(plain), _joined(" ", plain), _joined(plain, "  "), none]
    typed = np.select([how == number for number in range(1, 6)], forms, plain)
    return pa.array(typed, mask=how == 6)


def _joined(*parts: Any) -> Any:
    """Arrays of texts, and texts, one behind the other."""
    return functools.reduce(np.strings.add, parts)


def _chosen(random: np.random.Generator, labels: tuple[str, ...], weights: tuple[float, ...], count: int) -> Array:
    return pa.array(np.array(labels)[random.choice(len(labels), count, p=weights)])


def _days(random: np.random.Generator, count: int) -> Array:
    first = (CAMPAIGN_FROM - date(1970, 1, 1)).days
    return pa.array(first + random.integers(0, CAMPAIGN_DAYS, count), pa.int32()).cast(pa.date32())


def _decimals(units: Ints, precision: int, scale: int) -> Array:
    """Integers as decimals: 128-bit little-endian words."""
    words = np.stack([units, units >> 63], axis=1)
    return pa.Array.from_buffers(pa.decimal128(precision, scale), len(units), [None, pa.py_buffer(words.data)])


def _hex_ids(numbers: Ints, seed: int) -> Array:
    """A 24-digit hexadecimal text for each number: splitmix64 is a bijection, so different numbers differ."""
    mixed = numbers.astype(np.uint64) + np.uint64((seed * 0x9E3779B97F4A7C15) % 2**64)
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        mixed = (mixed ^ (mixed >> np.uint64(shift))) * np.uint64(factor)
    mixed ^= mixed >> np.uint64(31)
    raw = np.empty((len(numbers), ID_BYTES // 2), np.uint8)
    raw[:, :8] = mixed.astype("<u8").view(np.uint8).reshape(-1, 8)
    raw[:, 8:] = (mixed * np.uint64(0xD6E8FEB86659FD93)).astype("<u8").view(np.uint8).reshape(-1, 8)[:, 4:]
    digits = np.frombuffer(b"0123456789abcdef", np.uint8)
    text = np.stack([digits[raw >> 4], digits[raw & 15]], axis=2).reshape(-1)
    offsets = np.arange(len(numbers) + 1, dtype=np.int32) * ID_BYTES
    return pa.Array.from_buffers(
        pa.string(), len(numbers), [None, pa.py_buffer(offsets.data), pa.py_buffer(np.ascontiguousarray(text).data)]
    )


def _write(path: Path, columns: dict[str, Array]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    table = pa.table(columns)
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pyarrow.parquet.write_table(table, path, compression="zstd", row_group_size=ROW_GROUP)
    return path
