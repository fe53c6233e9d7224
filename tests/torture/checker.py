"""Whether what everybody was told about a room, and what its history holds, can both be true. In the manner of Jepsen; pure.

A message is known by who sent it and their count: ``(client, n)``. What happened is recorded for each life of the
daemon, from start to end; the history is that on disk after the last. `check` then finds every breach of:

 1. set-full: a message with a receipt is in the history once, under the receipt's number
 2. no phantom: nothing is there, or was shown, that nobody sent
 3. no double: no message is there twice, or was shown to one reader twice in one life
 4. a sender's messages stand, and were shown, in the order in which they were sent
 5. one total order: live readers and history have the same message under the same number, all in rising order; and
    readers that were there all the time saw the same
 6. read your writes: who reads the history after a receipt finds the message there
 7. a message without a receipt may be kept or not, but is so for all: it has one number in a life
 8. no number is used twice, in all lives
 9. a sender who stayed to the end was told of each message that it was kept, or that it was not; and both are true
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

Message = tuple[str, int]  # who sent it, and their count


@dataclass(slots=True)
class Life:
    """What was seen from outside between a start of the daemon and its end."""

    sent: list[Message] = field(default_factory=list)  # each sender's in their order
    receipts: list[tuple[Message, int]] = field(default_factory=list)  # and the number; 0 where people aren't told it
    lost: list[Message] = field(default_factory=list)  # the sender was told: shown, but not kept
    shown: dict[str, list[tuple[Message, int]]] = field(default_factory=dict)  # to each reader, in the order it came
    stayed: set[str] = field(default_factory=set)  # readers that were there all the time
    settled: set[str] = field(default_factory=set)  # senders who waited until they were told of all they had sent
    looks: list[tuple[list[Message], list[Message]]] = field(default_factory=list)  # receipts had before; what was found


def check(lives: Sequence[Life], history: Sequence[tuple[int, Message]]) -> list[str]:
    """Every breach, as a sentence that begins with its rule."""
    place = {message: seq for seq, message in history}
    sent = {message for life in lives for message in life.sent}
    return [
        *_of_history(history, sent),
        *_of_receipts(lives, place),
        *(breach for life in lives for reader, shown in life.shown.items() for breach in _of_reader(reader, shown, sent)),
        *_of_order(lives, history),
        *(breach for life in lives for breach in _of_stayers(life)),
        *_of_looks(lives),
        *_of_words(lives, place),
    ]


def _of_history(history: Sequence[tuple[int, Message]], sent: set[Message]) -> Iterator[str]:
    for message, count in Counter(message for _, message in history).items():
        if count > 1:
            yield f"double: {message} is in the history {count} times"
        if message not in sent:
            yield f"phantom: {message} is in the history, and nobody sent it"
    yield from _rising("the history", [seq for seq, _ in history])
    yield from _in_order("the history", (message for _, message in history))


def _of_receipts(lives: Sequence[Life], place: dict[Message, int]) -> Iterator[str]:
    for life in lives:
        for message, seq in life.receipts:
            if message not in place:
                yield f"set-full: {message} has a receipt, and is not in the history"
            elif seq and place[message] != seq:
                yield f"set-full: {message} has the receipt {seq}, and is {place[message]} in the history"


def _of_reader(reader: str, shown: Sequence[tuple[Message, int]], sent: set[Message]) -> Iterator[str]:
    for message, count in Counter(message for message, _ in shown).items():
        if count > 1:
            yield f"double: {message} was shown to {reader} {count} times"
        if message not in sent:
            yield f"phantom: {message} was shown to {reader}, and nobody sent it"
    yield from _rising(reader, [seq for _, seq in shown if seq])
    yield from _in_order(reader, (message for message, _ in shown))


def _of_order(lives: Sequence[Life], history: Sequence[tuple[int, Message]]) -> Iterator[str]:
    """Numbers and messages belong together, in all lives; a message has one number in each."""
    under = dict(history)
    for number, life in enumerate(lives):
        of: dict[Message, int] = {}
        for reader, shown in life.shown.items():
            for message, seq in shown:
                if not seq:
                    continue
                if under.setdefault(seq, message) != message:
                    yield f"number twice: {seq} is {under[seq]}, and {message} for {reader} in life {number}"
                if of.setdefault(message, seq) != seq:
                    yield f"differs: {message} is {of[message]}, and {seq} for {reader} in life {number}"


def _of_stayers(life: Life) -> Iterator[str]:
    stayers = sorted(life.stayed)
    for reader in stayers[1:]:
        first, other = ([message for message, _ in life.shown.get(name, ())] for name in (stayers[0], reader))
        if first != other:
            index = next((i for i, pair in enumerate(zip(first, other, strict=False)) if pair[0] != pair[1]), -1)
            yield f"order: {stayers[0]} was shown {len(first)} messages, {reader} {len(other)}: others from index {index} on"


def _of_looks(lives: Sequence[Life]) -> Iterator[str]:
    for life in lives:
        for receipted, found in life.looks:
            for message in set(receipted) - set(found):
                yield f"read your writes: {message} had a receipt, and was not found in the history"


def _of_words(lives: Sequence[Life], place: dict[Message, int]) -> Iterator[str]:
    receipted = {message for life in lives for message, _ in life.receipts}
    for life in lives:
        for message in life.lost:
            if message in place and message not in receipted:
                yield f"false word: {message} was said not to be kept, and is {place[message]} in the history"
        told = set(life.lost) | {message for message, _ in life.receipts}
        for message in life.sent:
            if message[0] in life.settled and message not in told:
                yield f"no word: {message} was sent, and its sender was never told what became of it"


def _rising(where: str, numbers: Sequence[int]) -> Iterator[str]:
    for before, after in pairwise(numbers):
        if after <= before:
            yield f"order: for {where}, {after} comes after {before}"


def _in_order(where: str, messages: Iterable[Message]) -> Iterator[str]:
    newest: defaultdict[str, int] = defaultdict(lambda: -1)
    for client, count in messages:
        if count < newest[client]:
            yield f"sender's order: for {where}, {client}'s {count} comes after {newest[client]}"
        newest[client] = max(newest[client], count)
