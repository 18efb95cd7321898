from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ProductsConfig(AppConfig):
    name = "products"
    verbose_name = _("Catalogue and copy")

    def ready(self) -> None:
        from ml.capabilities import Capability, register

        register(
            Capability(
                "copy",
                "Ad copy",
                "products.copy_dataset.for_store",
                house_dataset="products.copy_dataset.build",
                base="GENERATOR",
                trainer="ml.engines.causal_run",
                config="ml.configs.LoraTrainConfig",
                options=(
                    "objective",
                    "epochs",
                    "learning_rate",
                    "dpo_epochs",
                    "dpo_learning_rate",
                    "beta",
                    "rank",
                    "alpha",
                    "max_tokens",
                    "patience",
                ),
                methods=("lora",),
                objectives=("sft", "dpo"),
                export="ml.engines.causal_run.export",
                agreement={"logit_correlation": 0.95},
                predict="products.copy_held_out.completions",
                measure="ml.measures.completions",
                measures={"dpo": "ml.measures.preferences"},
                new_labels="products.copy_dataset.new_labels",
                data_page="products:copy_pairs",
            )  # fmt: skip
        )
        register(
            Capability(
                "copy_ranking",
                "Ranking of ad copy",
                "products.preferences.for_ranking",
                trainer="ml.engines.preference_ranker",
                config="ml.configs.RankerConfig",
                options=("l2",),
                methods=("bradley-terry",),
                export="ml.engines.preference_ranker.export",
                predict="ml.predictions.ranking",
                measure="ml.measures.ranking",
                baseline="ml.predictions.no_ranking",
                new_labels="products.preferences.new_pairs",
                data_page="products:copy_pairs",
            )  # fmt: skip
        )

        from ecomai import privacy as people
        from products import storefront_privacy

        people.register(
            "storefront",
            title="Storefront",
            find=storefront_privacy.find,
            export=storefront_privacy.export,
            erase=storefront_privacy.erase,
            names=storefront_privacy.NAMES,
        )
