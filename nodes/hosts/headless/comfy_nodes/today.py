"""What ComfyUI 0.33 calls nodes that 0.3.64 had already, and the outputs that it added to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from ....spec import AUDIO, IMAGE, INT, MASK, STRING, VIDEO
from .node import CoreNode

CALLED: Mapping[str, tuple[str, str]] = {
    "CreateVideo": ("", "video"),
    "CropMask": ("Crop Mask", "image/mask"),
    "EmptyImage": ("Empty Image", ""),
    "FeatherMask": ("Feather Mask", "image/mask"),
    "GetVideoComponents": ("", "video"),
    "GrowMask": ("Grow Mask", "image/mask"),
    "ImageBatch": ("Batch Images (DEPRECATED)", "image/batch"),
    "ImageBlur": ("Blur Image", "image/filters"),
    "ImageColorToMask": ("Convert Image Color to Mask", "image/mask"),
    "ImageCompositeMasked": ("Image Composite Masked", "image/compositing"),
    "ImageCrop": ("Crop Image (DEPRECATED)", ""),
    "ImageFlip": ("Flip Image", ""),
    "ImageFromBatch": ("Get Image from Batch", ""),
    "ImageInvert": ("Invert Image Colors", "image/color"),
    "ImagePadForOutpaint": ("", "image/transform"),
    "ImageRotate": ("Rotate Image", ""),
    "ImageSharpen": ("Sharpen Image", "image/filters"),
    "ImageToMask": ("", "image/mask"),
    "InvertMask": ("Invert Mask", "image/mask"),
    "JoinImageWithAlpha": ("", "image/compositing"),
    "LoadImageMask": ("", "image"),
    "LoadVideo": ("", "video"),
    "MaskComposite": ("Combine Masks", "image/mask"),
    "MaskPreview": ("Preview Mask", "image/mask"),
    "MaskToImage": ("", "image/mask"),
    "PreviewAny": ("Preview as Text", "utilities"),
    "PrimitiveBoolean": ("", "utilities/primitive"),
    "PrimitiveFloat": ("", "utilities/primitive"),
    "PrimitiveInt": ("", "utilities/primitive"),
    "PrimitiveString": ("Text", "utilities/primitive"),
    "PrimitiveStringMultiline": ("Text (Multiline)", "utilities/primitive"),
    "RepeatImageBatch": ("Repeat Image Batch", ""),
    "SaveAnimatedPNG": ("Save Animated PNG", "image"),
    "SaveAnimatedWEBP": ("Save Animated WEBP", "image"),
    "SaveAudio": ("Save Audio (FLAC) (DEPRECATED)", ""),
    "SaveAudioMP3": ("Save Audio (MP3) (DEPRECATED)", ""),
    "SaveAudioOpus": ("Save Audio (Opus) (DEPRECATED)", ""),
    "SaveVideo": ("", "video"),
    "SaveWEBM": ("Save WEBM", "video"),
    "SolidMask": ("Create Solid Mask", "image/mask"),
    "SplitImageWithAlpha": ("", "image/compositing"),
    "ThresholdMask": ("Threshold Mask", "image/mask"),
    "Video Slice": ("Trim Video", "video"),
}
"""(title, category) by class; empty where it is the same as before."""

PICTURES, SOUND = ((IMAGE, "images"),), ((AUDIO, "audio"),)
ADDED: Mapping[str, tuple[tuple[str, str], ...]] = {
    "GetVideoComponents": ((INT, "bit_depth"), ("COMBO", "color_space")),
    "MaskPreview": ((MASK, "mask"),),
    "PreviewAny": ((STRING, STRING),),
    **dict.fromkeys(("PreviewAudio", "SaveAudio", "SaveAudioMP3", "SaveAudioOpus"), SOUND),
    **dict.fromkeys(("PreviewImage", "SaveImage", "SaveAnimatedPNG", "SaveAnimatedWEBP", "SaveWEBM"), PICTURES),
    "SaveVideo": ((VIDEO, "video"),),
}
"""Savers and previews hand on what they got."""


def as_of_today(node: CoreNode) -> CoreNode:
    """The node with what 0.33 says of it."""
    title, category = CALLED.get(node.id, ("", ""))
    return replace(node, title_now=title, category_now=category, more_outputs=ADDED.get(node.id, ()))
