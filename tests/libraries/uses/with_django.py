"""A model with a time that is set when a row is added."""

from datetime import UTC, datetime

import django
from django.conf import settings

settings.configure(
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TIME_ZONE="UTC",
    USE_TZ=True,
)
django.setup()

from django.core.signing import TimestampSigner  # noqa: E402 - needs the settings
from django.db import connection, models  # noqa: E402
from django.utils import timezone  # noqa: E402


class Job(models.Model):
    """A row with a time and a day."""

    at = models.DateTimeField()
    day = models.DateField(null=True)
    made = models.DateTimeField(auto_now_add=True)

    class Meta:
        """No app is installed."""

        app_label = "jobs"

    def __str__(self) -> str:
        return self.at.isoformat()


def use() -> None:
    now = timezone.now()
    assert abs((now - datetime.now(UTC)).total_seconds()) < 60
    if Job._meta.db_table not in connection.introspection.table_names():
        with connection.schema_editor() as editor:
            editor.create_model(Job)
    job = Job.objects.create(at=now, day=now.date())
    job.refresh_from_db()
    assert job.at == now
    assert job.day == now.date()
    assert job.made >= now
    assert Job.objects.filter(at__date=now.date(), at__lte=timezone.now()).exists()
    signer = TimestampSigner(key="key")
    assert signer.unsign(signer.sign("a"), max_age=60) == "a"
    Job.objects.all().delete()
