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
    # whole decades, as `/` means them
    "H1": """
        WITH p AS (SELECT person_key, MIN(sex) AS sex, MIN(birth_year) AS birth_year
                   FROM (SELECT * FROM h1.patients UNION ALL SELECT * FROM h2.patients) u
                   GROUP BY person_key),
             c AS (SELECT DISTINCT person_key
                   FROM (SELECT * FROM h1.dx UNION ALL SELECT * FROM h2.dx) d
                   WHERE code = 'I10')
        SELECT p.sex, FLOOR((2026 - p.birth_year) / 10) * 10 AS age10, COUNT(*) AS patients,
               COUNT(c.person_key) AS cases
        FROM p LEFT JOIN c ON c.person_key = p.person_key
        GROUP BY p.sex, FLOOR((2026 - p.birth_year) / 10) * 10""",
    # whole months, as `/` means them
    "H4": """
        SELECT arm, FLOOR((exit_day - entry_day) / 30) AS month, SUM(event) AS events, SUM(1 - event) AS censored,
               COUNT(*) AS leaving
        FROM (SELECT * FROM h1.followup UNION ALL SELECT * FROM h2.followup) f
        GROUP BY arm, FLOOR((exit_day - entry_day) / 30)""",
}
