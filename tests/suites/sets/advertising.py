"""A publisher's log of shown advertisements, and the advertiser's placements and clicks."""

import duckdb

from ..public import DataSet, Rewritten, labels, parquet, table


def tables(folder):
    segments = labels(folder, "publisher/impressions", "segment_id")
    impression = 'impression_id = { type = "id", form = "exact", unique = true }'
    campaign = 'campaign = { type = "category", values = ["men", "women"], may = ["group", "filter"] }'
    return (
        table(
            "publisher",
            "impressions",
            40_000,
            f"""{impression}
{campaign}
policy = {{ type = "category", values = ["bts", "random"], may = ["group", "filter"] }}
position = {{ type = "integer", range = [1, 3], required = true, may = ["group", "filter"] }}
propensity = {{ type = "decimal(13,12)", range = ["0.000001", 1], required = true, may = ["sum", "filter"] }}
weight = {{ type = "decimal(14,7)", range = [1, 1000000], required = true, may = ["sum"] }}
segment_id = {{ type = "category", values = {segments}, may = ["group", "filter"] }}""",
        )
        + table("advertiser", "clicks", 1_000, f"{impression}\n{campaign}")
        + table(
            "advertiser",
            "placements",
            40_000,
            f"""{impression}
{campaign}
clicked = {{ type = "integer", range = [0, 1], required = true, may = ["sum", "filter"] }}
items = {{ type = "integer", range = [1, 1000], required = true, may = ["sum", "avg"] }}""",
        )
    )


def files(folder, made):
    """The publisher's probabilities are floats: it rounds them to twelve decimals before it binds them, and one over
    them to seven. The advertiser puts the number of a campaign's items beside each placement."""
    rounded, source = made / "impressions.parquet", folder / "publisher" / "impressions.parquet"
    column = "CAST(round(propensity, 12) AS DECIMAL(13, 12)) AS propensity"
    weight = "CAST(round(1 / propensity, 7) AS DECIMAL(14, 7)) AS weight"
    duckdb.sql(f"COPY (SELECT * REPLACE ({column}), {weight} FROM '{source}') TO '{rounded}'")
    placed, own = made / "placements.parquet", folder / "advertiser"
    items = f"(SELECT campaign, COUNT(*) AS items FROM '{own / 'items.parquet'}' GROUP BY campaign)"
    joined = f"SELECT * FROM '{own / 'placements.parquet'}' JOIN {items} USING (campaign)"
    duckdb.sql(f"COPY ({joined}) TO '{placed}'")
    theirs = parquet([("advertiser", "clicks")])(folder, made)
    return {("publisher", "impressions"): rounded, ("advertiser", "placements"): placed} | theirs


ADVERTISING = DataSet(
    "advertising_open_bandit",
    ("publisher", "advertiser", "notary"),
    tables,
    files,
    """[
    ["impressions.impression_id", "clicks.impression_id"],
    ["impressions.impression_id", "placements.impression_id"],
    [["impressions.impression_id", "impressions.campaign"], ["clicks.impression_id", "clicks.campaign"]],
    [["impressions.impression_id", "impressions.campaign"], ["placements.impression_id", "placements.campaign"]],
]""",
    {
        "q4_ips": Rewritten(
            "one over the propensity, and the items of a campaign, as columns that their owners bind",
            (
                "SELECT campaign, COUNT(*) AS impressions, "
                "ROUND(SUM(clicked * weight) / AVG(items) / COUNT(*), 8) AS ips_ctr FROM publisher.impressions "
                "JOIN advertiser.placements USING (impression_id, campaign) WHERE policy = 'bts' "
                "GROUP BY campaign ORDER BY campaign",
            ),
        )
    },
)
