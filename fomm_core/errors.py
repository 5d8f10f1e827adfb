"""Errors that a user may meet. Each message says what was expected, what came, and what to do."""


class FommError(ValueError):
    """Base of every error that is caused by the input rather than by a defect of this library.

    Its message says what was expected, what was received and what to do.

    Example:
        >>> from fomm_nodes.fomm_core import FommError, load_builtin
        >>> try:
        ...     load_builtin("demo")
        ... except FommError as error:
        ...     print(type(error).__name__)
        CheckpointError
    """


class ExistsError(FommError):
    """A file to write exists already, and overwriting it was not allowed."""


class CheckpointError(FommError):
    """A weights file is missing, damaged, unsafe, or of another architecture."""


class ConfigError(FommError):
    """A configuration is incomplete, out of bounds, or contradicts itself."""


class PerformanceError(FommError):
    """A saved performance is missing, damaged, or of a newer format."""


class SizeError(FommError):
    """An image size does not fit the strides of the networks."""


class KeypointError(FommError):
    """Keypoints do not fit each other, the model, or the requested mode."""


class ImageError(FommError):
    """An image or video holds no usable pixels: wrong shape, no frames, NaN."""


class RegionError(FommError):
    """A region of an image is no region, lies outside, or does not fit the image, clip or box it is used with."""


class GraphError(FommError):
    """A saved graph cannot be read, converted, or run as it is."""


class TrainingError(FommError):
    """A training run cannot begin, go on, or be resumed as asked."""


class DataError(FommError):
    """A data set holds nothing, or too little, to train or measure with."""


class DownloadError(FommError):
    """A file can't be downloaded, or is not what was asked for."""
