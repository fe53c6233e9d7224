"""A Config from command line options."""

from twisted_chat.config import Config
from twisted_chat.options import Options


def configured(*arguments: str) -> Config:
    """The Config that these arguments make."""
    options = Options()
    options.parseOptions(list(arguments))
    return options.config
