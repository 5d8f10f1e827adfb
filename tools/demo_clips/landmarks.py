"""Places in MediaPipe's mesh of 468 landmarks."""

FOREHEAD, CHIN = 10, 152
LEFT, RIGHT = 234, 454
"""Beside the ears; "left" is left in the picture of a face that looks at the viewer."""

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

EYES = (
    ((246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155)),
    ((466, 388, 387, 386, 385, 384, 398), (249, 390, 373, 374, 380, 381, 382)),
)
"""Upper and lower lid of each eye, points above each other."""

LIVELY = (13, 14, 17, 61, 291)
"""Where talking shows."""
