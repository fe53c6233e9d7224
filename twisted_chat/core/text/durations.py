"""Durations and points in time as people type and read them."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from twisted_chat.core.errors import NotUnderstood

UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
LONGEST = 100 * 365 * 86400.0


def seconds(text: str) -> float | None:
    """Return ``90s``, ``10m``, ``2h``, ``3d`` or ``1w`` in seconds, or None if it is not a duration of up to 100 years.

    ``M`` is not a unit: it could mean months.
    """
    found = re.fullmatch(r"([0-9]{1,9})([smhdwSHDW])", text)
    length = float(found[1]) * UNITS[found[2].lower()] if found else None
    return length if length is not None and length <= LONGEST else None


def words(length: float) -> str:
    """Return seconds in the largest unit that fits: ``45 s``, ``10 min``, ``3 h``, ``2 days``."""
    for unit, name in ((86400, "days"), (3600, "h"), (60, "min")):
        if length >= 2 * unit or (length >= unit and length % unit == 0):
            return f"{length / unit:.0f} {name if (name, length // unit) != ('days', 1) else 'day'}"
    return f"{max(0.0, length):.0f} s"


def moment(text: str, now: float) -> float:
    """Return a past moment in seconds since 1970: a duration ago (``2h``), ``12:30``, or an ISO 8601 date or date and time.

    The default zone is this machine's. ``now`` is in seconds since 1970. Raises `NotUnderstood`.
    """
    length = seconds(text)
    if length is not None:
        return now - length
    today = datetime.fromtimestamp(now).astimezone()
    try:
        if re.fullmatch(r"[0-9]{1,2}:[0-9]{2}", text):
            hour, minute = map(int, text.split(":"))
            then = today.replace(hour=hour, minute=minute, second=0, microsecond=0)
            return (then if then <= today else then - timedelta(days=1)).timestamp()
        return datetime.fromisoformat(text.replace("Z", "+00:00")).astimezone().timestamp()
    except (ValueError, OverflowError, OSError):
        raise NotUnderstood("A time is a length ago (10m, 2h, 3d), an hour (12:30) or a date (2026-11-23T12:30).") from None
