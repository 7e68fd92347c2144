"""A frame of timestamps that is resampled, and read from JSON."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pandas as pd


def use() -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    frame = pd.DataFrame({"at": [now, now + timedelta(hours=30)], "n": [1, 2]})
    assert str(frame["at"].dtype).startswith("datetime64[")
    assert frame["at"].dt.to_pydatetime()[0] == now
    assert frame.set_index("at")["n"].resample("1D").sum().sum() == 3
    assert (frame["at"] >= now).all()
    assert isinstance(pd.Timestamp(now), datetime)
    read = pd.read_json(StringIO(frame.to_json(date_format="iso")), convert_dates=["at"])
    assert list(read["at"]) == list(frame["at"])
