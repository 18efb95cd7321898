"""Search for settings with Optuna: short trials on the run's own data, then one full training with the best."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import optuna

from ml.configs import TextTrainConfig
from ml.engines import spread
from ml.engines.causal_lora import TrainingCancelled
from ml.engines.run_log import RunLog

# A trial gets this share of the epochs; the full run comes after.
TRIAL_SHARE = 0.34


def search(run: Path, spec: dict) -> dict[str, float]:
    """Try `trials` settings (TPE, pruned by nothing but their shortness), train fully with the best. Trials are kept in
    RUN/search.db, so that a killed search goes on. Of several processes the leader chooses, and all try the same. Raises
    TrainingCancelled."""
    from ml.engines.text_trainer import Training

    config = TextTrainConfig.from_json(spec["config"])
    device = spread.join()
    leads = spread.rank() == 0
    log = RunLog(run, quiet=not leads)
    study = _study(run, config) if leads else None

    def ask() -> tuple[optuna.Trial, TextTrainConfig]:
        assert study is not None
        trial = study.ask()
        return trial, replace(
            config, trials=0, epochs=max(1, round(config.epochs * TRIAL_SHARE)),
            learning_rate=trial.suggest_float("learning_rate", config.learning_rate / 5, config.learning_rate * 5, log=True),
            head_learning_rate=trial.suggest_float("head_learning_rate", 3e-4, 1e-2, log=True),
            dropout=trial.suggest_float("dropout", 0.0, 0.3),
            label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.1),
        )  # fmt: skip

    while spread.leaders(_tried(study) if study else 0) < config.trials:
        if spread.any_says((run / "cancel").exists(), device):
            raise TrainingCancelled
        trial, chosen = ask() if study else (None, config)
        number, tried = spread.leaders((trial.number if trial else 0, chosen))
        folder = run / "trials" / str(number)
        inner = {
            **spec,
            "config": tried.as_json(),
            "test": None,
            "train": f"../../{spec['train']}",
            "valid": f"../../{spec['valid']}",
        }
        if leads:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "spec.json").write_text(json.dumps(inner), encoding="utf-8")
        spread.wait()
        training = Training(folder, inner)
        value = training.train()[f"valid_{training.objective.main}"]
        if study and trial:
            study.tell(trial, value)
            log.tell("trial", number=number, of=config.trials, value=round(value, 5), settings=trial.params)
            shutil.rmtree(folder / "checkpoint", ignore_errors=True)
    best, value = spread.leaders((study.best_params, study.best_value) if study else ({}, 0.0))
    log.tell("best", settings=best, value=round(value, 5))
    return Training(run, {**spec, "config": replace(config, trials=0, **best).as_json()}).train()


def _study(run: Path, config: TextTrainConfig) -> optuna.Study:
    return optuna.create_study(
        study_name="search", storage=f"sqlite:///{run / 'search.db'}", load_if_exists=True, direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=config.seed),
    )  # fmt: skip


def _tried(study: optuna.Study) -> int:
    """Trials that came to their end, one whose value was no number among them; for one that was killed another comes."""
    ended = optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL
    return sum(t.state in ended for t in study.trials)
