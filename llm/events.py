"""What llm records. Model calls are not here: their audit is the usage record."""

from django.utils.translation import gettext_lazy as _

from audit.events import register

register("llm.provider.created", _("Provider added"), fields=list)
register("llm.provider.updated", _("Provider changed"), fields=list)
register("llm.provider.deleted", _("Provider deleted"))
register("llm.provider.checked", _("Provider checked"), models=int)
register("llm.model.created", _("Model added"), provider=str)
register("llm.model.updated", _("Model changed"), fields=list)
register("llm.model.deleted", _("Model deleted"))
