from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class Config(AppConfig):
    name = "workflows"
    verbose_name = _("Workflows")

    def ready(self) -> None:
        from bpm.subjects import register
        from workflows import erasing, letters, trace
        from workflows.actions.runs import deliver_decision
        from workflows.panels import contribute, run_url
        from workflows.runtime.sweep import HUMAN_INPUT

        register(HUMAN_INPUT, deliver_decision, label=_("Workflow"), url=run_url)
        contribute()
        erasing.contribute()
        letters.contribute()
        trace.contribute()
