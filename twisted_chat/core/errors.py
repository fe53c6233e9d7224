"""Errors that a person is told: each has a code for programs and a sentence for people."""


class ChatError(Exception):
    """A request that cannot be done. Never a bug: bugs are any other exception.

    ``code`` is stable and part of the JSON protocol; ``str(error)`` is one sentence and may change.
    """

    code = "refused"


class NotUnderstood(ChatError):
    """The command is unknown or its arguments are wrong."""

    code = "not-understood"


class BadText(ChatError):
    """The text is not UTF-8, is empty after sanitizing, or is too long."""

    code = "bad-text"


class BadName(ChatError):
    """A name or a room name breaks a rule of `core.text.names`."""

    code = "bad-name"


class NameTaken(ChatError):
    """The name, or one that counts as the same, is taken."""

    code = "name-taken"


class NotAllowed(ChatError):
    """The person may not use this command, or not yet: a visitor must give a name first."""

    code = "not-allowed"


class NoSuchPerson(ChatError):
    """No person of that name is here."""

    code = "no-such-person"


class NotInRoom(ChatError):
    """The person is not in the command's room."""

    code = "not-in-room"


class NotKept(ChatError):
    """History cannot be read or written now: the disk failed."""

    code = "history-unavailable"


class PasswordNeeded(ChatError):
    """A command needs a secret as its next argument. People are prompted for it: see `core.command_table.prompts`.

    ``str(error)`` is the prompt, and ``again`` the prompt after a refused answer. ``new`` is true if the person must choose
    a new secret. ``given`` are the arguments before the secret, if they differ from those that were typed. ``command`` is
    the command that takes the secret, if it differs from the one that was typed.
    """

    code = "password-needed"

    command = ""

    def __init__(self, text: str, again: str = "", *, new: bool = False, given: tuple[str, ...] | None = None) -> None:
        super().__init__(text)
        self.again = again or text
        self.new = new
        self.given = given


class ClaimNeeded(PasswordNeeded):
    """The name is an operator's and is not claimed yet: the next line is its claim code."""

    code = "claim-needed"
    command = "claim"

    def __init__(self, name: str) -> None:
        """``name`` is the operator's, as it is shown."""
        again = "Try again, or press Enter to give another name:"
        super().__init__(f"{name} is an operator's name. Claim code:", again, given=(name,))


class WrongPassword(ChatError):
    """The password is wrong."""

    code = "wrong-password"


class WrongClaim(WrongPassword):
    """The claim code is wrong."""

    code = "wrong-claim"


class TooOften(ChatError):
    """The action came too often; the sentence says when to try again."""

    code = "too-often"


class Banned(ChatError):
    """The person may not come in, or may not speak."""

    code = "banned"


class BadPassword(ChatError):
    """The text cannot be used as a password."""

    code = "bad-password"


class Busy(ChatError):
    """Too many requests of this kind are under way."""

    code = "busy"
