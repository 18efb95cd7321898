from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProductsConfig(AppConfig):
    name = "products"
    verbose_name = _("Catalogue and copy")

    def ready(self) -> None:
        from ml.capabilities import Capability, register

        register(Capability("copy", "Ad copy", "products.copy_dataset.build"))
