"""HTTP and JSON: from a Request to a Reply.

A transport of your own needs these alone: it makes a `Request` of what came, and plays the `Reply`:
its `script.before`, its head (`status`, `framed_headers`), then `script.body`, `pieces` or `body`.
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
