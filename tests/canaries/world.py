"""A server with closed rooms of each kind, insiders who go on talking in them, and outsiders who ask for anything."""

import json
import random
from collections import Counter
from collections.abc import Callable

from restarts import Disk, start, stop
from twisted.internet.error import ConnectionDone
from twisted.python.failure import Failure

from canaries.grammar import Grammar
from canaries.oracle import CANARY, CLOSED, HIDDEN_ROOM, MEMBER, Oracle
from canaries.people import Insider, Outsider
from twisted_chat.config import Config, Limits
from twisted_chat.core.text.names import fold

CONFIG = Config(limits=Limits.OFF, operator=("Boss",))
# The rooms that insiders close and open, and those that come and go.
ROOMS = ("#key", "#invite", "#private", "#reg", "#enc", "#banned", "#kick", "#old", "#later", "#guests", "#again")
SETTINGS = ("private", "invite-only", "registered")


class Leak(AssertionError):
    """An outsider was sent a canary."""


class World:
    """One life of it. ``leaks`` has each one once, by what was asked; with ``strict`` the first one raises `Leak`."""

    def __init__(self, seed: int, *, strict: bool = True) -> None:
        self.dice = random.Random(seed)
        self.oracle = Oracle()
        self.disk = Disk()
        self.strict = strict
        self.leaks: Counter[str] = Counter()
        self.asked: Counter[str] = Counter()
        self.chat = start(self.disk, CONFIG, tail_bytes=self.dice.choice((1, 4000, 1 << 20)))
        self.moment = self.oracle.now(self.chat)
        self.held = 0
        self.full: list[Outsider] = []  # whose connections take nothing just now
        self.insiders = [Insider(f"nm000{n}", f"203.0.113.{n}", registered=n <= 3) for n in range(1, 7)]
        self.boss = Insider("Boss", "203.0.113.9", registered=True)
        self.outsiders: list[Outsider] = []
        heard_of = ["#lobby", "#mine", "#bots", "#none", *ROOMS]
        names = [one.name for one in (*self.insiders, self.boss)] + [
            "Guest",
            "Bad",
            "Kicked",
            "Former",
            "Deposed",
            "Oldone",
            "bot",
        ]
        self.grammar = Grammar(self.dice, lambda: self.chat.hub.log.newest, heard_of, names)
        self._begin()

    # The cast

    def _begin(self) -> None:
        for insider in (*self.insiders, self.boss):
            self.act(lambda insider=insider: insider.enter(self.chat))  # type: ignore[misc]
        kicked, former, bad, deposed, old = (
            Outsider("json", name) for name in ("Kicked", "Former", "Bad", "Deposed", "Oldone")
        )
        for one in (kicked, former, bad, deposed, old):
            one.enter(self.chat)
            self.outsiders.append(one)
            self.typed(one, "/register secret12")
            one.password = "secret12"
        owner, *others = self.insiders
        for room in (*ROOMS[:7], "#later", "#bots", HIDDEN_ROOM):
            self.tell(owner, f"/join {room}")
            for other in others:
                self.tell(other, f"/join {room}")
        for one in (kicked, former, deposed):
            for room in ("#kick", "#later", "#key"):
                self.typed(one, f"/join {room}")
        self.tell(owner, "/op Deposed", room="#kick")
        self.typed(bad, "/join #banned")
        self.typed(old, "/join #old")
        for other in others:
            self.tell(other, "/join #old")
        self.typed(old, "/room invite-only", "/leave #old", "/unregister secret12")
        old.password = ""
        new = Outsider("line", "Newold")
        new.enter(self.chat)
        self.outsiders.append(new)
        self.typed(old, "/nick Elder")
        old.name = "Elder"
        self.typed(new, "/nick Oldone", "/register secret12")
        new.name, new.password = "Oldone", "secret12"
        self.tell(owner, "/token bot", room="#bots")
        token = self._token(owner)
        for room in ("#guests", "#again"):
            for insider in self.insiders[3:]:
                self.tell(insider, f"/join {room}")
            self.close(self.insiders[3], room, "key" if room == "#guests" else "private")
        for one in (former, kicked, deposed):
            self.typed(one, "/leave #later")
        for room, setting in (("#key", "key"), ("#invite", "invite-only"), ("#private", "private"), ("#reg", "registered")):
            self.close(owner, room, setting)
        self.tell(owner, "/room encrypted", room="#enc")
        self.close(owner, HIDDEN_ROOM, "private")
        self.ban(owner, "#banned", "Bad")
        self.close(owner, "#kick", "invite-only")
        self.close(owner, "#later", "invite-only")
        for name in ("Kicked", "Deposed"):
            self.kick(owner, "#kick", name)
            self.kick(owner, "#key", name)
        self.kick(owner, "#key", "Former")
        self.tell(self.boss, f"/ban * Nobody 1d {self.oracle.plant('audit')}")
        for kind in ("line", "json", "irc"):
            self.outsiders.append(Outsider(kind, ""))
        for kind in ("line", "json", "irc", "web", "ssh"):
            self.outsiders.append(Outsider(kind, f"Guest-{kind}"))
        for kind in ("line", "irc"):
            self.outsiders.append(Outsider(kind, f"Known-{kind}"))
        self.outsiders += [Outsider("http", "", token=token), Outsider("stream", "", token=token), Outsider("line", "Ruler")]
        for one in self.outsiders[6:]:
            if one.kind not in ("ssh", "http"):
                one.enter(self.chat)
        for one in self.outsiders:
            if one.name.startswith("Known"):
                self.typed(one, "/register secret12")
                one.password = "secret12"
            elif one.name == "Ruler":
                self.typed(one, "/join #mine", "/topic what we like")
        self.look()
        self.oracle.seen.clear()

    def _token(self, owner: Insider) -> str:
        for line in owner.latest.splitlines():
            one = json.loads(line)
            if one["type"] == "remark" and "shown this once" in one["text"]:
                return str(one["text"].split()[-1])
        raise AssertionError("no token")

    # What insiders do

    def tell(self, insider: Insider, *lines: str, room: str = "") -> None:
        """An insider types lines; those about a room only if the insider is in there."""
        for line in lines:
            if not room or room in insider.session.rooms:
                self.act(lambda line=line: insider.type(line, room=room))  # type: ignore[misc]

    def plant(self, kind: str, room: str = "", told: frozenset[str] = frozenset()) -> str:
        """A new canary."""
        return self.oracle.plant(kind, room, told)

    def close(self, insider: Insider, room: str, setting: str) -> None:
        """Close a room; who was in and is out, and is not asked in, is shut out from now on."""
        words = f"/room key {self.plant('key', room)}" if setting == "key" else f"/room {setting}"
        before = self.chat.hub.rooms[room].policy if room in self.chat.hub.rooms else None
        self.tell(insider, words, room=room)
        now = self.chat.hub.rooms.get(room)
        if now is not None and before is not None and now.policy != before and setting in ("key", "invite-only"):
            members = {session.key for session in now.readers.values()}
            for name in ("kicked", "former", "deposed"):
                account = self.chat.hub.registry.accounts.get(name)
                ranks = (now.record.owner, *now.policy.operators, *now.policy.invited)
                if account is not None and room in ("#kick", "#later", "#key") and name not in members and name not in ranks:
                    self.oracle.shut.add((room, name))

    def kick(self, insider: Insider, room: str, name: str) -> None:
        """Send somebody out, with a reason."""
        there = self.chat.hub.rooms.get(room)
        key = fold(name)
        was_in = there is not None and there.has(key)
        self.tell(insider, f"/kick {name} {self.plant('reason', room, frozenset([key]))}", room=room)
        there = self.chat.hub.rooms.get(room)
        if was_in and there is not None and not there.has(key) and room in self.oracle.ever_closed:
            self.oracle.shut.add((room, key))

    def ban(self, insider: Insider, room: str, name: str) -> None:
        """Ban somebody from a room, with a reason."""
        key = fold(name)
        self.tell(insider, f"/ban {room} {name} {self.plant('reason', room, frozenset([key]))}", room=room)
        here = self.chat.hub.admission.sanctions.standing(room, self.chat.now())
        if any(one.target == key for one in here):
            self.oracle.bans.setdefault(room, set()).add(key)
            there = self.chat.hub.rooms[room]
            if (
                not there.has(key)
                and any(getattr(there.policy, name) for name in CLOSED)
                and key in self.chat.hub.registry.accounts
            ):
                self.oracle.shut.add((room, key))
            self.moment = self.oracle.now(self.chat)

    def unban(self, insider: Insider, room: str, name: str) -> None:
        """End that."""
        self.oracle.bans.get(room, set()).discard(fold(name))
        self.moment = self.oracle.now(self.chat)
        self.tell(insider, f"/unban {room} {name}", room=room)

    def inside(self) -> None:
        """One thing that insiders do."""
        dice = self.dice
        insider = dice.choice(self.insiders)
        rooms = sorted(set(insider.session.rooms) - {"#lobby", "#bots"})
        room = dice.choice(rooms) if rooms else dice.choice(ROOMS)
        outsider = dice.choice(("Kicked", "Former", "Bad", "Deposed", "Oldone", "Guest-line", "Guest-json", "Ruler"))
        match dice.choices(range(13), (30, 8, 4, 4, 3, 3, 5, 3, 8, 5, 3, 3, 2))[0]:
            case 0:
                self.tell(
                    insider,
                    f"{dice.choice(('canary', '/me canary', '/notice ' + room))} {self.plant('message', room)}",
                    room=room,
                )
            case 1:
                self.tell(insider, f"/topic {self.plant('topic', room)}", room=room)
            case 2:
                self.close(insider, room, dice.choice(("key", "key", *SETTINGS)))
            case 3:
                opening = f"/room {dice.choice(SETTINGS)} off" if dice.random() < 0.7 else "/room key"
                self.tell(insider, opening, room=room)
            case 4:
                self.kick(insider, room, outsider)
            case 5:
                (self.ban if dice.random() < 0.5 else self.unban)(insider, room, outsider)
            case 6:
                self.tell(insider, f"/leave {room} {self.plant('reason', room)}")
            case 7:
                self.tell(insider, f"/invite {outsider}", room=room)
            case 8:
                self.come_back(insider)
            case 9:
                other = dice.choice([one for one in self.insiders if one is not insider])
                word = self.plant("private", told=frozenset([fold(insider.name), fold(other.name)]))
                self.tell(insider, f"/{dice.choice(('msg', 'notice'))} {other.name} {word}")
            case 10:
                listed = self.plant("list", room)
                self.tell(
                    insider,
                    dice.choice((f"/welcome {listed}!*@*", f"/except {listed}!*@*", f"/ban {room} {listed}")),
                    room=room,
                )
            case 11:
                self.act(insider.lose, own_act=False)
                self.act(lambda: insider.enter(self.chat))
            case 12:
                for one in self.insiders:
                    self.tell(one, f"/leave {room}", room=room)

    def come_back(self, insider: Insider) -> None:
        """Come into a room again, with its key, or made anew."""
        room = self.dice.choice(ROOMS)
        there = self.chat.hub.rooms.get(room)
        self.tell(insider, f"/join {room} {there.policy.key if there is not None else ''}")

    def restart(self) -> None:
        """The server ends, and another goes on over the same log and records."""
        self.act(lambda: stop(self.chat), own_act=False)
        self.disk.release()
        self.chat = start(self.disk, CONFIG, tail_bytes=self.dice.choice((1, 4000)))
        self._still_closed("a restart")
        self.moment = self.oracle.now(self.chat)
        for insider in (*self.insiders, self.boss):
            self.act(lambda insider=insider: insider.enter(self.chat))  # type: ignore[misc]
        for outsider in self.outsiders:
            if outsider.kind not in ("ssh", "http"):
                self.act(lambda outsider=outsider: outsider.enter(self.chat, self.grammar.hello(outsider.name)))  # type: ignore[misc]

    def _still_closed(self, what: str) -> None:
        opened = self.oracle.opened(self.moment, self.chat)
        if opened:
            self.leaks[f"{what} has opened {opened}"] += 1
            if self.strict:
                raise Leak(next(iter(self.leaks)))

    # What outsiders do

    def typed(self, outsider: Outsider, *lines: str) -> None:
        """An outsider types lines."""
        for line in lines:
            sent = {"irc": f"CHAT :{line}", "line": line}.get(outsider.kind, json.dumps({"type": "line", "text": line}))
            self.act(lambda sent=sent: outsider.send(self.chat, sent))  # type: ignore[misc]

    def outside(self) -> None:
        """One thing that an outsider tries."""
        dice, outsider = self.dice, self.dice.choice(self.outsiders)
        match outsider.kind:
            case "ssh":
                if dice.random() < 0.1:
                    self.act(lambda: outsider.run(self.chat, self.grammar.line()), outsider, "ssh")
            case "http":
                query = dice.choice(("", "?since=0", f"?since={self.grammar.number()}"))
                method = dice.choice(("GET", "GET", "GET", "POST", "DELETE"))
                room = self.grammar.room()[1:] if dice.random() < 0.5 else "bots"
                headers = ["Accept: text/event-stream"] if dice.random() < 0.2 else []
                self.act(lambda: outsider.ask(self.chat, method, room, query, *headers), outsider, "http")
            case "stream":
                if outsider.closed:
                    self.act(lambda: self.enter_again(outsider))
            case kind:
                sent = {"line": self.grammar.line, "irc": self.grammar.irc}.get(
                    kind, lambda: json.dumps(self.grammar.request())
                )()
                self.act(lambda: outsider.send(self.chat, sent), outsider, sent)
                if outsider.closed or not outsider.sessions or outsider.sessions[0].gone:
                    self.act(lambda: self.enter_again(outsider))

    def enter_again(self, outsider: Outsider) -> None:
        """The connection has ended: another one."""
        outsider.client.transport.protocol.connectionLost(Failure(ConnectionDone()))
        if self.chat.hub.registry.account(outsider.name) is None:
            outsider.password = ""
        outsider.enter(self.chat, self.grammar.hello(outsider.name))

    def fill(self) -> None:
        """Somebody's connection takes nothing for a while; others' do again."""
        for one in self.full:
            for connection in one.connections:
                if not one.closed and not connection.session.gone:
                    self.act(connection.drained)
        self.full = self.dice.sample(self.outsiders, 2)
        for one in self.full:
            for connection in one.connections:
                if not one.closed and not connection.session.gone:
                    connection.filled()

    # Looking

    def run(self, steps: int) -> "World":
        """Let so many things happen."""
        try:
            self._run(steps)
        finally:  # nothing waits for the disk any more
            self.disk.release()
            self.chat.turn()
        return self

    def _run(self, steps: int) -> None:
        for _ in range(steps):
            chance = self.dice.random()
            if chance < 0.005:
                self.restart()
            elif chance < 0.03 and not self.held:
                self.disk.holds, self.held = True, self.dice.randint(1, 6)
            elif chance < 0.05:
                self.fill()
            elif chance < 0.3:
                self.inside()
            else:
                self.outside()
            if self.held:
                self.held -= 1
                if not self.held:
                    self.act(self.disk.release)
                    self.act(self.chat.turn)

    def act(
        self, deed: Callable[[], object], outsider: Outsider | None = None, sent: str = "", *, own_act: bool = True
    ) -> None:
        """Let something happen, and look at what everybody is sent."""
        people = {id(one): one.people(self.chat) for one in self.outsiders}
        deed()
        self.chat.turn()
        if not own_act:
            self._still_closed("a lost line")
        before, self.moment = self.moment, self.oracle.step(self.moment, self.chat, own_act=own_act)
        self.look(before, people, outsider, sent)

    def look(self, before=None, people=None, asking: Outsider | None = None, sent: str = "") -> None:  # type: ignore[no-untyped-def]
        """Look at what everybody was sent."""
        moments = (before or self.moment, self.moment)
        for one in self.outsiders:
            if one.client is None:
                continue
            data = one.received()
            whole = one is asking and "whois" in sent.lower() and one.kind in ("line", "ssh")
            who = (*(people or {}).get(id(one), ()), *one.people(self.chat))
            for leak in self.oracle.leaks(data, moments, who, whole=whole) if data else ():
                how = sent if one is asking else "nothing"
                self.leaks[f"{one} sent {how!r} and was told {leak} in {data!r}"] += 1
                if self.strict:
                    raise Leak(next(iter(self.leaks)))
        for insider in (*self.insiders, self.boss):
            if insider.client is not None:
                insider.latest = insider.received()
                self._count(insider.latest)

    def _count(self, data: bytes) -> None:
        for match in set(CANARY.findall(data)):
            canary = self.oracle.canaries.get(match.decode())
            self.oracle.seen[canary.kind if canary is not None else "address"] += 1
        self.oracle.seen["member"] += bool(MEMBER.search(data))
