from django.apps import AppConfig
from django.db.models.signals import post_migrate
from django.utils.translation import gettext_lazy as _


def _guard_audit(using: str, **kwargs) -> None:
    from ml.audit import install_guard

    install_guard(using)


class MlConfig(AppConfig):
    name = "ml"
    verbose_name = _("Models")

    def ready(self) -> None:
        from ml.devices import wide_vectors

        wide_vectors()
        post_migrate.connect(_guard_audit, sender=self)
