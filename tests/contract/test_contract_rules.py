"""A contract that breaks a rule is refused with a code of its own, the line, and what to write instead."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from glovebox.contract.model import ContractError, parse_contract
from glovebox.contract.terms import EXACT, epsilon_text
from glovebox.identity import key_text

EXAMPLES = Path(__file__).parents[2] / "examples" / "contracts"

GOOD = f"""glovebox = 1
name = "test"
version = 1
purpose = "A test."
from = 2026-01-01
until = 2026-12-31

[[party]]
name = "one"
key = "{key_text(bytes([1]) * 32)}"
address = "one.example:7171"
[[party]]
name = "two"
key = "{key_text(bytes([2]) * 32)}"
address = "127.0.0.1:7172"
[[party]]
name = "three"
key = "{key_text(bytes([3]) * 32)}"
address = "[::1]:7173"

[[table]]
owner = "one"
name = "a"
rows = 1000
rows_per_id = 10
[table.columns]
id = {{ type = "id", form = "email" }}
x = {{ type = "decimal(10,2)", range = ["-0.50", 5000], may = ["sum"] }}
c = {{ type = "category", values = ["DE", "other"], may = ["group"] }}
n = {{ type = "integer" }}

[[table]]
owner = "two"
name = "b"
rows = 1000
[table.columns]
id = {{ type = "id", form = "email", unique = true }}
d = {{ type = "date", range = [2026-01-01, 2026-12-31], may = ["filter"] }}
m = {{ type = "integer" }}
t = {{ type = "timestamp", range = [2026-01-01T00:00:00Z, 2026-12-31T00:00:00+02:00] }}

[rules]
join = [["a.id", "b.id"]]
ask = ["one"]
receive = ["one", "two"]
groups_of_at_least = 2
questions = "approved"

[[question]]
name = "q"
sql = "SELECT COUNT(*) FROM a JOIN b USING (id) WHERE d > :day"
parameters = {{ day = "date" }}
"""

STACK = """
[[table]]
owner = ["one", "two", "three"]
name = "s"
rows = 10
"""

WITH_ID = "[table.columns]\nid = { type = 'id', form = 'exact', unique = true }\n[rules]"
PRIVACY = "[privacy]\nepsilon_total = '{}'\nepsilon_per_question = '{}'\n"

# what is replaced | by what | code
BAD = [
    ("version = 1", "version = 1\nversion = 2", "contract_duplicate_key"),
    ("[rules]", "[rules]\nnote = 'x'\n[rules]", "contract_duplicate_key"),
    ("form = \"email\" }", "form = \"email\", form = \"text\" }", "contract_duplicate_key"),
    ("purpose", "purpose =", "contract_toml"),
    ("rows = 1000", "rows = 1" + "0" * 5000, "contract_number"),
    ("A test.", "A \u202etest.", "contract_invisible"),
    ("A test.", "A \\u202etest.", "contract_invisible"),
    ("A test.", "A te\u00adst.", "contract_invisible"),
    ("A test.", "A\x07 test.", "contract_invisible"),
    ('"DE"', '"D\\u200bE"', "contract_invisible"),
    ('["a.id", "b.id"]', "[" * 12 + "1" + "]" * 12, "contract_depth"),
    ("version = 1", "version = 1\n" + "a." * 400 + "b = 1", "contract_depth"),
    ("version", "verison", "contract_unknown_key"),
    ("address", "adress", "contract_unknown_key"),
    ("rows_per_id", "row_per_id", "contract_unknown_key"),
    ("form =", "forms =", "contract_unknown_key"),
    ("questions =", "question =", "contract_unknown_key"),
    ("[rules]", PRIVACY.format("6", "1") + "delta = '0'\n[rules]", "contract_unknown_key"),
    ("parameters", "parameter", "contract_unknown_key"),
    ("glovebox = 1\n", "", "contract_missing_key"),
    ("groups_of_at_least = 2\n", "", "contract_missing_key"),
    ("glovebox = 1", "glovebox = 2", "contract_value"),
    ('"approved"', '"some"', "contract_value"),
    ("version = 1", "version = 1\nsupersedes = 'sha256:12'", "contract_value"),
    ('"date" }', '"money" }', "contract_value"),
    ('name = "test"', 'name = "Test"', "contract_name"),
    ('name = "one"', 'name = "o ne"', "contract_name"),
    ('name = "a"', 'name = "a\\"; DROP TABLE b; --"', "contract_name"),
    ('x = {', '"X" = {', "contract_name"),
    ("version = 1", "version = 0", "contract_number"),
    ("rows = 1000", "rows = 2147483648", "contract_number"),
    ("groups_of_at_least = 2", "groups_of_at_least = 0", "contract_number"),
    ("rows = 1000", "rows = 1e3", "contract_float"),
    ("5000]", "5000.0]", "contract_float"),
    ("5000]", "inf]", "contract_float"),
    ("version = 1", "version = '1'", "contract_type"),
    ("from = 2026-01-01", "from = '2026-01-01'", "contract_type"),
    ("from = 2026-01-01", "from = 2026-01-01T00:00:00Z", "contract_type"),
    ('may = ["sum"]', 'may = "sum"', "contract_type"),
    ('ask = ["one"]', "ask = []", "contract_length"),
    ('"-0.50", 5000]', "1, 2, 3]", "contract_length"),
    ("until = 2026-12-31", "until = 2025-12-31", "contract_dates"),
    ("[[party]]\nname = \"three\"", "[[party]]\nname = \"two\"", "contract_party_twice"),
    (key_text(bytes([3]) * 32), key_text(bytes([1]) * 32), "contract_key_twice"),
    (key_text(bytes([3]) * 32), "ed25519:abc", "contract_key"),
    ('"[::1]:7173"', '"one.example:7171"', "contract_address_twice"),
    ('"one.example:7171"', '"one.example"', "contract_address"),
    ('"one.example:7171"', '"one example:0"', "contract_address"),
    ('owner = "two"', 'owner = "four"', "contract_unknown_party"),
    ('ask = ["one"]', 'ask = ["tow"]', "contract_unknown_party"),
    ('ask = ["one"]', 'ask = ["one", "one"]', "contract_party_twice"),
    ('name = "b"', 'name = "a"\nowner = "one"', "contract_duplicate_key"),
    ('owner = "two"\nname = "b"', 'owner = "one"\nname = "a"', "contract_table_twice"),
    ("rows_per_id = 10\n", "", "contract_rows_per_id"),
    ("rows_per_id = 10", "rows_per_id = 1001", "contract_rows_per_id"),
    ("rows = 1000\n[table.columns]", "rows = 1000\nrows_per_id = 3\n[table.columns]", "contract_rows_per_id"),
    ('"decimal(10,2)"', '"money"', "contract_column_type"),
    ('"decimal(10,2)"', '"decimal(19,2)"', "contract_column_type"),
    ('"decimal(10,2)"', '"decimal(2,3)"', "contract_column_type"),
    ('values = ["DE", "other"], ', "", "contract_values"),
    (', form = "email" }\nx', " }\nx", "contract_form"),
    ('form = "email" }\nx', 'form = "mail" }\nx', "contract_form"),
    ('form = "email" }\nx', 'form = "phone", country = "XX" }\nx', "contract_country"),
    ('form = "email" }\nx', 'form = "phone", country = "de" }\nx', "contract_country"),
    ('form = "email" }\nx', 'form = "phone", max_bytes = 9 }\nx', "contract_column_key"),
    ('form = "email" }\nx', 'form = "email", country = "DE" }\nx', "contract_column_key"),
    ("x = {", 'x = { country = "DE",', "contract_column_key"),
    ('["group"]', '["sum"]', "contract_may"),
    ('form = "email" }\nx', 'form = "email", may = ["filter"] }\nx', "contract_may"),
    ('form = "email" }\nx', 'form = "email", may = ["group"] }\nx', "contract_may"),
    ('form = "email" }\nx', 'form = "integer", may = ["group"] }\nx', "contract_may"),
    ('form = "email" }\nx', 'form = "integer", range = [0, 9] }\nx', "contract_may"),
    ('range = ["-0.50", 5000], may', "may", "contract_range"),
    ('range = ["-0.50", 5000]', "range = [5000, 1]", "contract_range"),
    ('range = ["-0.50", 5000]', 'range = ["0.001", 5000]', "contract_range"),
    ('range = ["-0.50", 5000]', "range = [0, 2026-01-01]", "contract_range"),
    ("x = {", "x = { unique = true,", "contract_column_key"),
    ("\nd = {", '\nd = { round = "month",', None),
    ("\nd = {", '\nd = { round = "day",', "contract_round"),
    ("\nd = {", '\nd = { round = "decade",', "contract_value"),
    ("\nd = {", "\nd = { round = true,", "contract_value"),
    ("range = [2026-01-01, 2026-12-31]", 'round = "month", range = [2026-01-02, 2026-12-31]', "contract_round"),
    ("range = [2026-01-01, 2026-12-31]", 'round = "week", range = [2026-01-01, 2026-12-31]', "contract_round"),
    ("range = [2026-01-01, 2026-12-31]", 'round = "week", range = [2025-12-29, 2026-12-31]', None),
    ("range = [2026-01-01T00:00:00Z", 'round = "hour", range = [2026-01-01T00:30:00Z', "contract_round"),
    ("range = [2026-01-01T00:00:00Z", 'round = "quarter", range = [2026-01-01T00:00:00Z', None),
    ("x = {", 'x = { round = "month",', "contract_column_key"),
    ("\nn = {", "\nn = { bands = [0, 18, 35],", None),
    ("\nn = {", '\nn = { bands = [0, 18], values = ["other"],', None),
    ("\nn = {", '\nn = { bands = [0, 18], values = ["young"],', "contract_bands"),
    ("\nn = {", "\nn = { bands = [18, 0],", "contract_bands"),
    ("\nn = {", "\nn = { bands = [0, 0],", "contract_bands"),
    ("\nn = {", "\nn = { bands = [0],", "contract_length"),
    ("\nn = {", "\nn = { bands = [0, 1.5],", "contract_float"),
    ("\nn = {", '\nn = { bands = [0, "1.5"],', "contract_range"),
    ("\nn = {", "\nn = { bands = [0, 9], range = [0, 9],", "contract_bands"),
    ("\nn = {", '\nn = { bands = [0, 9], may = ["sum"],', "contract_may"),
    ("\nn = {", '\nn = { bands = [0, 9], may = ["group"],', None),
    ("\nn = {", '\nn = { values = ["other"],', "contract_column_key"),
    ("c = {", "c = { bands = [0, 18],", "contract_column_key"),
    ("x = {", "x = { clip = true,", None),
    ("x = {", "x = { clip = false,", "contract_value"),
    ("\nn = {", "\nn = { clip = true,", "contract_range"),
    ("c = {", "c = { clip = true,", "contract_column_key"),
    ('"DE"', '"=1+1"', "contract_label_formula"),
    ('"DE"', '"@SUM"', "contract_label_formula"),
    ('"DE"', '" DE"', "contract_label"),
    ('"DE"', '"cafe\\u0301"', "contract_label"),
    ('"DE"', '"other"', "contract_label_twice"),
    ("range = [\"-0.50\", 5000]", "range = [0, 99_999_999]", None),
    ('"decimal(10,2)", range = ["-0.50", 5000]', '"integer", range = [0, 900_000_000_000_000]', "contract_overflow"),
    ("groups_of_at_least = 2", "groups_of_at_least = 1", "contract_threshold"),
    ('questions = "approved"', 'questions = "any"', "contract_any_without_budget"),
    ('questions = "approved"', 'questions = "approved"\nexact = "please"', "contract_exact"),
    ("[rules]", PRIVACY.format("1", "2") + "[rules]", "contract_epsilon"),
    ("[rules]", PRIVACY.format("1", "0.0") + "[rules]", "contract_epsilon"),
    ("[rules]", PRIVACY.format("1", "0.0000001") + "[rules]", "contract_epsilon"),
    ("[rules]", PRIVACY.format("1", "1") + "[rules]\nzero = 'shown'", "contract_zero"),
    ("[rules]", PRIVACY.format("1", "1") + f"[rules]\nexact = '{EXACT}'", "contract_exact"),
    ("[rules]", PRIVACY.format("9999.999999", "0.000001") + "[rules]", None),
    ("[rules]", "[privacy]\nepsilon_total = 1.5\nepsilon_per_question = '1'\n[rules]", "contract_float"),
    ('["a.id", "b.id"]', '["a.id", "b.d"]', "contract_join"),
    ('["a.id", "b.id"]', '["a.id", "c.id"]', "contract_join"),
    ('["a.id", "b.id"]', '["a.id", "a.id"]', "contract_join"),
    ('["a.id", "b.id"]', '["four.a.id", "b.id"]', "contract_join"),
    ('["a.id", "b.id"]', '["a/id", "b.id"]', "contract_join"),
    ('["a.id", "b.id"]', '["one.two.a.id", "b.id"]', "contract_join"),
    ('["a.id", "b.id"]', '["a.id", "two.x.y.b.id"]', "contract_join"),
    ('["a.id", "b.id"]', '[["a.id", "a.c"], ["b.id", "b.d"]]', "contract_join"),
    ('["a.id", "b.id"]', '[["a.id", "a.n"], ["b.id", "b.d"]]', "contract_join"),
    ('["a.id", "b.id"]', '[["a.id", "a.id"], ["b.id", "b.id"]]', "contract_join"),
    ('["a.id", "b.id"]', '[["a.id", "b.d"], ["b.id", "b.d"]]', "contract_join"),
    ('["a.id", "b.id"]', '[["a.id"], ["b.id", "b.d"]]', "contract_join"),
    ('["a.id", "b.id"]', '[[], []]', "contract_join"),
    ('["a.id", "b.id"]', '[["a.n"], ["b.m"]]', "contract_join"),
    ('["a.id", "b.id"]', '[["a.id", "a.n"], ["b.id", "b.m"]]', None),
    ('["a.id", "b.id"]', '["a.id+n", "b.id+m"]', "contract_join"),
    ('form = "email", unique', 'form = "composed", unique', "contract_form"),
    ('form = "email", unique = true', 'form = "text", unique = true', "contract_join"),
    ('form = "email", unique = true', 'form = "email", max_bytes = 9, unique = true', "contract_join"),
    ("version = 1", 'version = 1\nprotocol = "two-party"', "contract_not_two_parties"),
    ("version = 1", 'version = 1\nprotocol = "two-parties"', "contract_value"),
    ('address = "one.example:7171"', 'address = "one.example:7171"\ndial = "out"', None),
    ("[rules]", STACK + WITH_ID, "contract_person"),
    ("[rules]", STACK + "[table.columns]\nn = { type = 'integer' }\n[rules]", "contract_person"),
    ("[rules]", STACK + "same_person_at_several = 'yes'\n" + WITH_ID, None),
    ("rows_per_id = 10", "rows_per_id = 10\nsame_person_at_several = 'no'", "contract_person"),
    ("[rules]", STACK + "person = 'row'\n[table.columns]\nn = { type = 'integer' }\n[rules]", None),
    ("[[question]]", "[[question]]\nname = 'q'\nsql = 'x'\n[[question]]", "contract_question_twice"),
]  # fmt: skip


def test_the_good_contract_is_good():
    contract = parse_contract(GOOD.encode())
    assert contract.tables[0].column("x").low == -50
    assert contract.tables[1].column("t").high - contract.tables[1].column("t").low == 364 * 86400 - 7200
    assert contract.names(contract.rules.receive) == ("one", "two")


def test_bands_are_a_category_of_their_labels():
    text = GOOD.replace("\nn = {", '\nn = { bands = [-5, 0, "18"], values = ["other"], may = ["group"],')
    column = parse_contract(text.encode()).tables[0].column("n")
    assert (column.kind, column.bands) == ("category", (-5, 0, 18))
    assert column.values == ("from -5 to -1", "from 0 to 17", "from 18", "other")
    text = GOOD.replace(', may = ["sum"]', "").replace('range = ["-0.50", 5000]', 'bands = [0, "9.99", 50]')
    assert parse_contract(text.encode()).tables[0].column("x").values == (
        "from 0.00 to under 9.99", "from 9.99 to under 50.00", "from 50.00",
    )  # fmt: skip


def test_an_id_of_several_columns_is_a_column_of_its_own():
    two = '[["a.id", "a.n"], ["b.id", "b.m"]], [["a.id", "a.n"], ["b.id", "b.m"]], ["a.id", "b.id"]'
    contract = parse_contract(GOOD.replace('["a.id", "b.id"]', two).encode())
    left, right = (table.columns[-1] for table in contract.tables)
    assert (left.name, left.form, left.parts, left.unique) == ("id+n", "composed", ("id", "n"), False)
    assert (right.name, right.form, right.parts, right.unique) == ("id+m", "composed", ("id", "m"), True)
    assert [[place.column for place in pair] for pair in contract.rules.join] == [
        ["id+n", "id+m"], ["id+n", "id+m"], ["id", "id"],
    ]  # fmt: skip


def test_phone_numbers_join_whatever_country_each_side_stands_in():
    text = GOOD.replace('form = "email" }', 'form = "phone", country = "DE" }')
    contract = parse_contract(text.replace('form = "email", unique', 'form = "phone", unique').encode())
    assert [table.column("id").country for table in contract.tables] == ["DE", None]


@pytest.mark.parametrize(("old", "new", "code"), BAD, ids=[f"{number}-{code}" for number, (*_, code) in enumerate(BAD)])
def test_a_broken_rule_has_its_code_its_line_and_a_way_out(old, new, code):
    text = GOOD.replace(old, new, 1)
    assert text != GOOD
    if code is None:
        parse_contract(text.encode())
        return
    with pytest.raises(ContractError) as refused:
        parse_contract(text.encode())
    assert refused.value.code == code
    assert refused.value.exit_code == 3
    assert refused.value.hint
    first = GOOD[: GOOD.index(old)].count("\n") + 1
    line = int(refused.value.step.removeprefix("line "))
    nearby = range(first, first + new.count("\n") + 9)  # of a table, its header or its last key is named
    assert line in nearby or code in ("contract_missing_key", "contract_duplicate_key", "contract_rows_per_id"), line


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ('"DE"', '"=1"', 29),
        ('address = "127.0.0.1:7172"', "adress = 1", 15),
        ('form = "email", unique', 'form = "mail", unique', 37),
        ("until = 2026-12-31", "until = 2025-01-01", 6),
        ('"b.id"]', '"b.x"]', 43),
        ('receive = ["one", "two"]', "receive = [\n  'one',\n  'tow',\n]", 45),
    ],
)
def test_the_line_is_that_of_the_key(old, new, line):
    with pytest.raises(ContractError) as refused:
        parse_contract(GOOD.replace(old, new, 1).encode())
    assert refused.value.step == f"line {line}"


def test_fewer_than_three_parties_are_refused_with_the_way_out():
    head, _, rest = GOOD.partition('[[party]]\nname = "three"')
    with pytest.raises(ContractError) as refused:
        parse_contract((head + rest[rest.index("[[table]]") :]).encode())
    assert refused.value.code == "contract_few_parties"
    assert "neutral third" in refused.value.hint


def test_two_parties_alone_choose_it_in_the_open():
    head, _, rest = GOOD.replace("version = 1", 'version = 1\nprotocol = "two-party"').partition(
        '[[party]]\nname = "three"'
    )
    contract = parse_contract((head + rest[rest.index("[[table]]") :]).encode())
    assert (contract.protocol, len(contract.parties)) == ("two-party", 2)
    with pytest.raises(ContractError) as refused:
        parse_contract((head[: head.index('[[party]]\nname = "two"')] + rest[rest.index("[[table]]") :]).encode())
    assert refused.value.code == "contract_not_two_parties"


THIN = (EXAMPLES / "two-owners-thin.toml").read_text()
BUDGET = THIN[THIN.index("[privacy]") : THIN.index("[[question]]")]


@pytest.mark.parametrize(("old", "new"), [
    ('receive            = ["retailer"]', 'receive            = ["retailer", "publisher"]'),
    ('questions          = "any"\n\n' + BUDGET, 'questions          = "approved"\n\n'),
])  # fmt: skip
def test_the_homomorphic_mode_wants_one_receiver_and_noise(old, new):
    assert parse_contract(THIN.encode()).protocol == "two-party-homomorphic"
    with pytest.raises(ContractError) as refused:
        parse_contract(THIN.replace(old, new, 1).encode())
    assert refused.value.code == "contract_homomorphic"
    assert 'protocol = "two-party"' in refused.value.hint


def test_a_file_too_large_or_not_text_is_refused():
    for text, code in (
        (GOOD.encode() + b"#" * (1 << 20), "contract_too_large"),
        (GOOD.encode() + b"\xff", "contract_encoding"),
    ):
        with pytest.raises(ContractError) as refused:
            parse_contract(text)
        assert refused.value.code == code


def test_the_hash_is_of_the_exact_bytes():
    contract, other = (parse_contract(text.encode()) for text in (GOOD, GOOD + "\n"))
    assert contract.hash != other.hash
    assert contract.parties == other.parties


@pytest.mark.parametrize(
    ("text", "millionths"), [("6.0", 6_000_000), ("0.1", 100_000), ("0.000001", 1), ("9999.999999", 9_999_999_999)]
)
def test_epsilon_is_kept_in_whole_millionths(text, millionths):
    privacy = parse_contract(GOOD.replace("[rules]", PRIVACY.format(text, text) + "[rules]").encode()).privacy
    assert privacy.epsilon_total == privacy.epsilon_per_question == millionths
    assert epsilon_text(millionths) == text.removesuffix(".0")


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.toml")), ids=lambda path: path.stem)
def test_the_examples_are_good(path):
    assert parse_contract(path.read_bytes()).name == path.stem


@given(st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_any_bytes_are_a_contract_or_a_contract_error(text):
    with pytest.raises(ContractError):
        parse_contract(text)


@given(st.integers(0, len(GOOD)), st.integers(0, 12), st.text(max_size=6))
def test_any_edit_is_a_contract_or_a_contract_error(place, cut, typed):
    try:
        parse_contract((GOOD[:place] + typed + GOOD[place + cut :]).encode("utf-8", "surrogatepass"))
    except ContractError as refused:
        assert refused.code.startswith("contract_")
        assert refused.step.startswith("line ")
