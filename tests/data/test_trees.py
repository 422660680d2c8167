"""Trees of SQL share no node, whatever is built of them, and say the same however often they are used."""

from sqlglot import exp

from glovebox.data.trees import aliased, call, cast, compare, either, is_null, name, nested, number, when


def test_what_stands_in_one_tree_is_copied_into_the_next():
    value = name("a")
    one = compare(exp.LT, value, number(1))
    other = either(compare(exp.GT, value, number(2)), is_null(value), one)
    assert one.sql("duckdb") == '("a" < 1)'
    assert other.sql("duckdb") == '("a" > 2) OR (("a") IS NULL) OR ("a" < 1)'
    further = either(one, is_null(value))
    assert further.sql("duckdb") == '("a" < 1) OR (("a") IS NULL)'
    assert not {id(node) for node in further.walk()} & {id(node) for node in other.walk()}


def test_a_tree_is_read_again_as_it_was():
    inner = exp.select(aliased(name("r"), "a")).from_(exp.to_table("t"))
    first = nested(inner, "x", name("a"))
    again = nested(inner, "y", when(cast(name("a"), "BIGINT"), call("abs", name("a"))))
    assert first.sql("duckdb") == 'SELECT "a" FROM (SELECT "r" AS "a" FROM t) AS x'
    assert again.sql("duckdb").endswith('FROM (SELECT "r" AS "a" FROM t) AS y')
    assert not {id(node) for node in first.walk()} & {id(node) for node in again.walk()}
