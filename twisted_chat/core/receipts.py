"""Messages on their way to disk, and who is to be told when they are there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twisted_chat.core.batch import Batch, Fate
from twisted_chat.core.events import KEPT, Receipt
from twisted_chat.core.ports import MessageLog
from twisted_chat.core.room import Stream
from twisted_chat.core.session import Session


@dataclass(slots=True)
class Awaiting:
    """A message on its way to disk, and who is to be told."""

    session: Session
    id: str | None
    answered: bool  # whether its author is sent a receipt


class Receipts:
    """Who waits for which message."""

    def __init__(self, log: MessageLog) -> None:
        self._log = log
        self._awaiting: dict[int, Awaiting] = {}

    def expect(self, session: Session, message_id: str | None, answered: bool) -> int:
        """The number for the next message, which is to be kept, and whose sender waits."""
        seq = self._log.number()
        self._awaiting[seq] = Awaiting(session, message_id, answered)
        session.awaiting += 1
        return seq

    def again(self, session: Session, stream: Stream, key: bytes, message_id: str | None) -> bool:
        """Send the receipt of a message that memory knows, once it is kept. False if it is not known."""
        sent = self._log.sent(key)
        if sent is None:
            return False
        waiting = self._awaiting.get(sent.seq)
        if waiting is None:
            kept = sent.batch is None or sent.batch.fate is Fate.KEPT
            session.tell(Receipt(sent.seq, stream.key, "", kept, message_id))
        elif waiting.session is not session:
            self._awaiting[sent.seq] = Awaiting(session, message_id, True)
            session.awaiting += 1
            waiting.session.settle(1)
        return True

    def settle(self, batches: Sequence[Batch], duplicates: dict[int, int] | None) -> None:
        """Batches are on disk, with duplicates as `Reader.kept` has them; or, with None, they will never be."""
        receipts: dict[Session, list[Receipt]] = {}
        settled: dict[Session, int] = {}
        for batch in batches:
            for event in batch.events:
                waiting = self._awaiting.pop(event.seq, None) if isinstance(event, KEPT) else None
                if waiting is None or not isinstance(event, KEPT):
                    continue
                settled[waiting.session] = settled.get(waiting.session, 0) + 1
                if waiting.answered or duplicates is None:
                    seq = event.seq if duplicates is None else duplicates.get(event.seq, event.seq)
                    receipt = Receipt(seq, event.room, event.text, duplicates is not None, waiting.id)
                    receipts.setdefault(waiting.session, []).append(receipt)
        for session, mine in receipts.items():
            session.tell(*mine)
        for session, messages in settled.items():
            session.settle(messages)
