"""Reading and searching the history."""

from __future__ import annotations

from twisted_chat.core.command_table.arguments import number
from twisted_chat.core.command_table.table import Call, table
from twisted_chat.core.commands.rooms import HISTORY_ON_JOIN, history, mine
from twisted_chat.core.errors import NotUnderstood
from twisted_chat.core.events import Found, Remark
from twisted_chat.core.interfaces import Query
from twisted_chat.core.text import durations, names

# The most messages shown at once: more would exceed the scrollback of most terminals.
HISTORY_MOST = 500
# The number of messages that a search shows at once: a screen.
FOUND_AT_ONCE = 20
# The longest search, in words.
MOST_WORDS = 10


@table.command("history", "[ROOM] [N|since|before] [NUMBER|TIME] [N]", looks_up=True, within=(1, HISTORY_MOST))
async def show_history(
    call: Call, room: str | None = None, what: int | str | None = None, mark: float | None = None, count: int | None = None
) -> None:
    """Show the last N messages of a room, those since a time (10m, 2h, 12:30, 2026-11-23), or N before a number."""
    read_in, queries, me = mine(call, room), call.hub.queries, call.me
    match what, mark, count:
        case None | int(), None, None:
            past = await queries.before(me, read_in, None, what or HISTORY_ON_JOIN)
        case "since", float(time), None:
            past = await queries.since(me, read_in, time, HISTORY_MOST)
        case "before", int(seq), _:
            past = await queries.before(me, read_in, seq, count or HISTORY_ON_JOIN)
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
    said = await call.hub.queries.first(call.me, read_in, mark, HISTORY_MOST)
    call.reply(history(call, read_in, said, mark, len(said)))
    if len(said) == HISTORY_MOST:
        call.reply(Remark(f"There is more: /history {read_in.key} before NUMBER shows what came before a message."))


@table.command("search", "WORDS...", looks_up=True)
async def search(call: Call, text: str) -> None:
    """Search the rooms you could be in: words, from:NAME, in:#ROOM, since:TIME (2h, 2026-11-23), before:NUMBER for more."""
    hub, me = call.hub, call.me
    hub.searches.take(me.way.address or str(me.id), hub.clock(), "You search")
    words: list[str] = []
    author, wanted, since_time, before = "", set(hub.rooms), 0.0, None
    for word in text.split():
        kind, colon, value = word.partition(":")
        match kind.lower() if colon and value else "":
            case "from":
                author = names.shown(value)
            case "in":
                wanted = {names.room(value)}
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
    query = Query(words=tuple(words), rooms=(), author=author, since=since_time, before=before, limit=FOUND_AT_ONCE + 1)
    found = await hub.queries.search(me, [room for key, room in hub.rooms.items() if key in wanted], query)
    shown = tuple(event for event in found[-FOUND_AT_ONCE:] if names.fold(event.author) not in me.ignores)
    call.reply(Found(shown, hub.now(), len(found) > FOUND_AT_ONCE))
