"""What folders, columns and labels are usually called: expressions in many languages, numberings, parts of a set."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence

from occlufer.types import EXPRESSIONS, SPLITS, DatasetError, override, unknown_name

# English, German, French, Spanish, Italian, Portuguese, Dutch, Polish, Turkish, Russian, Chinese, Japanese, Korean.
_EXPRESSIONS = {
    "anger": "anger angry mad|wut wütend zorn zornig ärger ärgerlich aerger|colère en_colère fâché|"
             "ira enojo enojado enfado enfadado enfadada rabia furia|rabbia arrabbiato arrabbiata|raiva zangado|"
             "boos boosheid woede|złość zły gniew|öfke öfkeli kızgın kızgınlık sinirli|гнев злость злой|"
             "生气 生氣 愤怒 憤怒|怒り 怒|분노 화남",
    "disgust": "disgust disgusted disgusting|ekel angewidert|dégoût dégoûté|asco repugnancia asqueado|"
               "disgusto disgustato|nojo repulsa|walging afschuw|wstręt obrzydzenie|iğrenme iğrenmiş tiksinme tiksinti|"
               "отвращение|厌恶 厭惡 恶心 噁心|嫌悪|혐오 역겨움",
    "fear": "fear fearful afraid scared|angst ängstlich aengstlich furcht verängstigt|peur apeuré effrayé|"
            "miedo temor asustado asustada|paura spaventato|medo assustado|bang|strach|korku korkmuş korkulu|"
            "страх испуг|恐惧 恐懼 害怕|恐れ 恐怖|공포 두려움",
    "happiness": "happiness happy joy joyful|freude freudig fröhlich froehlich glücklich gluecklich glück|"
                 "joie joyeux bonheur heureux|felicidad feliz alegría alegre|felicità felice gioia|"
                 "felicidade alegria|blij geluk gelukkig vreugde|radość szczęście szczęśliwy|mutlu mutluluk|"
                 "радость счастье|高兴 高興 开心 開心 快乐 快樂|喜び 幸福 幸せ|기쁨 행복",
    "neutral": "neutral neutrality|neutre|neutro neutra|neutrale|neutraal|neutralny neutralne|nötr doğal tarafsız|"
               "нейтральное нейтральный нейтрально|中性 中立 无表情 無表情|中立 無表情|중립 무표정",
    "sadness": "sadness sad|trauer traurig traurigkeit|tristesse triste|tristeza|tristezza|verdriet verdrietig droevig|"
               "smutek smutny|üzgün üzüntü|грусть печаль|悲伤 悲傷 伤心 傷心 难过 難過|悲しみ|슬픔",
    "surprise": "surprise surprised|überraschung überrascht ueberraschung|surpris étonnement|sorpresa sorprendido|"
                "sorpreso|surpreso surpresa|verrassing verrast|zaskoczenie zdziwienie|şaşkın şaşkınlık sürpriz|"
                "удивление|惊讶 驚訝 吃惊 吃驚|驚き|놀람 놀라움",
}  # fmt: skip
_CONTEMPT = (
    "contempt contemptuous|verachtung|mépris|desprecio|disprezzo|desprezo|minachting|pogarda|küçümseme|"
    "презрение|轻蔑 輕蔑 蔑视|軽蔑|경멸"
)
_SPLITS = {
    "train": "train training trn learn learning",
    "validation": "val valid validation dev development publictest",
    "test": "test testing tst privatetest",
}
_FILLERS = frozenset(
    ("set", "sets", "image", "images", "img", "imgs", "data", "dataset", "face", "faces", "picture", "pictures",
     "photo", "photos", "part", "split", "fold", "folder", "files", "emotion", "expression", "class", "label",
     "cropped", "aligned")
)  # fmt: skip

_NEAR = 0.85  # of difflib's ratio: one letter of seven more or less

READINGS: dict[str, tuple[int, str]] = {
    "fer2013": (0, "anger disgust fear happiness sadness surprise neutral contempt"),
    "affectnet": (0, "neutral happiness sadness surprise fear disgust anger contempt"),
    "ferplus": (0, "neutral happiness surprise sadness anger disgust fear contempt"),
    "rafdb": (1, "surprise fear disgust happiness sadness anger neutral"),
    "rafdb_from_0": (0, "surprise fear disgust happiness sadness anger neutral"),
    "ckplus": (0, "neutral anger contempt disgust fear happiness sadness surprise"),
    "alphabetical": (0, " ".join(EXPRESSIONS)),
    "alphabetical_with_contempt": (0, " ".join(sorted((*EXPRESSIONS, "contempt")))),
}
"""Orders in which sets number the expressions: the first number, and what it and those after it stand for."""

Targets = Mapping[str, str | None] | Sequence[str] | str | None
"""What a user says of names: `{name: target}`, a list of `"name: target"`, or the name of a reading of numbers."""


def folded(name: str) -> str:
    """A name without what does not tell it from others: case, accents, and which marks stand between its words."""
    plain = unicodedata.normalize("NFKD", name.strip().casefold()).translate(
        {0x131: "i", 0x142: "l", 0xF8: "o"}
    )
    return " ".join(
        re.findall(r"\w+", "".join(c for c in plain if not unicodedata.combining(c)).replace("_", " "))
    )


def _core(name: str) -> str:
    """Of a name like `01_happy faces` or `train_images` what counts; a number alone stays."""
    words = folded(name).split()
    return " ".join(word for word in words if word not in _FILLERS and not word.isdecimal()) or " ".join(
        words
    )


def _table(names: Mapping[str, str]) -> dict[str, str | None]:
    listed = {target: text.replace("|", " ").split() for target, text in names.items()}
    return {folded(name): target for target, words in listed.items() for name in words}


USUAL_CLASSES: dict[str, str | None] = _table(_EXPRESSIONS) | dict.fromkeys(_table({"": _CONTEMPT}))
"""Folded name -> expression; None: contempt, which is none of the seven."""

USUAL_SPLITS: dict[str, str | None] = _table(_SPLITS)
USUAL_SPLITS |= {name + ending: split for name, split in USUAL_SPLITS.items() for ending in ("set", "images")}
"""Folded name -> split."""


def usual(name: str, names: Mapping[str, str | None]) -> tuple[bool, str | None]:
    """Whether a name is a usual one of `USUAL_CLASSES` or `USUAL_SPLITS`, and what it stands for."""
    core = _core(name)
    return core in names, names.get(core)


def is_split(name: str) -> bool:
    """Whether a folder of this name usually holds a part of a set."""
    return usual(name, USUAL_SPLITS)[0]


def is_contempt(name: str) -> bool:
    """Whether a name is one of contempt, which is none of the seven expressions: every adapter leaves it out."""
    return usual(name, USUAL_CLASSES) == (True, None)


def targets(setting: str, given: Targets) -> dict[str, str | None]:
    """The user's names and what they stand for, None to leave them out.

    Args:
        setting: "dataset.classes" or "dataset.splits".
        given: see `Targets`.

    Raises:
        DatasetError: a target or a reading that does not exist, or an entry without a colon.
    """
    if isinstance(given, str):
        if setting != "dataset.classes" or given not in READINGS:
            raise DatasetError(f"{setting}: {unknown_name('reading', given, READINGS)}")
        return reading(given)
    pairs = (
        list(given.items())
        if isinstance(given, Mapping)
        else [_pair(setting, entry) for entry in given or ()]
    )
    kind, known = ("expression", EXPRESSIONS) if setting == "dataset.classes" else ("split", SPLITS)
    for name, target in pairs:
        if target is not None and target not in known:
            told = unknown_name(kind, str(target), known)
            raise DatasetError(f"{setting}, {str(name)!r}: {told} Use null to leave it out.")
    return {str(name): target for name, target in pairs}


def _pair(setting: str, entry: object) -> tuple[str, str | None]:
    name, colon, target = str(entry).rpartition(":")
    if not colon or not name.strip():
        raise DatasetError(
            f"{setting}: {str(entry)!r} says not what it stands for. Wanted: "
            f"{as_list(setting, {'NAME': None})}, with an expression or a split in place of null."
        )
    return name.strip(), None if target.strip().lower() in ("null", "none", "") else target.strip()


def reading(name: str) -> dict[str, str | None]:
    """What the numbers of a reading stand for; contempt is None."""
    first, order = READINGS[name]
    return {
        str(number): target if target in EXPRESSIONS else None
        for number, target in enumerate(order.split(), first)
    }


def as_list(setting: str, names: Mapping[str, str | None]) -> str:
    """The setting as it is typed, such as `'dataset.classes=["Wut: anger","x: null"]'`."""
    return override(setting, [f"{name}: {target or 'null'}" for name, target in names.items()])


def numbers_advice(found: Iterable[str]) -> str:
    """How to say what numbers stand for: a line for each known reading that has them all."""
    numbers = {str(int(number)) for number in found}
    fitting = [name for name in READINGS if numbers <= set(reading(name))]
    lines = [
        f"dataset.classes={name}  # "
        + ", ".join(f"{n} {word}" for n, word in enumerate(order.split(), first))
        for name, (first, order) in READINGS.items()
        if name in fitting
    ]
    own = as_list("dataset.classes", dict.fromkeys(sorted(numbers, key=int)))
    lines.append(f"{own}  # an order of your own, with expressions in place of null")
    return (
        "Sets number the expressions in different orders; find out which is yours, and add one of\n  "
        + "\n  ".join(lines)
    )


def unknown_advice(
    setting: str, unknown: Sequence[str], given: Mapping[str, str | None], *, slips: bool = False
) -> str:
    """How to map names that are not known or to leave them out, beside those that the user has mapped already.

    With `slips` a name that is nearly a usual one is offered as that one.
    """
    of_classes = setting == "dataset.classes"
    kind = "an expression" if of_classes else "train, validation or test"
    guesses = {
        name: _nearest(name, USUAL_CLASSES if of_classes else USUAL_SPLITS) if slips else None
        for name in unknown
    }
    line = as_list(setting, {**given, **guesses})
    if any(guesses.values()):
        return f"If that is what was meant, say {line}; null leaves out what it stands for, {kind} uses it."
    return f"To leave {'it' if len(unknown) == 1 else 'them'} out say {line}; to use, put {kind} in place of null."


def _nearest(name: str, names: Mapping[str, str | None]) -> str | None:
    """What the usual name stands for that this one misspells, such as `suprise`; None where none is near."""
    near = difflib.get_close_matches(folded(name), names, n=1, cutoff=_NEAR)
    return names[near[0]] if near else None
