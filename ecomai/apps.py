from django.apps import AppConfig


class EcomaiConfig(AppConfig):
    name = "ecomai"
    label = "ecomai"
    verbose_name = "EcomAI"
