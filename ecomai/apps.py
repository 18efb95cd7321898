from django.apps import AppConfig


class EcomaiConfig(AppConfig):
    name = "ecomai"
    label = "ecomai"
    verbose_name = "EcomAI"

    def ready(self) -> None:
        from ecomai import privacy_models  # noqa: F401  (its tables)
