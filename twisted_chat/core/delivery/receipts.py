"""Messages on their way to disk, and the sessions that wait for their receipts.

1. A session is ``awaiting`` from its first such message until the log has settled its last one.
2. Most messages need no receipt; only the number of the sender's last message is tracked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted_chat.core.delivery.batch import Batch, Fate
from twisted_chat.core.delivery.stream import Stream
from twisted_chat.core.errors import Busy
from twisted_chat.core.events import KEPT, Receipt
from twisted_chat.core.interfaces import MessageLog
from twisted_chat.core.users.session import Session

# The most connections that may wait for the receipt of one message.
MOST_WAITING = 16


@dataclass(slots=True)
class Awaiting:
    """A session that waits for the receipt of a message, and the client's own id for that message."""

    session: Session
    id: str | None
    answered: bool  # True if the receipt is sent on success too
    altered: bool = False  # True if the receipt repeats the stored text
    another: Awaiting | None = None  # the wait of another connection that sent the same message before

    def all(self) -> list[Awaiting]:
        """Return all waits for this message."""
        found, one = [self], self.another
        while one is not None:
            found.append(one)
            one = one.another
        return found


class Receipts:
    """The sessions that wait for receipts."""

    def __init__(self, log: MessageLog) -> None:
        self._log = log
        self._answers: dict[int, Awaiting] = {}  # by sequence number
        self._sessions: dict[int, Session] = {}  # the sessions with messages on their way, by id

    def expect(self, session: Session, message_id: str | None, answered: bool, altered: bool = False) -> int:
        """Return the number for the next message to keep, and note that its sender waits."""
        seq = self._log.number()
        if answered or message_id is not None:
            self._answers[seq] = Awaiting(session, message_id, answered, altered)
        session.said = seq
        if not session.awaiting:
            session.awaiting = True
            self._sessions[session.id] = session
        return seq

    def again(self, session: Session, stream: Stream, key: bytes, message_id: str | None, stored: str | None) -> bool:
        """Send the receipt of a message known in memory, once it is kept. Returns False if the message is unknown.

        Raises `Busy` if too many connections wait for it.
        """
        sent = self._log.sent(key)
        if sent is None:
            return False
        waiting = self._answers.get(sent.seq)
        if waiting is None:
            kept = sent.batch is None or sent.batch.fate is Fate.KEPT
            session.tell(Receipt(sent.seq, stream.key, "", kept, message_id, stored))
        elif session not in [one.session for one in waiting.all()]:
            if len(waiting.all()) >= MOST_WAITING:
                raise Busy("This message is on its way already. Wait for its receipt.")
            self._answers[sent.seq] = Awaiting(session, message_id, True, stored is not None, waiting)
            session.said = max(sent.seq, session.said)
            session.awaiting = True
            self._sessions[session.id] = session
        return True

    def settle(self, batches: Sequence[Batch], duplicates: dict[int, int] | None) -> None:
        """Send the receipts of batches that are on disk. With None for ``duplicates``, the batches failed to be saved.

        For ``duplicates`` see `Reader.kept`.
        """
        if self._answers or duplicates is None:
            self._answer(batches, duplicates)
        settled = self._log.settled
        for session in [session for session in self._sessions.values() if session.said <= settled]:
            del self._sessions[session.id]
            session.settled()

    def _answer(self, batches: Sequence[Batch], duplicates: dict[int, int] | None) -> None:
        """Send receipts. If messages failed to be saved, their senders and all sessions that sent them again get one."""
        receipts: dict[Session, list[Receipt]] = {}
        for batch in batches:
            for event in batch.events:
                if not isinstance(event, KEPT):
                    continue
                waiting = self._answers.pop(event.seq, None)
                if waiting is None and duplicates is None and event.by in self._sessions:
                    waiting = Awaiting(self._sessions[event.by], None, False)
                for one in waiting.all() if waiting is not None else ():
                    if one.answered or duplicates is None:
                        seq = event.seq if duplicates is None else duplicates.get(event.seq, event.seq)
                        stored = event.text if one.altered else None
                        receipt = Receipt(seq, event.room, event.text, duplicates is not None, one.id, stored)
                        receipts.setdefault(one.session, []).append(receipt)
        for session, mine in receipts.items():
            session.tell(*mine)
