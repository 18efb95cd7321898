"""Search for settings with Optuna: short trials on the run's own data, then one full training with the best."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import optuna

from ml.configs import TextTrainConfig
from ml.engines.causal_lora import TrainingCancelled
from ml.engines.run_log import RunLog

# A trial gets this share of the epochs; the full run comes after.
TRIAL_SHARE = 0.34


def search(run: Path, spec: dict) -> dict[str, float]:
    """Try `trials` settings (TPE, pruned by nothing but their shortness), train fully with the best. Trials are kept in
    RUN/search.db, so that a killed search goes on. Raises TrainingCancelled."""
    from ml.engines.text_trainer import Training

    config = TextTrainConfig.from_json(spec["config"])
    log = RunLog(run)
    study = optuna.create_study(
        study_name="search", storage=f"sqlite:///{run / 'search.db'}", load_if_exists=True, direction="maximize",
        sampler=optuna.samplers.TPESampler(seed=config.seed),
    )  # fmt: skip

    def objective(trial: optuna.Trial) -> float:
        tried = replace(
            config, trials=0, epochs=max(1, round(config.epochs * TRIAL_SHARE)),
            learning_rate=trial.suggest_float("learning_rate", config.learning_rate / 5, config.learning_rate * 5, log=True),
            head_learning_rate=trial.suggest_float("head_learning_rate", 3e-4, 1e-2, log=True),
            dropout=trial.suggest_float("dropout", 0.0, 0.3),
            label_smoothing=trial.suggest_float("label_smoothing", 0.0, 0.1),
        )  # fmt: skip
        folder = run / "trials" / str(trial.number)
        folder.mkdir(parents=True, exist_ok=True)
        inner = {
            **spec,
            "config": tried.as_json(),
            "test": None,
            "train": f"../../{spec['train']}",
            "valid": f"../../{spec['valid']}",
        }
        (folder / "spec.json").write_text(json.dumps(inner), encoding="utf-8")
        training = Training(folder, inner)
        told = training.train()
        value = told[f"valid_{training.objective.main}"]
        log.tell("trial", number=trial.number, of=config.trials, value=round(value, 5), settings=trial.params)
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
        return value

    done = sum(t.state == optuna.trial.TrialState.COMPLETE for t in study.trials)
    for _ in range(done, config.trials):
        if (run / "cancel").exists():
            raise TrainingCancelled
        study.optimize(objective, n_trials=1)
    best = replace(config, trials=0, **study.best_params)
    log.tell("best", settings=study.best_params, value=round(study.best_value, 5))
    return Training(run, {**spec, "config": best.as_json()}).train()
