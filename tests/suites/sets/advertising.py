"""A publisher's log of shown advertisements, and the advertiser's placements and clicks."""

import duckdb

from ..public import DataSet, labels, parquet, table


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
segment_id = {{ type = "category", values = {segments}, may = ["group", "filter"] }}""",
        )
        + table("advertiser", "clicks", 1_000, f"{impression}\n{campaign}")
        + table(
            "advertiser",
            "placements",
            40_000,
            f"""{impression}
{campaign}
clicked = {{ type = "integer", range = [0, 1], required = true, may = ["sum", "filter"] }}""",
        )
    )


def files(folder, made):
    """The publisher's probabilities are floats: it rounds them to twelve decimals before it binds them."""
    rounded, source = made / "impressions.parquet", folder / "publisher" / "impressions.parquet"
    column = "CAST(round(propensity, 12) AS DECIMAL(13, 12)) AS propensity"
    duckdb.sql(f"COPY (SELECT * REPLACE ({column}) FROM '{source}') TO '{rounded}'")
    theirs = parquet([("advertiser", "clicks"), ("advertiser", "placements")])
    return {("publisher", "impressions"): rounded} | theirs(folder, made)


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
)
