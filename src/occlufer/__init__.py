"""OccluFER: how much of a facial expression can a network still read under a mask or a headset?"""

__version__ = "0.1.0"
