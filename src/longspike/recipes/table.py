"""The recipes by name: a literal table."""

from collections.abc import Callable

from longspike._core.mistakes import did_you_mean
from longspike.errors import ConfigError
from longspike.recipes.definition import Recipe
from longspike.recipes.digits import (
    digits,
    digits_bernoulli,
    digits_binary_s4d,
    digits_hard_reset,
    digits_s4d,
    digits_sdn,
)
from longspike.recipes.events import (
    celex_har,
    dvs_gesture,
    event_digits,
    nmnist,
    nmnist_hippo,
    nmnist_lif,
    nmnist_no_dendrites,
    shd,
    ssc,
)
from longspike.recipes.full import cifar10_patches_full, psmnist_full, scifar_full, smnist_full
from longspike.recipes.language import novels, novels_words, ptb, shakespeare, wikitext_2, wikitext_103
from longspike.recipes.long_range import (
    listops,
    listops_full,
    lra_image,
    lra_image_full,
    lra_retrieval,
    lra_retrieval_full,
    lra_text,
    lra_text_full,
    novel_pairs,
    path_x,
    path_x_full,
    pathfinder,
    pathfinder_easy,
    pathfinder_full,
)
from longspike.recipes.signals import signal_segments
from longspike.recipes.small import (
    cifar10_columns,
    cifar10_patches,
    cifar10_patches_medium,
    cifar10_patches_small,
    psmnist,
    scifar,
    smnist,
)
from longspike.recipes.sounds import (
    speech_commands_full,
    spoken_digits_frames,
    spoken_digits_raw,
    spoken_digits_raw_speakers,
)

_RECIPES: dict[str, Callable[[], Recipe]] = {
    "digits": digits,
    "digits-hard-reset": digits_hard_reset,
    "digits-sdn": digits_sdn,
    "digits-binary-s4d": digits_binary_s4d,
    "digits-bernoulli": digits_bernoulli,
    "digits-s4d": digits_s4d,
    "smnist": smnist,
    "psmnist": psmnist,
    "scifar": scifar,
    "smnist-full": smnist_full,
    "psmnist-full": psmnist_full,
    "scifar-full": scifar_full,
    "lra-text": lra_text,
    "lra-text-full": lra_text_full,
    "lra-image": lra_image,
    "lra-image-full": lra_image_full,
    "listops": listops,
    "listops-full": listops_full,
    "novel-pairs": novel_pairs,
    "lra-retrieval": lra_retrieval,
    "lra-retrieval-full": lra_retrieval_full,
    "pathfinder": pathfinder,
    "pathfinder-easy": pathfinder_easy,
    "pathfinder-full": pathfinder_full,
    "path-x": path_x,
    "path-x-full": path_x_full,
    "cifar10-patches": cifar10_patches,
    "cifar10-patches-medium": cifar10_patches_medium,
    "cifar10-patches-small": cifar10_patches_small,
    "cifar10-patches-full": cifar10_patches_full,
    "cifar10-columns": cifar10_columns,
    "spoken-digits-raw": spoken_digits_raw,
    "spoken-digits-raw-speakers": spoken_digits_raw_speakers,
    "spoken-digits-frames": spoken_digits_frames,
    "speech-commands-full": speech_commands_full,
    "signal-segments": signal_segments,
    "shakespeare": shakespeare,
    "novels": novels,
    "novels-words": novels_words,
    "ptb": ptb,
    "wikitext-2": wikitext_2,
    "wikitext-103": wikitext_103,
    "event-digits": event_digits,
    "nmnist": nmnist,
    "nmnist-no-dendrites": nmnist_no_dendrites,
    "nmnist-hippo": nmnist_hippo,
    "nmnist-lif": nmnist_lif,
    "dvs-gesture": dvs_gesture,
    "shd": shd,
    "ssc": ssc,
    "celex-har": celex_har,
}


def recipes() -> tuple[str, ...]:
    """The names that `recipe` knows.

    Example:
        >>> "digits" in recipes()
        True
    """
    return tuple(_RECIPES)


def recipe(name: str) -> Recipe:
    """The recipe of a name.

    Raises: ConfigError with the nearest name.
    """
    if name not in _RECIPES:
        hint = did_you_mean(name, _RECIPES)
        raise ConfigError(
            f"there is no recipe {name!r}.{hint} `longspike recipes` lists them; a file of your own (.py) or the "
            "recipe.json of a run may be given too."
        )
    return _RECIPES[name]()
