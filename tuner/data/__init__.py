"""The shared data pipeline: source, split, cleaning, encoding, scaling, store, batches; without torch."""

from tuner.data.batches import Batches, shards
from tuner.data.inputs import input_names, input_suffixes, read_inputs, text_columns
from tuner.data.manifest import Manifest
from tuner.data.order import epoch_order
from tuner.data.shard_cache import ShardCache
from tuner.data.sources import num_bytes
from tuner.data.sources.two_class import bayes_accuracy
from tuner.data.stages import remove_stages
from tuner.data.store import Split, Store, fingerprint, localised, prepare, preprocess
from tuner.data.table import Table
from tuner.data.text import check_texts

__all__ = [
    "Batches",
    "Manifest",
    "ShardCache",
    "Split",
    "Store",
    "Table",
    "bayes_accuracy",
    "check_texts",
    "epoch_order",
    "fingerprint",
    "input_names",
    "input_suffixes",
    "localised",
    "num_bytes",
    "prepare",
    "preprocess",
    "read_inputs",
    "remove_stages",
    "shards",
    "text_columns",
]
