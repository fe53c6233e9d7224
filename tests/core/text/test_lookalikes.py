"""What a reader takes for a command is one, or is refused; text of its own form stays text; what is meant is guessed."""

import unicodedata

import pytest
from chat_clients import Guest
from hypothesis import given
from hypothesis import strategies as st
from ssh_clients import SshClient

from twisted_chat.core.commands.builtins import table
from twisted_chat.core.text.confusables import look_alikes
from twisted_chat.core.text.lookalikes import nearest
from twisted_chat.core.text.sanitize import INVISIBLE
from twisted_chat.core.users.session import Role
from twisted_chat.testing import Chat

# What shows nothing, or a blank, before a line: of Unicode all that is not allowed, spaces, and marks with nothing below them.
UNSEEN = st.text(
    st.sampled_from(sorted(map(chr, INVISIBLE)))
    | st.sampled_from(
        list("\u200b\ufeff\u00a0\u2060\u00ad\u061c\u200e\u202e\u2066\u3000\u2003\ufe0f\u0301\U000e0020\t \x03\x02\x1f")
    )
    | st.characters(categories=["Cf", "Zs"]),
    min_size=1,
    max_size=4,
)
SLASHES = sorted(
    {char for char, like in look_alikes("/").items() if like == "/" and not char.isalpha()}
    | {char for char in map(chr, range(0x80, 0x20000)) if unicodedata.normalize("NFKC", char) == "/"}
    | {"\u29f8", "\u2afd", "\u27cb", "\u2571"}
)
SECRET = "hunter22"


class Room:
    """A typist and a witness; nothing that is typed here may become a message."""

    def __init__(self) -> None:
        self.chat = Chat()
        self.cleo, self.ann = self.chat.enter("Cleo"), self.chat.enter("Ann")
        self.ann.lines(), self.cleo.lines()

    def typed(self, line: str) -> tuple[str, str]:
        """Type a line. What the typist is told, and what the witness is shown."""
        self.ann.send(line)
        return "\n".join(self.ann.lines()), "\n".join(self.cleo.lines())


@given(unseen=UNSEEN, command=st.sampled_from(["/oper Cleo", "/login Cleo", "/nick Cleo", "/regsiter", "/hlep", "/"]))
def test_a_command_behind_what_is_not_seen_is_a_command(unseen: str, command: str) -> None:
    """Whatever shows nothing before a slash: the line is not said, and no secret in it is."""
    room = Room()
    told, shown = room.typed(f"{unseen}{command} {SECRET}")
    assert SECRET not in told + shown
    assert shown == ""
    assert told.startswith("-> ")


@given(
    sign=st.sampled_from(SLASHES),
    blanks=st.sampled_from(["", " ", "\u200b", "\u3000"]),
    word=st.sampled_from(["register", "ｒegister", "東京", "foo"]),
)
def test_what_looks_like_a_slash_before_a_word_is_refused_with_a_hint(sign: str, blanks: str, word: str) -> None:
    """Nobody is shown it, and one is told how it can be said."""
    told, shown = Room().typed(f"{sign}{blanks}{word} {SECRET}")
    assert shown == ""
    assert "does not begin with a plain /" in told
    assert "/say" in told


@pytest.mark.parametrize(
    "line",
    [
        "ノート を買った",
        "丿が好き",
        "＼(^o^)／",
        "\\o/",
        "\\m/ rock",
        "and/or",
        "1/2 of it",
        "password reset is broken",
        "register now!",
        "register tomorrow",
        "login works",
        "Login please.",
        "register https://example.org/x1",
        "identify yourself",
        "exit now",
        "exits",
        "(/register) is how",
        "🙂 /register",
        "#1 of 3",
        "-- ok",
        "  indented",
        "é",
    ],
)
def test_what_people_say_is_said(line: str) -> None:
    """Signs, other scripts, and talk of passwords are no commands."""
    _, shown = Room().typed(line)
    assert line.strip() in shown


@pytest.mark.parametrize(
    "line",
    [
        "register hunter22",
        "Login Ann p@ssword",
        "oper Boss Tr0ub4dor",
        "identify s3cret99",
        "nick Bob hunter22",
        " password hunter22",
        "unregister hunter22.",
    ],
)
def test_a_password_command_without_its_slash_is_refused(line: str) -> None:
    """It would tell everybody; whoever means it says it by /say."""
    room = Room()
    told, shown = room.typed(line)
    assert shown == ""
    assert "without its slash" in told
    assert line.strip() in room.typed(f"/say {line}")[1]


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("/hlep", "Unknown command /hlep. Did you mean /help?"),
        ("/WHOO", "Unknown command /whoo. Did you mean /who?"),
        ("/regsiter hunter22", "Unknown command /regsiter. Did you mean /register?"),
        ("/ｈｅｌｐ", "Did you mean /help?"),
        ("/xyzzy hunter22", "Unknown command /xyzzy. Try /help"),
        ("/usr/bin/ld: cannot find", "Unknown command. To say a line that begins with /, type // instead."),
        ("/register:hunter22", "Unknown command."),
        ("/registerhunter22", "Unknown command."),
        ("/shutdwon", "Unknown command /shutdwon. Try /help"),
        ("/ hello", "Unknown command."),
        ("/", "Unknown command."),
    ],
)
def test_an_unknown_command_is_never_said_and_what_was_meant_is_guessed(typed: str, told: str) -> None:
    """Of commands that one may use; what follows the word, and could be a secret, is not repeated."""
    answer, shown = Room().typed(typed)
    assert told in answer
    assert SECRET not in answer
    assert shown == ""


@given(st.data())
def test_one_slip_is_understood(data: st.DataObject) -> None:
    """A letter more, less, exchanged or swapped, in a word of four letters or more: nothing farther away is guessed."""
    known = [command.name for command in table.for_role(Role.OPERATOR)]
    word = data.draw(st.sampled_from([name for name in known if len(name) >= 4]))
    at = data.draw(st.integers(0, len(word) - 2))
    slip = data.draw(
        st.sampled_from(
            [word[:at] + word[at + 1 :], word[: at + 1] + word[at:], word[:at] + word[at + 1] + word[at] + word[at + 2 :]]
        )
    )
    found = nearest(slip, known)
    assert found is not None
    assert found == word or slip in known or nearest(slip, [found, word]) == found


def test_where_a_command_has_its_own_form_text_stays_text() -> None:
    """JSON `say`, IRC, `ssh … say` and what is piped: a build's output is said as it is."""
    chat = Chat()
    cleo = chat.enter("Cleo")
    lines = ["/usr/bin/ld: cannot find -lfoo", "／register x1", "register hunter22", "exit"]
    program = chat.enter("Json", "json")
    irc = chat.connect("irc")
    irc.send("NICK irc", "USER x 0 * :X", "JOIN #lobby")
    cleo.lines()
    ways = {
        "Json": lambda text: program.send({"type": "say", "text": text}),
        "irc": lambda text: irc.send(f"PRIVMSG #lobby :{text}"),
        "Ssh": lambda text: SshClient(chat, "Ssh", command=f"say {text}".encode(), door="ssh"),
    }
    for name, say in ways.items():
        for text in lines:
            say(text)
            assert f"<{name}> {text}" in "\n".join(cleo.lines()), (name, text)
    pipe = SshClient(chat, "Pipe", command=b"say", door="ssh")
    pipe.send(*lines)
    shown = "\n".join(cleo.lines())
    assert all(f"<Pipe> {text}" in shown for text in lines)


@pytest.mark.parametrize("kind", ["line", "json", "web", "ssh"])
def test_two_slashes_say_one(kind: str) -> None:
    """So does /say, on every protocol where lines are typed."""
    chat = Chat()
    cleo, ann = chat.enter("Cleo"), Guest(chat, kind, "Ann")
    ann.type("//usr/bin/ld: cannot", "/say ／register x1")
    shown = "\n".join(cleo.lines())
    assert "<Ann> /usr/bin/ld: cannot" in shown
    assert "<Ann> ／register x1" in shown
