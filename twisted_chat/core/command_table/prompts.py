"""Prompts for secrets, designed so that no answer can become a message.

1. A command that lacks a secret raises `PasswordNeeded`. If the client types lines, the next line is its next argument.
2. The question stays until the command succeeds, an empty line cancels it, or ``exit`` leaves. An answer that is refused
   for any reason is asked for again. Five refusals end the connection. Typing the same command again restarts it.
3. An answer is used as typed, except for erasing keys: terminals that send each key by itself do not show the answer.
4. An accepted answer that is typed again, as if to confirm it, is not sent as a message.
5. Programs are not prompted: they get an error that names the missing argument, and their next line is a new command.
"""

from __future__ import annotations

import re
from hashlib import blake2b
from unicodedata import category, normalize

from twisted_chat.core.errors import ChatError, NotUnderstood, PasswordNeeded
from twisted_chat.core.text.sanitize import clean
from twisted_chat.core.users.session import Question, Session

# The number of refused answers to one question that ends the connection.
MOST_REFUSED = 5
FAREWELL = f"{MOST_REFUSED} answers were refused. Goodbye."
# Every line that leaves is shorter, even with invisible characters around the word.
LONGEST_EXIT = 64
# The characters of the keys that erase a character (BS, DEL), the line (^U) or a word (^W).
ERASING = re.compile("[\b\x7f\x15\x17]")


class AskedAgain(PasswordNeeded):
    """The error for a refused answer that is asked for again. It has the code of the refusal."""

    def __init__(self, refusal: ChatError, question: Question) -> None:
        super().__init__(f"{refusal} {question.again}", question.again)
        self.code = refusal.code


def ask(me: Session, command: str, arguments: tuple[str, ...], needed: PasswordNeeded) -> None:
    """Read a session's next line as the next argument of a command."""
    me.question = Question(command, arguments, needed.again, needed.new)


def refused(me: Session, error: ChatError) -> ChatError:
    """Return the error for a refused line. A refused answer is asked for again, or, after too many, ends the connection."""
    question = me.question
    if question is None or isinstance(error, PasswordNeeded):
        return error
    question.refused += 1
    if question.refused >= MOST_REFUSED:
        me.outlet.close(FAREWELL)
        return error
    return AskedAgain(error, question)


def accepted(me: Session, question: Question, answer: str) -> None:
    """Close the question of an answer whose command has succeeded."""
    if me.question is question:
        me.question = None
    me.answered = _hashed(answer)


def check_not_confirmed(me: Session, line: str) -> None:
    """Raise `NotUnderstood` if a line repeats the answer accepted just before it. Later lines are not checked."""
    answered, me.answered = me.answered, b""
    if _hashed(line) == answered:
        raise NotUnderstood("That was your answer once more: it was accepted already, and has not been sent.")


def give_up(me: Session) -> NotUnderstood:
    """Cancel a question after an empty line, and return the error for the client."""
    me.question = None
    return NotUnderstood("Nothing was changed." if me.name else "What's your name?")


def is_empty(line: str) -> bool:
    """Return whether a line has no visible characters."""
    return not clean(line).strip()


def leaves(line: str) -> bool:
    """Return whether a line is the bare word ``exit``."""
    return len(line) < LONGEST_EXIT and normalize("NFKC", clean(line)).strip().casefold() == "exit"


def edited(line: str) -> str:
    """Return a line with its erasing keys applied. Erasing a character also erases the marks on it."""
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
    """Return a hash of an answer for comparison. The answer itself is not stored."""
    return blake2b(line.strip().encode("utf-8", "surrogatepass")).digest()
