from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class ReviewsConfig(AppConfig):
    name = "reviews"
    verbose_name = _("Reviews")

    def ready(self) -> None:
        from ml.capabilities import Capability, register

        register(
            Capability(
                "reviews",
                "Reviews",
                "reviews.review_dataset.build",
                house_dataset="reviews.house_dataset.build",
                # The first teacher is the start: an adapter, trained on. The second one errs elsewhere.
                house_teachers=(
                    {"epochs": 2, "learning_rate": 8e-4, "head_learning_rate": 2e-3, "max_tokens": 160},
                    {
                        "method": "lora",
                        "rank": 24,
                        "alpha": 48,
                        "epochs": 3,
                        "learning_rate": 6e-4,
                        "head_learning_rate": 1.5e-3,
                    },
                ),
                house_config={
                    "method": "adapter",
                    "bottleneck": 96,
                    "epochs": 4,
                    "learning_rate": 5e-4,
                    "head_learning_rate": 1e-3,
                    "max_tokens": 256,
                    "batch_tokens": 3072,
                    "patience": 3,
                    "distil": 0.7,
                },
                options=("method", "epochs", "learning_rate", "rank", "adversarial", "trials"),
                export="ml.engines.export_review.export",
                agreement={"class_agreement": 0.95, "aspect_agreement": 0.97},
                predict="ml.predictions.reviews",
                measure="ml.measures.reviews",
                rescore="reviews.scoring.rescore",
                new_labels="reviews.review_dataset.new_labels",
            )  # fmt: skip
        )
        register(
            Capability(
                "replies",
                "Replies",
                "reviews.reply_dataset.for_store",
                base="GENERATOR",
                trainer="ml.engines.causal_run",
                config="ml.configs.LoraTrainConfig",
                options=("epochs", "learning_rate", "rank", "alpha", "max_tokens", "patience"),
                methods=("lora",),
                export="ml.engines.causal_run.export",
                agreement={"logit_correlation": 0.95},
                predict="ml.predictions.completions",
                measure="ml.measures.completions",
                new_labels="reviews.reply_dataset.new_labels",
            )  # fmt: skip
        )

        from ecomai import privacy as people
        from reviews import privacy

        people.register(
            "reviews",
            title="Reviews",
            find=privacy.find,
            export=privacy.export,
            erase=privacy.erase,
            names=privacy.NAMES,
        )

        from ecomai import navigation
        from reviews import alerts

        navigation.register_badge("reviews:alerts", alerts.open_count)

        from products import praise
        from reviews import copy_praise

        praise.set_source(copy_praise.praise)
