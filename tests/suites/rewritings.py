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
    # whole months, as `/` means them
    "H4": """
        SELECT arm, FLOOR((exit_day - entry_day) / 30) AS month, SUM(event) AS events, SUM(1 - event) AS censored,
               COUNT(*) AS leaving
        FROM (SELECT * FROM h1.followup UNION ALL SELECT * FROM h2.followup) f
        GROUP BY arm, FLOOR((exit_day - entry_day) / 30)""",
    # without a sub-query
    "H7": """
        SELECT COUNT(*) AS n, SUM(l.value) AS sx, SUM(k.value) AS sy, SUM(l.value * l.value) AS sxx,
               SUM(l.value * k.value) AS sxy, SUM(k.value * k.value) AS syy
        FROM h1.labs l JOIN h2.labs k ON k.person_key = l.person_key
        WHERE l.test = 'hba1c' AND k.test = 'egfr'""",
}
