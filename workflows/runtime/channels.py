"""Names of the live channels, shared by who speaks and who listens."""


def channel_of(public_id: object) -> str:
    return f"run:{public_id}"


def organization_channel(organization_id: object) -> str:
    return f"org:{organization_id}"


CONTROL_CHANNEL = "engine:control"
"""To the workers: {"run", "epoch", "control", "wakes"} of a run that was changed under them."""
