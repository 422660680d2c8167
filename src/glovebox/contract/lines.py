"""The text of a contract before anything is believed of it: limits, characters, TOML, and the line of every key."""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

MOST_BYTES = 1 << 20
MOST_DOTS = 200  # in one line: tomllib needs time in the square of a dotted key's parts
MOST_DIGITS = 100  # more than any number or hash needs; Python refuses to read thousands
MOST_DEPTH = 8  # table, 0, columns, amount, range, 0 is the deepest place there is

Path = tuple[str | int, ...]

_PIECE = re.compile(
    r'"""(?:\\.|[^\\])*?"""(?!")|\'\'\'.*?\'\'\'(?!\')'  # strings over several lines
    r'|"(?:\\.|[^"\\\n])*"|\'[^\'\n]*\'|#[^\n]*|\n|[\[\]{}=.]|[^\s\[\]{}=."\'#]+',
    re.DOTALL,
)


@dataclass
class Fault(Exception):
    """What is wrong in a contract and where, before the place has become a line."""

    code: str
    path: Path
    sentence: str
    hint: str
    line: int = 0


@dataclass(frozen=True)
class Lines:
    """The line, from 1, on which each key or table of a text begins."""

    places: dict[Path, int]

    def of(self, path: Path) -> int:
        """The line of a path, or of the nearest key above it."""
        for length in range(len(path), 0, -1):
            if path[:length] in self.places:
                return self.places[path[:length]]
        return 1


def read_toml(text: bytes) -> tuple[dict[str, object], Lines]:
    """The TOML of a contract's bytes, and the lines of its keys. Raises Fault."""
    if len(text) > MOST_BYTES:
        raise Fault("contract_too_large", (), f"the file has {len(text)} bytes", "at most 1 MB", line=1)
    try:
        plain = text.decode()
    except UnicodeDecodeError as problem:
        line = text.count(b"\n", 0, problem.start) + 1
        raise Fault("contract_encoding", (), "the file is not UTF-8", "save it as UTF-8", line=line) from problem
    for number, line_text in enumerate(plain.split("\n"), 1):
        _check_line(number, line_text.removesuffix("\r"))
    try:
        document = tomllib.loads(plain)
    except RecursionError as problem:
        raise Fault("contract_depth", (), "values are nested too deeply", "no value needs it", line=1) from problem
    except ValueError as problem:
        raise _toml_fault(str(problem), plain.rstrip().count("\n") + 1) from problem
    lines = Lines(_places(plain))
    _check_depth(document, (), lines)
    return document, lines


def hidden_character(text: str) -> str | None:
    """The code point of the first control, invisible or direction-changing character, e.g. "U+202E", or None."""
    for character in text:
        if character != " " and unicodedata.category(character) in {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp", "Zs"}:
            return f"U+{ord(character):04X}"
    return None


def _check_line(number: int, line: str) -> None:
    if found := hidden_character(line.replace("\t", " ")):
        sentence = f"the line holds the invisible character {found}"
        raise Fault("contract_invisible", (), sentence, "type the line again without it", line=number)
    if re.search(f"[0-9_]{{{MOST_DIGITS}}}", line):
        raise Fault("contract_number", (), "a number has too many digits", "at most 18 digits", line=number)
    if line.count(".") > MOST_DOTS:
        raise Fault("contract_depth", (), "the line has too many dots", "break the line", line=number)


def _toml_fault(problem: str, last_line: int) -> Fault:
    line = int(found[1]) if (found := re.search(r"at line (\d+)", problem)) else last_line
    sentence = re.sub(r" \(at .*\)$", "", problem)
    if re.search("overwrite|declare|redefine|mutate|[Dd]uplicate", problem):
        return Fault("contract_duplicate_key", (), "a key stands twice", "keep one of the two", line)
    sentence = f"this is not TOML: {sentence[:1].lower()}{sentence[1:]}"
    return Fault(
        "contract_toml", (), sentence, "examples/contracts show the form; glovebox contract draft writes one", line
    )


def _check_depth(value: object, path: Path, lines: Lines) -> None:
    if len(path) > MOST_DEPTH:
        raise Fault("contract_depth", (), "values are nested too deeply", "no value needs it", line=lines.of(path))
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        _check_depth(inner, (*path, step), lines)


def _places(text: str) -> dict[Path, int]:
    """The line of each header and key of a text that is valid TOML."""
    places: dict[Path, int] = {}
    latest: dict[Path, int] = {}  # index of the last element of each array of tables
    header: Path = ()
    for line, pieces in _statements(text):
        if pieces[0] == "[":
            header = ()
            array = pieces[1] == "["
            parts = [_bare(piece) for piece in pieces if piece not in ("[", "]", ".")]
            for position, part in enumerate(parts):
                header = (*header, part)
                if array and position == len(parts) - 1:
                    latest[header] = latest.get(header, -1) + 1
                if header in latest:
                    places.setdefault(header, line)
                    header = (*header, latest[header])
            places.setdefault(header, line)
        else:
            key = header
            for piece in pieces[: pieces.index("=")]:
                if piece != ".":
                    key = (*key, _bare(piece))
                    places.setdefault(key, line)
    return places


def _statements(text: str) -> Iterator[tuple[int, list[str]]]:
    """The pieces (strings, words, marks) of each header or key with its value, and the line where it begins."""
    line, first, depth = 1, 1, 0
    pieces: list[str] = []
    for piece in _PIECE.findall(text + "\n"):
        if piece == "\n" and depth == 0:
            if pieces:
                yield first, pieces
            pieces = []
        elif piece != "\n" and not piece.startswith("#"):
            first = first if pieces else line
            pieces.append(piece)
            depth += (piece in ("[", "{")) - (piece in ("]", "}"))
        line += piece.count("\n")


def _bare(piece: str) -> str:
    return piece[1:-1] if piece[0] in "\"'" else piece
