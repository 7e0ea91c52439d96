"""Events that only tests record."""

from audit.events import register, register_refusal

register("trial.done", "Trial done", said=str, user=str, api_key=str, note=dict, n=int)
register_refusal("trial.refused", "Trial refused", said=str)
register("trial.*.made", "Something made", n=int)
