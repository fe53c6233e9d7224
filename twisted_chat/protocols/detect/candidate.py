"""A protocol that a connection may turn out to speak."""

from dataclasses import dataclass

from twisted.internet.interfaces import IProtocolFactory

from twisted_chat.protocols.detect.rejections import Words, in_text
from twisted_chat.protocols.detect.signatures import Fits


@dataclass(frozen=True, slots=True)
class Choice:
    """A protocol that is told by its first bytes, and what speaks it."""

    fits: Fits
    factory: IProtocolFactory
    survives: bool  # its clients read past a greeting
    several: bool = False  # its clients open several connections, and use some of them later
    no_room: Words = in_text  # how its clients are told that there is no room
