"""Prints random histories and what Optuna suggests after each."""

import json
import random
import sys
import warnings

import optuna

warnings.simplefilter("ignore")
optuna.logging.set_verbosity(optuna.logging.ERROR)


def history(seed):
    rnd = random.Random(seed)
    predictors = rnd.choice([1, 1, 2, 3, 6])
    params = []
    for p in range(predictors):
        params.append(
            (f"{p}_predictor_instruction", rnd.choice([1, 2, 3, 6, 9, 12, 18]))
        )
        if rnd.random() < 0.8:
            params.append((f"{p}_predictor_demos", rnd.choice([1, 3, 6, 12, 18])))
    if rnd.random() < 0.1:  # names that sort as text, not as numbers
        params += [("10_predictor_demos", 6), ("2_predictor_instruction", 3)]
        params = list(dict(params).items())
    return (
        params,
        rnd.choice([0, 3, 9, 10, 11, 15, 25, 27, 40, 60]),
        rnd.choice([0.0, 0.1, 1.0]),
        rnd,
    )


def main():
    out = []
    for seed in range(int(sys.argv[1])):
        params, before, grain, rnd = history(seed)
        distributions = {
            n: optuna.distributions.CategoricalDistribution(range(k)) for n, k in params
        }
        study = optuna.create_study(
            direction="maximize",
            sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True),
        )

        def score():
            value = (
                rnd.choice([0, 20, 40, 60, 80, 100])
                if grain == 0
                else 100 * rnd.random()
            )
            return round(value / grain) * grain if grain else float(value)

        def add(choice, value):
            study.add_trial(
                optuna.trial.create_trial(
                    params=choice, distributions=distributions, value=value
                )
            )

        trials = []
        for _ in range(before):
            choice = {n: rnd.randrange(k) for n, k in params}
            trials.append({"choice": choice, "value": score()})
            add(**trials[-1])
        suggested = []
        for i in range(3):
            trial = study.ask()
            choice = {n: trial.suggest_categorical(n, range(k)) for n, k in params}
            value = score()
            if i == 1:  # a full evaluation, added while its trial runs
                extra = {"choice": choice, "value": score()}
                add(**extra)
                study.tell(trial, value)
                suggested.append(
                    {"choice": choice, "value": value, "extra": extra["value"]}
                )
            else:
                study.tell(trial, value)
                suggested.append({"choice": choice, "value": value})
        out.append(
            {
                "seed": seed,
                "params": [{"name": n, "choices": k} for n, k in params],
                "trials": trials,
                "suggested": suggested,
            }
        )
    json.dump(out, sys.stdout)


main()
