"""What a person is told when something can't be done: a code for programs, a sentence for people."""


class ChatError(Exception):
    """Anything a person did that can't be done. Never a bug: bugs are any other exception.

    ``code`` is stable and part of the JSON protocol; ``str(error)`` is one sentence and may change.
    """

    code = "refused"


class NotUnderstood(ChatError):
    """The line is not a command we know, or has the wrong words."""

    code = "not-understood"


class BadText(ChatError):
    """The text is not UTF-8, is empty once made safe, or is too long."""

    code = "bad-text"


class BadName(ChatError):
    """A name or a room name breaks a rule of `core.text.names`."""

    code = "bad-name"


class NameTaken(ChatError):
    """Somebody here has this name, or one that counts as the same."""

    code = "name-taken"


class NotAllowed(ChatError):
    """The command is not for this person, or not yet: a visitor has to give a name first."""

    code = "not-allowed"


class NoSuchPerson(ChatError):
    """Nobody of that name is here."""

    code = "no-such-person"


class NotInRoom(ChatError):
    """The person is not in the room the command is about."""

    code = "not-in-room"


class NotKept(ChatError):
    """History can't be read or written now: the disk failed."""

    code = "history-unavailable"


class PasswordNeeded(ChatError):
    """A command lacks a secret, its next argument. People are prompted for it: see `core.command_table.prompts`.

    ``str(error)`` asks for it; ``again`` does after an answer that was refused. ``new`` is true if a secret is to be chosen.
    ``given`` are the arguments before it, if they are not just those that were typed, and ``command`` is what it is an
    argument of, if that is not what was typed either.
    """

    code = "password-needed"

    command = ""

    def __init__(self, text: str, again: str = "", *, new: bool = False, given: tuple[str, ...] | None = None) -> None:
        super().__init__(text)
        self.again = again or text
        self.new = new
        self.given = given


class ClaimNeeded(PasswordNeeded):
    """The name is an operator's, and nobody has claimed it yet: the next line is the code with which it is claimed."""

    code = "claim-needed"
    command = "claim"

    def __init__(self, name: str) -> None:
        """``name`` is the operator's, as it is shown."""
        again = "Try again, or press Enter to give another name:"
        super().__init__(f"{name} is an operator's name. Claim code:", again, given=(name,))


class WrongPassword(ChatError):
    """The password is not the one of that name."""

    code = "wrong-password"


class WrongClaim(WrongPassword):
    """The code is not the one with which that name is claimed."""

    code = "wrong-claim"


class TooOften(ChatError):
    """Allowed, but not so often; the sentence says when."""

    code = "too-often"


class Banned(ChatError):
    """The person may not come in, or not speak."""

    code = "banned"


class BadPassword(ChatError):
    """It can't be a password."""

    code = "bad-password"


class Busy(ChatError):
    """Too many ask for this at once."""

    code = "busy"
