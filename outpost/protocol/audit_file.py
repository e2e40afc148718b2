"""An audit log on its way in a file, and the receipt on its way back: the messages of the network, in order."""

from pydantic import Field

from outpost.protocol.messages import AuditBatch, AuditReceipt, Id, Message


class AuditFile(Message):
    """``outpost audit export FILE``: consecutive batches from the first event that no receipt covers."""

    outpost_id: Id
    batches: list[AuditBatch] = Field(max_length=100_000)


class ReceiptFile(Message):
    """``control-plane audit import``: the receipt for the last of them; None if there was none."""

    outpost_id: Id
    receipt: AuditReceipt | None
