"""Tiny random models of transformers with their tokenizer, saved as users have them."""

import json
from pathlib import Path

WORDS = [
    "a",
    "film",
    "fine",
    "lovely",
    "warm",
    "dull",
    "cold",
    "weak",
    "the",
    "was",
    *map(str, range(10)),
    ".",
]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
POSITIONS = 24


def save_bert(folder: Path, **changes) -> Path:
    """A BERT of three layers, without dropout."""
    import torch
    from transformers import BertConfig, BertForMaskedLM

    settings = {
        "vocab_size": len(SPECIAL) + len(WORDS),
        "hidden_size": 16,
        "num_hidden_layers": 3,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "max_position_embeddings": POSITIONS,
        "initializer_range": 0.2,
        "hidden_dropout_prob": 0.0,
        "attention_probs_dropout_prob": 0.0,
    }
    torch.manual_seed(1)
    BertForMaskedLM(BertConfig(**settings | changes)).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


def save_gpt2(folder: Path, **changes) -> Path:
    """A GPT-2 of two layers, without dropout; its head shares the embedding's weights."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    dropouts = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    # Two tokens more than the tokenizer has.
    size = {"vocab_size": len(SPECIAL) + len(WORDS) + 2, "n_embd": 16, "n_layer": 2, "n_head": 2}
    special = {"bos_token_id": 0, "eos_token_id": 0, "initializer_range": 0.2}
    torch.manual_seed(1)
    config = GPT2Config(n_positions=POSITIONS, **dropouts | size | special | changes)
    GPT2LMHeadModel(config).save_pretrained(folder)
    save_tokenizer(folder)
    return folder


PIXELS = {"image_mean": [0.5, 0.4, 0.3], "image_std": [0.25, 0.2, 0.5]}
"""As a preprocessor_config.json has them, of values from 0 to 1."""


def save_vit(folder: Path, **changes) -> Path:
    """A ViT of three layers for RGB images of 8 x 9 pixels, without dropout."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    size = {"image_size": [8, 9], "patch_size": [4, 3], "hidden_size": 16, "intermediate_size": 32}
    depth = {"num_hidden_layers": 3, "num_attention_heads": 2, "initializer_range": 0.2}
    torch.manual_seed(1)
    ViTForImageClassification(ViTConfig(**size | depth | changes)).save_pretrained(folder)
    return _save_pixels(folder)


def save_resnet(folder: Path) -> Path:
    """A residual network of two stages."""
    import torch
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(1)
    config = ResNetConfig(embedding_size=8, hidden_sizes=[8, 16], depths=[1, 1], layer_type="basic")
    ResNetForImageClassification(config).save_pretrained(folder)
    return _save_pixels(folder)


def save_convnext(folder: Path) -> Path:
    """A ConvNeXt of two stages."""
    import torch
    from transformers import ConvNextConfig, ConvNextForImageClassification

    size = {"num_stages": 2, "hidden_sizes": [16, 32], "depths": [1, 1], "image_size": 16}
    torch.manual_seed(1)
    config = ConvNextConfig(**size, initializer_range=0.2, layer_scale_init_value=0.1)
    ConvNextForImageClassification(config).save_pretrained(folder)
    return _save_pixels(folder)


def _save_pixels(folder: Path) -> Path:
    (folder / "preprocessor_config.json").write_text(json.dumps(PIXELS))
    return folder


def save_tokenizer(folder: Path) -> None:
    """A WordPiece tokenizer of whole words that puts [CLS] in front and [SEP] at the end."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    ids = {word: place for place, word in enumerate(SPECIAL + WORDS)}
    library = Tokenizer(models.WordPiece(ids, unk_token="[UNK]"))
    library.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    library.post_processor = processors.BertProcessing(("[SEP]", ids["[SEP]"]), ("[CLS]", ids["[CLS]"]))
    library.add_special_tokens(SPECIAL)
    library.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"pad_token": "[PAD]"}')


HEARD_RATE = 8000
SHORTEST = 25
"""Samples of which the models below make a frame."""


def save_hearing(folder: Path, kind: str = "wav2vec2", *, normalises=True, masks=False, **changes) -> Path:
    """A model of waves of two convolutions and two layers, without dropout; of type `kind`."""
    import torch
    from transformers import AutoConfig, AutoModelForAudioClassification, Wav2Vec2FeatureExtractor

    dropouts = (
        "hidden_dropout",
        "activation_dropout",
        "attention_dropout",
        "feat_proj_dropout",
        "final_dropout",
    )
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    convolutions = {"conv_dim": (8, 16), "conv_kernel": (10, 4), "conv_stride": (5, 4)}
    positions = {"num_conv_pos_embeddings": 4, "num_conv_pos_embedding_groups": 2, "classifier_proj_size": 8}
    if kind == "data2vec-audio":
        positions |= {"num_conv_pos_embeddings": 3, "conv_pos_kernel_size": 3}
    settings = dict.fromkeys(dropouts, 0.0) | size | convolutions | positions | {"initializer_range": 0.2}
    torch.manual_seed(1)
    config = AutoConfig.for_model(kind, **settings | changes)
    AutoModelForAudioClassification.from_config(config).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(
        sampling_rate=HEARD_RATE, do_normalize=normalises, return_attention_mask=masks
    ).save_pretrained(folder)
    return folder


def save_ast(folder: Path) -> Path:
    """An Audio Spectrogram Transformer of two layers for 32 frames of 16 bands."""
    import torch
    from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    pictures = {"max_length": 32, "num_mel_bins": 16}
    patches = {"patch_size": 8, "frequency_stride": 8, "time_stride": 8, "initializer_range": 0.2}
    torch.manual_seed(1)
    ASTForAudioClassification(ASTConfig(**size | pictures | patches)).save_pretrained(folder)
    ASTFeatureExtractor(**pictures).save_pretrained(folder)
    return folder
