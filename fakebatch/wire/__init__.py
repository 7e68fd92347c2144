"""HTTP and JSON: from a Request to a Reply.

A transport of your own needs only these names. It converts what it receives to a `Request`, and
plays the `Reply`: `script.before`, the head (`status`, `headers`), then `script.body`, `pieces` or
`body`.
"""

from fakebatch.wire.messages import (
    Broken,
    BrokenKind,
    Framing,
    Pause,
    Reply,
    Request,
    Script,
    Step,
)

__all__ = ["Broken", "BrokenKind", "Framing", "Pause", "Reply", "Request", "Script", "Step"]
