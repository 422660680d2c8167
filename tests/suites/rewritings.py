"""Practitioners' questions in words that mean the same, where their own cannot be asked."""

INTEGER_DIVISION = ("H1", "H4", "F4")
"""Questions whose `/` of integers is meant to be one."""

REWRITTEN: dict[str, str] = {
    # who has a conversion is who has an id of one
    "A3": """
        SELECT CASE WHEN f.n = 1 THEN '1' WHEN f.n <= 3 THEN '2-3' WHEN f.n <= 7 THEN '4-7' ELSE '8+' END AS freq,
               COUNT(*) AS users, COUNT(v.user_key) AS converters
        FROM (SELECT user_key, COUNT(*) AS n FROM publisher.exposures
              WHERE campaign = 'spring' GROUP BY user_key) f
        LEFT JOIN (SELECT DISTINCT user_key FROM advertiser.conversions) v ON v.user_key = f.user_key
        GROUP BY 1""",
    # a sum leaves out what is not there
    "A5": """
        SELECT a.treat, COUNT(*) AS n, COUNT(CASE WHEN v.value > 0 THEN 1 END) AS converters,
               COALESCE(SUM(v.value), 0) AS s1, COALESCE(SUM(v.value * v.value), 0) AS s2
        FROM publisher.audience a
        LEFT JOIN (SELECT user_key, SUM(amount_cents) AS value
                   FROM advertiser.conversions GROUP BY user_key) v ON v.user_key = a.user_key
        GROUP BY a.treat""",
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
    # without a sub-query
    "H7": """
        SELECT COUNT(*) AS n, SUM(l.value) AS sx, SUM(k.value) AS sy, SUM(l.value * l.value) AS sxx,
               SUM(l.value * k.value) AS sxy, SUM(k.value * k.value) AS syy
        FROM h1.labs l JOIN h2.labs k ON k.person_key = l.person_key
        WHERE l.test = 'hba1c' AND k.test = 'egfr'""",
}
