"""Asking people for secrets, so that no answer can become a message.

1. A command that lacks a secret raises `PasswordNeeded`. Where lines are typed, the next line is then its next argument.
2. The question stays until the command succeeds, an empty line gives it up, or ``exit`` leaves, whatever happens in between:
   an answer that is refused, for any reason, is asked for again. Five refusals end the connection. The same command, typed
   once more, begins anew.
3. An answer is taken as it was typed, but for keys that erase: terminals that send each key by itself show none of it.
4. Who types an accepted answer once more, as if to confirm it, does not say it.
5. Programs are not asked: they are told which argument is missing, and nothing waits for their next line.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from unicodedata import category, normalize

from twisted_chat.core.errors import ChatError, NotUnderstood, PasswordNeeded
from twisted_chat.core.text.sanitize import clean
from twisted_chat.core.users.session import Question, Session

# How many answers to one question may be refused.
MOST_REFUSED = 5
FAREWELL = f"{MOST_REFUSED} answers were refused. Goodbye."
# No line that leaves is as long, with all that can't be seen round it.
LONGEST_EXIT = 64
# What the keys send that erase a character (BS, DEL), the line (^U) or a word (^W).
ERASING = re.compile("[\b\x7f\x15\x17]")


class AskedAgain(PasswordNeeded):
    """An answer was refused, and is asked for again. It has the code of the refusal."""

    def __init__(self, refusal: ChatError, question: Question) -> None:
        super().__init__(f"{refusal} {question.again}", question.again)
        self.code = refusal.code


def ask(me: Session, command: str, arguments: tuple[str, ...], needed: PasswordNeeded) -> None:
    """Take the next line of a person as the next argument of a command."""
    me.question = Question(command, arguments, needed.again, needed.new)


def refused(me: Session, error: ChatError) -> ChatError:
    """Return what to tell a person whose line was refused. If it was an answer, it is asked for again, or this is the end."""
    question = me.question
    if question is None or isinstance(error, PasswordNeeded):
        return error
    question.refused += 1
    if question.refused >= MOST_REFUSED:
        me.outlet.close(FAREWELL)
        return error
    return AskedAgain(error, question)


def accepted(me: Session, question: Question, answer: str) -> None:
    """The command that an answer belongs to has succeeded."""
    if me.question is question:
        me.question = None
    me.answered = _hashed(answer)


def check_not_confirmed(me: Session, line: str) -> None:
    """Raise `NotUnderstood` if a line repeats the answer that was accepted just before. Another line is free to."""
    answered, me.answered = me.answered, b""
    if _hashed(line) == answered:
        raise NotUnderstood("That was your answer once more: it was accepted already, and has not been sent.")


def give_up(me: Session) -> NotUnderstood:
    """Return what to tell a person who gives a question up with an empty line."""
    me.question = None
    return NotUnderstood("Nothing was changed." if me.name else "What's your name?")


def is_empty(line: str) -> bool:
    """Return whether nothing of a line would be seen."""
    return not clean(line).strip()


def leaves(line: str) -> bool:
    """Return whether a line is the bare word that leaves."""
    return len(line) < LONGEST_EXIT and normalize("NFKC", clean(line)).strip().casefold() == "exit"


def edited(line: str) -> str:
    """Return what is left of a line after the keys in it that erase. A mark goes with the character it stands on."""
    if not ERASING.search(line):
        return line
    kept: list[str] = []
    for char in line:
        match char:
            case "\b" | "\x7f":
                while kept and category(kept.pop())[0] == "M":
                    pass
            case "\x15":
                kept.clear()
            case "\x17":
                text = "".join(kept).rstrip()
                kept = list(text[: len(text) - len(text.split()[-1])] if text else "")
            case _:
                kept.append(char)
    return "".join(kept)


def _hashed(line: str) -> bytes:
    """Return what stands for an answer while it is compared: the answer itself is kept nowhere."""
    return blake2b(line.strip().encode("utf-8", "surrogatepass")).digest()
