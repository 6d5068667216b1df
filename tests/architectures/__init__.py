"""Small models, in bare torch, that together show every structure the field uses; laws are tested over the table."""

from architectures.attention import (
    encoder_classifier,
    gpt2,
    llama,
    lora,
    mixtral,
    t5,
    vit,
)
from architectures.convolutional import autoencoder, densenet, mobilenet, resnet, unet, weight_standardised
from architectures.plain import (
    backwards,
    bare,
    dataclass_output,
    dict_output,
    graph_network,
    hypernetwork,
    mlp,
    questions,
    siamese,
    tuple_output,
)
from architectures.recurrent import gru, lstm, mamba, rnn

ARCHITECTURES = {
    "mlp": mlp,
    "resnet": resnet,
    "vit": vit,
    "gpt2": gpt2,
    "llama": llama,
    "t5": t5,
    "mixtral": mixtral,
    "mamba": mamba,
    "lstm": lstm,
    "gru": gru,
    "rnn": rnn,
    "transformer encoder": encoder_classifier,
    "unet": unet,
    "registered out of order": backwards,
    "bare parameters": bare,
    "hypernetwork": hypernetwork,
    "weight standardised": weight_standardised,
    "siamese": siamese,
    "tuple output": tuple_output,
    "dict output": dict_output,
    "dataclass output": dataclass_output,
    "questions to tensors": questions,
    "graph network": graph_network,
    "densenet": densenet,
    "mobilenet": mobilenet,
    "autoencoder": autoencoder,
    "lora": lora,
}
"""A name, and the function that builds the model and a batch for it, from torch's global generator."""

# Which way they go depends on values, so that without values they cannot run.
NEEDS_VALUES = ("mixtral", "questions to tensors")

__all__ = ["ARCHITECTURES", "NEEDS_VALUES"]
