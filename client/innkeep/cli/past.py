"""One past request by what a person types: ``last``, an id, or the beginning of one."""

from typing import TYPE_CHECKING

from innkeep.errors import BadRequest
from innkeep.language import _

if TYPE_CHECKING:
    from innkeep.blocking import Client
    from innkeep.wire import DecisionRecord

LOOKED_AT = 100
"""Records among which ``last`` looks for a chat: loads and embeddings are no questions."""
NAMED = 5
"""Ids that an ambiguous beginning is told with, at most."""


def find_record(client: "Client", name: str) -> "DecisionRecord":
    """The record of ``name``; ``last`` is the newest chat. Raises ``BadRequest`` for none and for several."""
    if not name.strip():
        raise BadRequest(_("an empty id; `innkeep history` lists them, `last` is the newest"))
    if name == "last":
        for record in client.history(limit=LOOKED_AT).records:
            if record.kind == "chat":
                return record
        raise BadRequest(_("no question has been answered yet; `innkeep ask` asks one"))
    found = client.history(limit=LOOKED_AT, request=name).records
    if not found:
        raise BadRequest(_("no request {name!r} is known; `innkeep history` lists them", name=name))
    if len(found) > 1 and found[0].id != name:
        some = ", ".join(record.id for record in found[:NAMED])
        raise BadRequest(_("several requests begin with {name!r} ({some}); type more of the id", name=name, some=some))
    return found[0]
