"""The messages of a closed room that are hidden from an account: those sent while the account was shut out of the room.

1. A room's map has an entry for each account that was in the room: spans of sequence numbers, both ends included. A span
   that has not ended yet ends with `OPEN`. An account without an entry was never in the room, and nothing is hidden from it.
2. The map's size is limited. Entries that do not fit are merged, which hides more and never less: consecutive spans become
   one, and the entry of `OTHERS` represents each dropped account from then on.
3. The maps are frozen: each function returns a new one, or the same if nothing changes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

Span: TypeAlias = tuple[int, int]
Spans: TypeAlias = tuple[Span, ...]
ShutOut: TypeAlias = Mapping[str, Spans]

# The end of a span that has not ended. All sequence numbers are lower: see storage/sqlite/log.py.
OPEN = 2**53
# The entry of all accounts without their own. It exists once an account has been dropped.
OTHERS = ""
# The most accounts with their own entry in a room, and the most spans of each.
MOST_ACCOUNTS, MOST_SPANS = 200, 8


def hidden(shut_out: ShutOut, account: str) -> Spans:
    """Return the spans that are hidden from an account, lowest first."""
    return shut_out.get(account, shut_out.get(OTHERS, ()))


def came_in(shut_out: ShutOut, account: str, seq: int) -> ShutOut:
    """Return the map after an account joined with the event ``seq``: it has an entry, and its open span has ended."""
    spans = hidden(shut_out, account)
    if spans and spans[-1][1] == OPEN:
        first = spans[-1][0]
        spans = (*spans[:-1], (first, seq - 1)) if first < seq else spans[:-1]
    elif account in shut_out or (len(shut_out) >= MOST_ACCOUNTS and OTHERS in shut_out):
        return shut_out  # in the second case `OTHERS` represents the account
    return _with(shut_out, account, spans)


def shut(shut_out: ShutOut, account: str, seq: int) -> ShutOut:
    """Return the map after the event ``seq`` shut an account out. The account may still read that event."""
    spans = hidden(shut_out, account)
    if spans and spans[-1][1] == OPEN:
        return shut_out if account in shut_out else _with(shut_out, account, spans)
    return _with(shut_out, account, (*spans, (seq + 1, OPEN)))


def is_shut(shut_out: ShutOut, account: str) -> bool:
    """Return True if an account is shut out now."""
    spans = hidden(shut_out, account)
    return bool(spans) and spans[-1][1] == OPEN


def _with(shut_out: ShutOut, account: str, spans: Spans) -> ShutOut:
    entries = dict(shut_out) | {account: merged(spans)}
    if len(entries) > MOST_ACCOUNTS + (OTHERS in entries):
        dropped = next((key for key, value in entries.items() if key not in (OTHERS, account) and not value), None)
        if dropped is None:
            dropped = next(key for key in entries if key not in (OTHERS, account))
        entries[OTHERS] = merged((*entries.get(OTHERS, ()), *entries.pop(dropped)))
    return entries


def merged(spans: Iterable[Span]) -> Spans:
    """Return spans in order, without overlap, and no more than `MOST_SPANS` of them."""
    found: list[Span] = []
    for first, last in sorted(spans):
        if found and first <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(last, found[-1][1]))
        else:
            found.append((first, last))
    while len(found) > MOST_SPANS:
        found[:2] = [(found[0][0], found[1][1])]
    return tuple(found)
