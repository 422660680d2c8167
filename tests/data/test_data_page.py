"""The page on an owner's data says what holds: its settings are settings, its columns and joins a contract's."""

import re
import tomllib
from pathlib import Path

import msgspec

from glovebox.contract.model import parse_contract
from glovebox.data.columns import READABLE
from glovebox.data.quality import SENTENCES
from glovebox.node.home import Settings

from ..contract.test_contract_rules import GOOD

PAGE = (Path(__file__).parents[2] / "docs" / "data.md").read_text()


def block(first):
    (found,) = [text for text in re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL) if text.startswith(f"# {first}\n")]
    return found


def test_the_settings_name_a_server():
    settings = msgspec.convert({"name": "a", "listen": "b:1", **tomllib.loads(block("node.toml"))}, Settings)
    assert settings.postgres["shop"].tls
    assert settings.postgres["shop"].port == 5432


def test_the_columns_are_columns_of_a_contract():
    text = GOOD.replace("\nn = {", "\n" + block("columns") + "n = {", 1)
    names = [column.name for column in parse_contract(text.encode()).tables[0].columns]
    assert {"born", "age", "amount", "country"} <= set(names)


def test_the_joins_are_joins_of_a_contract():
    text = re.sub(r"join = .*\n", block("contract").removeprefix("# contract\n"), GOOD, count=1)
    text = text.replace('name = "a"', 'name = "people"').replace('name = "b"', 'name = "patients"')
    columns = (
        'ssid = { type = "id", form = "exact" }\nname = { type = "id", form = "text" }\nborn = { type = "date" }\n'
    )
    text = text.replace("[table.columns]\n", "[table.columns]\n" + columns)
    text = text.replace("rows = 1000\n[table", "rows = 1000\nrows_per_id = 9\n[table").replace(
        "FROM a JOIN b", "FROM x"
    )
    assert [[place.column for place in pair] for pair in parse_contract(text.encode()).rules.join] == [
        ["ssid", "ssid"], ["name+born", "name+born"],
    ]  # fmt: skip


def test_every_form_stands_on_the_page():
    forms = {kind.removeprefix("id ") for kind in READABLE if kind.startswith("id ")}
    assert forms == set(re.findall(r"^\| `([a-z]+)` \|", PAGE, re.MULTILINE))
    assert len(SENTENCES) > 10
