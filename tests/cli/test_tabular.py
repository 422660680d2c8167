"""An answer as people read it: error bars, what is suppressed, and CSV."""

from decimal import Decimal

from glovebox.cli.tabular import rendered
from glovebox.schema.answer import Answer, canonical_answer

EXACT = Answer(("ward", "n"), (("a", 12), ("b", None)), (1,))
NOISY = Answer(
    ("ward", "n", "mean"),
    (("a", 120, Decimal("4.2500000000")), ("b", None, None), ("c", 30, None)),
    (1,),
    ((None, 22, Decimal("0.123412")), (None, None, None), (None, 22, None)),
)


def test_an_exact_answer_has_no_error_bars():
    assert rendered(canonical_answer(EXACT), "csv") == "ward,n\na,12\nb,suppressed"
    assert "±" not in rendered(canonical_answer(EXACT), "table")
    assert b"within" not in canonical_answer(EXACT)


def test_every_noisy_number_stands_with_its_error_bar():
    assert rendered(canonical_answer(NOISY), "table").splitlines() == [
        "ward  n           mean",
        "----  ----------  --------------------",
        "a     120 ± 22    4.2500000000 ± 0.124",
        "b     suppressed  suppressed",
        "c     30 ± 22     NULL",
        "1 of 3 suppressed: fewer people than the contract's threshold, or a total would tell such a group",
        "± says what a number is within of the truth, 19 times in 20",
    ]


def test_error_bars_have_columns_of_their_own_in_csv():
    assert rendered(canonical_answer(NOISY), "csv").splitlines() == [
        "ward,n,mean,n_within,mean_within",
        "a,120,4.2500000000,22,0.123412",
        "b,suppressed,suppressed,,",
        "c,30,NULL,22,",
    ]
