"""Step 2: may this caller make this call?"""

from core.errors import PermissionRefused
from llm.errors import InvalidRequest, ModelNotFound, ModelNotPriced
from llm.gateway.runtime import get_runtime
from llm.gateway.shapes import Call, Caller, Catalog, ModelEntry

VERB = "model.call"


async def check_policy(call: Call) -> None:
    """Find the model among those of the caller's organization, and refuse what may not be."""
    require_scope(call.caller)
    name = call.body.get("model")
    if not isinstance(name, str) or not name:
        raise InvalidRequest("You must provide a model parameter.", param="model")
    messages = call.body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise InvalidRequest("You must provide a list of messages.", param="messages")
    catalog = await get_runtime().catalogs.get(call.caller.organization_id)
    call.entry = find_model(catalog, name)
    call.wallet_id = catalog.wallet_id
    if call.entry.price is None:
        raise ModelNotPriced(f"The model '{name}' has no price yet.", param="model")


def require_scope(caller: Caller) -> None:
    if caller.scopes is not None and VERB not in caller.scopes:
        raise PermissionRefused("This API key may not call models.", verb=VERB)


def find_model(catalog: Catalog, name: str) -> ModelEntry:
    """A model that is unknown, disabled or somebody else's is simply not there."""
    entry = catalog.models.get(name)
    if entry is None:
        raise ModelNotFound(f"The model '{name}' does not exist.", param="model")
    return entry
