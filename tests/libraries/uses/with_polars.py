"""A frame of timestamps that is filtered by the present."""

from datetime import UTC, datetime, timedelta

import polars as pl


def use() -> None:
    now = datetime.now(UTC).replace(tzinfo=None)
    frame = pl.DataFrame({"at": [now, now + timedelta(hours=30)], "day": [now.date()] * 2})
    assert frame.dtypes == [pl.Datetime, pl.Date]
    assert frame.filter(pl.col("at") > now + timedelta(hours=1)).height == 1
    assert frame.filter(pl.col("day") == pl.lit(now.date())).height == 2
    assert frame["at"].to_list()[0] == now
