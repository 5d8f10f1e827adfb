"""Emoji by their names: code points in hexadecimal, joined with `-`."""

_RANGES = (
    (0x1F600, 0x1F64F),  # faces and gestures
    (0x1F910, 0x1F917),
    (0x1F920, 0x1F92F),
    (0x1F970, 0x1F97A),
    (0x1F479, 0x1F480),  # ogre to skull
    (0x1F31A, 0x1F31A),  # moons and the sun with faces
    (0x1F31D, 0x1F31E),
    (0x1F42D, 0x1F43C),  # animals' heads
    (0x1F466, 0x1F469),  # people
    (0x1F46E, 0x1F478),
    (0x1F481, 0x1F487),
    (0x1F9D0, 0x1F9DD),
    (0x1F930, 0x1F931),
    (0x1F934, 0x1F936),
    (0x1F9B8, 0x1F9B9),
)
_SINGLE = {0x2639, 0x263A, 0x1F385, 0x1F575, 0x1F977, 0x1F978, 0x1F981, 0x1F984, 0x1F989, 0x1F98A, 0x1F99D}
_NOT_IDENTITY = {"1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff", "200d", "2640", "2642", "fe0f"}
"""Skin tones, joiners and the signs of the sexes: the same figure in another guise."""


def shows_face(name: str) -> bool:
    """Whether an emoji, by its code points joined with `-`, is a face, a person or an animal's head."""
    first = int(name.split("-")[0], 16)
    return first in _SINGLE or any(low <= first <= high for low, high in _RANGES)


def identity_of(name: str) -> str:
    """The emoji without skin tone and sex."""
    return "-".join(point for point in name.split("-") if point not in _NOT_IDENTITY)
