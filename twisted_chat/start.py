"""Where ``twistd chat`` begins: `tap`, loaded with the garbage collector told to wait.

What is imported makes next to no garbage, and is looked through again and again as there comes to be more of it: that
was a tenth of the start.
"""

from twisted_chat import resources

resources.collect_seldom()

from twisted_chat.tap import Options, makeService  # noqa: E402 (that is what this module is for)

__all__ = ["Options", "makeService"]
