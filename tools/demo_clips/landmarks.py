"""Places in MediaPipe's mesh of 468 landmarks."""

FOREHEAD, CHIN = 10, 152
LEFT, RIGHT = 234, 454
"""Beside the ears; "left" is left in the image of a face that looks at the viewer."""

OVAL = (
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
)
"""The outline of the face, all around."""

PAIRS = ((33, 263), (133, 362), (127, 356), (234, 454), (93, 323), (109, 338), (67, 297), (103, 332), (54, 284))
"""Points left and right that no expression moves against each other."""
RIGID = (10, 151, 9, 8, 168, 6, 197, 195, 5, 4, *(point for pair in PAIRS for point in pair))
"""Points that move with the skull alone."""

MOUTH_LEFT, MOUTH_RIGHT = 78, 308
UPPER_LIP = (191, 80, 81, 82, 13, 312, 311, 310, 415)
LOWER_LIP = (95, 88, 178, 87, 14, 317, 402, 318, 324)
"""Inner edges, left to right, without the corners."""

LIPS = (
    ((61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291), (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291)),
    ((76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306), (76, 77, 90, 180, 85, 16, 315, 404, 320, 307, 306)),
    ((62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292), (62, 96, 89, 179, 86, 15, 316, 403, 319, 325, 292)),
    ((78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308), (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)),
)
"""Upper and lower lip, each from the outer edge to the inner one, left to right, corners included."""
JAW = (132, 58, 172, 136, 150, 149, 176, 148, 152, 377, 400, 378, 379, 365, 397, 288, 361)
"""The outline from ear to ear along the chin."""
NOSE_TIP, NOSE_BASE = 4, 2

LIDS = (
    (33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173),
    (263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398),
)
"""The contour of each eye as the eye network orders it: outer corner, lower lid, inner corner, upper lid, both lids
from the outer corner to the inner one. The eye at the left of the image comes first.
"""
AROUND_EYES = (
    (
        *(130, 25, 110, 24, 23, 22, 26, 112, 243, 247, 30, 29, 27, 28, 56, 190),
        *(226, 31, 228, 229, 230, 231, 232, 233, 244, 113, 225, 224, 223, 222, 221, 189),
    ),
    (
        *(359, 255, 339, 254, 253, 252, 256, 341, 463, 467, 260, 259, 257, 258, 286, 414),
        *(446, 261, 448, 449, 450, 451, 452, 453, 464, 342, 445, 444, 443, 442, 441, 413),
    ),
)
"""Two rings around that contour, likewise: the eye network's points 16 to 47."""
EYES = tuple(((*lids[9:],), (*lids[1:8],)) for lids in LIDS)
"""Upper and lower lid of each eye, points above each other."""
BROWS = ((70, 63, 105, 66, 107, 55, 65, 52, 53, 46), (300, 293, 334, 296, 336, 285, 295, 282, 283, 276))
