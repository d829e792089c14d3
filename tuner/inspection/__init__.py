"""What is looked at of an experiment's data and of its best model: computed once, kept as JSON.

    python -m tuner.inspection      # a process that a dashboard asks, by lines of JSON

`store_of` finds the prepared data, `data_of` describes it (beside the store), `model_of` what the best model
predicts on the validation split (in the experiment's folder); `scores.py` has the formulas, in numpy alone.
"""
