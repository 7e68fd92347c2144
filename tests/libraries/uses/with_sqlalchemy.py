"""A row with a time and a date, in a table that is declared here or in a function."""

from datetime import UTC, date, datetime

from sqlalchemy import create_engine, literal, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column


class Base(DeclarativeBase):
    """The tables of this module."""


class Job(Base):
    """A row with times and a day."""

    __tablename__ = "jobs"
    id: Mapped[int] = mapped_column(primary_key=True)
    at: Mapped[datetime]
    day: Mapped[date | None]
    made: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC).replace(tzinfo=None))


def use() -> None:
    class LocalBase(DeclarativeBase):
        pass

    class Run(LocalBase):
        __tablename__ = "runs"
        id: Mapped[int] = mapped_column(primary_key=True)
        at: Mapped[datetime]

    now = datetime.now(UTC).replace(tzinfo=None)
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    LocalBase.metadata.create_all(engine)
    with Session(engine) as session:
        session.add_all([Job(at=now, day=now.date()), Run(at=now)])
        session.commit()
        job = session.scalars(select(Job).where(Job.at <= now)).one()
        assert (job.at, job.day, session.scalars(select(Run.at)).one()) == (now, now.date(), now)
        assert job.made >= now
        assert session.scalars(select(literal(now))).one() == now
    engine.dispose()
