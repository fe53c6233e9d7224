"""Reading what was said before."""

from __future__ import annotations

from twisted_chat.core import durations, names, rights
from twisted_chat.core.arguments import number
from twisted_chat.core.builtin.rooms import HISTORY_ON_JOIN, history, mine
from twisted_chat.core.builtin.table import table
from twisted_chat.core.commands import Call
from twisted_chat.core.errors import NotUnderstood
from twisted_chat.core.events import Found, Remark
from twisted_chat.core.ports import Query

# The most that is shown at once, in messages: more would scroll out of most terminals' memory.
HISTORY_MOST = 500
# How many messages a search shows at once: a screen.
FOUND_AT_ONCE = 20
# The longest search, in words.
MOST_WORDS = 10


@table.command("history", "[ROOM] [N|since|before] [NUMBER|TIME] [N]", looks_up=True, within=(1, HISTORY_MOST))
async def show_history(
    call: Call, room: str | None = None, what: int | str | None = None, mark: float | None = None, count: int | None = None
) -> None:
    """Show the last N messages of a room, those since a time (10m, 2h, 12:30, 2026-11-23), or N before a number."""
    read_in = mine(call, room)
    log, newest = call.hub.log, call.hub.log.newest
    match what, mark, count:
        case None | int(), None, None:
            past = await log.read_before(read_in.key, newest + 1, what or HISTORY_ON_JOIN)
        case "since", float(time), None:
            past = await log.read_since(read_in.key, time, HISTORY_MOST)
        case "before", int(seq), _:
            past = await log.read_before(read_in.key, seq, count or HISTORY_ON_JOIN)
        case _:
            raise NotUnderstood(f"/history takes a number from 1 to {HISTORY_MOST}, since TIME, or before NUMBER [N].")
    call.reply(history(call, read_in, past))


@table.command("since", "[ROOM]", looks_up=True)
async def since(call: Call, room: str | None = None) -> None:
    """Show what was said since you left, as far as you have not read it: for registered names."""
    read_in = mine(call, room)
    account = call.hub.registry.accounts.get(call.me.key) if call.me.registered else None
    mark = account.read.get(read_in.key, 0) if account else 0
    if not mark:
        call.reply(Remark(f"It is not known when you left {read_in.key}."))
        return
    page = await call.hub.log.read_after(read_in.key, mark, HISTORY_MOST)
    said = [event for event in page.events if getattr(event, "author", "")]
    call.reply(history(call, read_in, said, mark, len(said)))  # type: ignore[arg-type]
    if len(said) == HISTORY_MOST:
        call.reply(Remark(f"There is more: /history {read_in.key} before NUMBER shows what came before a message."))


@table.command("search", "WORDS...", looks_up=True)
async def search(call: Call, text: str) -> None:
    """Search your rooms and public ones: words, from:NAME, in:#ROOM, since:TIME (2h, 2026-11-23), before:NUMBER for more."""
    hub, me = call.hub, call.me
    hub.searches.take(me.way.address or str(me.id), hub.clock(), "You search")
    readable = {room.key for room in hub.rooms_seen_by(me) if not rights.exposed(me, room)}
    words: list[str] = []
    author, rooms, since_time, before = "", readable, 0.0, None
    for word in text.split():
        kind, colon, value = word.partition(":")
        match kind.lower() if colon and value else "":
            case "from":
                author = names.shown(value)
            case "in":
                rooms = readable & {names.room(value)}
            case "since":
                since_time = durations.moment(value, hub.now())
            case "before":
                before = number(value)
                if before is None:
                    raise NotUnderstood("/search before: takes the number of a message.")
            case _:
                words.append(word)
    if not words or len(words) > MOST_WORDS:
        raise NotUnderstood(f"/search takes 1 to {MOST_WORDS} words to look for.")
    query = Query(
        words=tuple(words), rooms=tuple(sorted(rooms)), author=author, since=since_time, before=before, limit=FOUND_AT_ONCE + 1
    )
    found = await hub.log.search(query)
    shown = tuple(event for event in found[-FOUND_AT_ONCE:] if names.fold(event.author) not in me.ignores)
    call.reply(Found(shown, hub.now(), len(found) > FOUND_AT_ONCE))
