"""Commands of server operators, who are named by ``--operator NAME``."""

from __future__ import annotations

from twisted_chat.core.command_table.table import Call, table
from twisted_chat.core.errors import NotAllowed
from twisted_chat.core.events import Listing, Remark
from twisted_chat.core.records import Fact
from twisted_chat.core.text import durations
from twisted_chat.core.text.sanitize import altered, altered_words, clean, one_line, spoken
from twisted_chat.core.users.session import Role

# The number of deeds that /audit shows by default, and at most.
AUDIT_AT_ONCE, AUDIT_MOST = 50, 500
# The longest notice of a shutdown, in seconds: a day.
LONGEST_NOTICE = 86400


@table.command("lockdown", "[on|off]", role=Role.OPERATOR)
async def lockdown(call: Call, value: str = "on") -> None:
    """Let only registered names come in. Guests who are here stay."""
    call.hub.facts["lockdown"] = value
    call.hub.notify("Only registered names can come in now." if value == "on" else "Everybody can come in again.")
    await call.hub.records.save(Fact(key="lockdown", value=value), call.hub.note(call.me.key, "", f"lockdown {value}"))


@table.command("announce", "TEXT...", role=Role.OPERATOR)
def announce(call: Call, text: str) -> None:
    """Tell everybody something, in every room."""
    sent, text = text, spoken(text, call.hub.bounds.message_bytes)
    if altered(sent, text):
        call.reply(Remark(altered_words(text)))
    call.hub.notify(f"{call.me.name} announces: {text}")
    call.hub.save(call.hub.note(call.me.key, "", f"announced: {text[:200]}"))


@table.command("motd", "[TEXT...]")
async def motd(call: Call, text: str | None = None) -> None:
    """Show the message of the day; as an operator of the server, change it."""
    if text is None:
        for line in call.hub.motd or ("There is no message of the day.",):
            call.reply(Remark(line))
        return
    call.require(Role.OPERATOR)
    shown = clean(one_line(text))
    if altered(text, shown):
        call.reply(Remark(altered_words(shown)))
    call.hub.facts["motd"] = shown
    await call.hub.records.save(Fact(key="motd", value=shown), call.hub.note(call.me.key, "", "changed the message of the day"))
    call.reply(Remark("The message of the day is changed."))


@table.command("shutdown", "[now|SECONDS] [REASON...]", role=Role.OPERATOR, within=(0, LONGEST_NOTICE))
async def shutdown(call: Call, when_to: str | float = "now", reason: str = "") -> None:
    """Stop the server, now or after so many seconds, and tell everybody."""
    if call.hub.stop is None:
        raise NotAllowed("This server can't be stopped from here.")
    wait = 0.0 if isinstance(when_to, str) else when_to
    why = call.sentence(reason)
    when = f"in {durations.words(wait)}" if wait else "now"
    call.hub.notify(f"The server stops {when}" + (f": {why}" if why else "."))
    call.hub.stop(wait)
    await call.hub.records.save(call.hub.note(call.me.key, "", f"shutdown {when}" + (f": {why}" if why else "")))


@table.command("audit", "[ROOM] [N]", role=Role.OPERATOR, looks_up=True, within=(1, AUDIT_MOST))
async def audit(call: Call, room: str | None = None, count: int = AUDIT_AT_ONCE) -> None:
    """Show what operators of the server have done, the last N times; with a room, what its operators have done, too."""
    deeds = await call.hub.records.deeds(count, room or "")
    now = call.hub.now()
    rows = tuple((f"{durations.words(now - one.at)} ago", one.who, one.room or "server", one.what) for one in deeds)
    call.reply(Listing("audit", ("when", "who", "where", "what"), rows))
