"""Practitioners' questions in words that mean the same, where their own cannot be asked."""

INTEGER_DIVISION = ("H1", "H4", "F4")
"""Questions whose `/` of integers is meant to be one."""

REWRITTEN: dict[str, str] = {
    # after the first exposure to a campaign is after any of them
    "A7": """
        SELECT e.campaign, COUNT(DISTINCT v.user_key) AS buyers,
               COUNT(DISTINCT v.user_key) FILTER (WHERE v.is_new = 1) AS new_buyers
        FROM publisher.exposures e JOIN advertiser.conversions v ON v.user_key = e.user_key AND v.ts >= e.ts
        GROUP BY e.campaign""",
}
