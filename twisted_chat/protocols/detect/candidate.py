"""A protocol that a connection may turn out to speak."""

from dataclasses import dataclass

from twisted.internet.interfaces import IProtocolFactory

from twisted_chat.protocols.detect.rejections import Words, in_text
from twisted_chat.protocols.detect.signatures import Fits


@dataclass(frozen=True, slots=True)
class Choice:
    """A protocol that its first bytes identify, and the factory for it."""

    fits: Fits
    factory: IProtocolFactory
    survives: bool  # its clients skip a greeting
    several: bool = False  # its clients open several connections, and use some of them later
    no_room: Words = in_text  # the encoder of the message that the server is full
