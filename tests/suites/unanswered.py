"""The questions that are not answered yet, and why: over public data, and those that practitioners ask.

A test fails when one of them starts to be: these lists can only shrink.
"""

UNANSWERED: dict[str, str] = {
    "record_linkage_febrl4/q5_fuzzy_name_blocked": "names that are alike, not equal: shared texts are never compared",
}

PRACTITIONERS: dict[str, str] = {
    "F4": "rings of three edges: no table is joined with itself over owners",
}
