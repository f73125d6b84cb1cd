"""What a study rests on, as BibTeX: the facts of each source in a line, and only those that are cited."""

from __future__ import annotations

from collections.abc import Iterable

# Key -> kind of entry, and its fields.
_ENTRIES: dict[str, tuple[str, dict[str, str]]] = {
    "kartynnik2019": ("misc", {
        "author": "Kartynnik, Yury and Ablavatski, Artsiom and Grishchenko, Ivan and Grundmann, Matthias",
        "title": "Real-time Facial Surface Geometry from Monocular Video on Mobile {GPUs}", "year": "2019",
        "eprint": "1907.06724", "archiveprefix": "arXiv"}),
    "wightman2019": ("misc", {
        "author": "Wightman, Ross", "title": "{PyTorch} Image Models", "year": "2019",
        "doi": "10.5281/zenodo.4414861"}),
    "paszke2019": ("inproceedings", {
        "author": "Paszke, Adam and Gross, Sam and Massa, Francisco and others",
        "title": "{PyTorch}: An Imperative Style, High-Performance Deep Learning Library",
        "booktitle": "Advances in Neural Information Processing Systems 32", "year": "2019"}),
    "falcon2019": ("misc", {
        "author": "Falcon, William and {The PyTorch Lightning team}", "title": "{PyTorch Lightning}", "year": "2019",
        "doi": "10.5281/zenodo.3828935"}),
    "buslaev2020": ("article", {
        "author": "Buslaev, Alexander and Iglovikov, Vladimir I. and Khvedchenya, Eugene and others",
        "title": "Albumentations: Fast and Flexible Image Augmentations", "journal": "Information", "volume": "11",
        "number": "2", "year": "2020", "doi": "10.3390/info11020125"}),
    "goodfellow2013": ("inproceedings", {
        "author": "Goodfellow, Ian J. and Erhan, Dumitru and Carrier, Pierre Luc and others",
        "title": "Challenges in Representation Learning: A Report on Three Machine Learning Contests",
        "booktitle": "Neural Information Processing (ICONIP)", "year": "2013", "doi": "10.1007/978-3-642-42051-1_16"}),
    "barsoum2016": ("inproceedings", {
        "author": "Barsoum, Emad and Zhang, Cha and Canton Ferrer, Cristian and Zhang, Zhengyou",
        "title": "Training Deep Networks for Facial Expression Recognition with Crowd-sourced Label Distribution",
        "booktitle": "International Conference on Multimodal Interaction (ICMI)", "year": "2016",
        "doi": "10.1145/2993148.2993165"}),
    "li2017": ("inproceedings", {
        "author": "Li, Shan and Deng, Weihong and Du, JunPing",
        "title": "Reliable Crowdsourcing and Deep Locality-Preserving Learning for Expression Recognition in the Wild",
        "booktitle": "Computer Vision and Pattern Recognition (CVPR)", "year": "2017", "doi": "10.1109/CVPR.2017.277"}),
    "lucey2010": ("inproceedings", {
        "author": "Lucey, Patrick and Cohn, Jeffrey F. and Kanade, Takeo and others",
        "title": "The Extended {Cohn-Kanade} Dataset ({CK+}): A Complete Dataset for Action Unit and Emotion-specified "
                 "Expression",
        "booktitle": "Computer Vision and Pattern Recognition Workshops (CVPRW)", "year": "2010",
        "doi": "10.1109/CVPRW.2010.5543262"}),
    "mollahosseini2019": ("article", {
        "author": "Mollahosseini, Ali and Hasani, Behzad and Mahoor, Mohammad H.",
        "title": "{AffectNet}: A Database for Facial Expression, Valence, and Arousal Computing in the Wild",
        "journal": "IEEE Transactions on Affective Computing", "volume": "10", "number": "1", "year": "2019",
        "doi": "10.1109/TAFFC.2017.2740923"}),
    "lundqvist1998": ("misc", {
        "author": "Lundqvist, Daniel and Flykt, Anders and Öhman, Arne",
        "title": "The {Karolinska} Directed Emotional Faces ({KDEF})", "year": "1998",
        "howpublished": "Karolinska Institutet, Stockholm"}),
    "lyons1998": ("inproceedings", {
        "author": "Lyons, Michael and Akamatsu, Shigeru and Kamachi, Miyuki and Gyoba, Jiro",
        "title": "Coding Facial Expressions with {Gabor} Wavelets",
        "booktitle": "Automatic Face and Gesture Recognition (FG)", "year": "1998", "doi": "10.1109/AFGR.1998.670949"}),
    "ortmann2024": ("inproceedings", {
        "author": "Ortmann, Thorben and Wang, Qi and Putzar, Larissa",
        "title": "{EmojiHeroVR}: A Study on Facial Expression Recognition under Partial Occlusion from Head-Mounted "
                 "Displays",
        "booktitle": "Affective Computing and Intelligent Interaction (ACII)", "year": "2024"}),
    "jiang2023": ("inproceedings", {
        "author": "Jiang and others", "title": "{MaskTheFER}",
        "booktitle": "Digital Image Computing: Techniques and Applications (DICTA)", "year": "2023",
        "note": "Data: doi 10.17632/sp3xssmzbg.1"}),
    "casasortiz2024": ("article", {
        "author": "Casas-Ortiz and Echeverria and Jimenez-Tellez and Santos",
        "title": "Exploring the Impact of Partial Occlusion on Emotion Classification From Facial Expressions: A "
                 "Comparative Study of {XR} Headsets and Face Masks",
        "journal": "IEEE Access", "volume": "12", "year": "2024", "doi": "10.1109/ACCESS.2024.3380439"}),
    "efron1993": ("book", {
        "author": "Efron, Bradley and Tibshirani, Robert J.", "title": "An Introduction to the Bootstrap",
        "publisher": "Chapman \\& Hall", "year": "1993"}),
    "davison1997": ("book", {
        "author": "Davison, Anthony C. and Hinkley, David V.", "title": "Bootstrap Methods and their Application",
        "publisher": "Cambridge University Press", "year": "1997"}),
    "owen2007": ("article", {
        "author": "Owen, Art B.", "title": "The Pigeonhole Bootstrap", "journal": "Annals of Applied Statistics",
        "volume": "1", "number": "2", "year": "2007", "doi": "10.1214/07-AOAS122"}),
    "searle1992": ("book", {
        "author": "Searle, Shayle R. and Casella, George and McCulloch, Charles E.", "title": "Variance Components",
        "publisher": "Wiley", "year": "1992"}),
    "holm1979": ("article", {
        "author": "Holm, Sture", "title": "A Simple Sequentially Rejective Multiple Test Procedure",
        "journal": "Scandinavian Journal of Statistics", "volume": "6", "number": "2", "year": "1979"}),
    "mcnemar1947": ("article", {
        "author": "McNemar, Quinn",
        "title": "Note on the Sampling Error of the Difference between Correlated Proportions or Percentages",
        "journal": "Psychometrika", "volume": "12", "number": "2", "year": "1947", "doi": "10.1007/BF02295996"}),
    "schuirmann1987": ("article", {
        "author": "Schuirmann, Donald J.",
        "title": "A Comparison of the Two One-Sided Tests Procedure and the Power Approach for Assessing the "
                 "Equivalence of Average Bioavailability",
        "journal": "Journal of Pharmacokinetics and Biopharmaceutics", "volume": "15", "number": "6", "year": "1987",
        "doi": "10.1007/BF01068419"}),
    "guo2017": ("inproceedings", {
        "author": "Guo, Chuan and Pleiss, Geoff and Sun, Yu and Weinberger, Kilian Q.",
        "title": "On Calibration of Modern Neural Networks",
        "booktitle": "International Conference on Machine Learning (ICML)", "year": "2017"}),
}  # fmt: skip

DATASETS: dict[str, tuple[str, ...]] = {
    "fer2013": ("goodfellow2013",), "ferplus": ("goodfellow2013", "barsoum2016"), "rafdb": ("li2017",),
    "ckplus": ("lucey2010",), "affectnet": ("mollahosseini2019",), "kdef": ("lundqvist1998",), "jaffe": ("lyons1998",),
    "emohevrdb": ("ortmann2024",), "masked_fer2023": ("goodfellow2013", "jiang2023"),
    "masked_ckplus": ("lucey2010", "jiang2023"),
}  # fmt: skip
"""Dataset -> what to cite for it."""


def bibtex(keys: Iterable[str]) -> str:
    """`references.bib` of these keys, in alphabetical order; a key that is not known is an error of ours."""
    return "\n".join(_entry(key, *_ENTRIES[key]) for key in sorted(set(keys)))


def _entry(key: str, kind: str, fields: dict[str, str]) -> str:
    lines = "".join(f"  {name} = {{{text}}},\n" for name, text in fields.items())
    return f"@{kind}{{{key},\n{lines}}}\n"
