"""The words that are one token each for the shipped model; any other word is spelt."""

from __future__ import annotations

_FRAME = """
a an the of with and no on in at empty photo picture image good clean normal whole new without one
two three four five six seven eight
"""
_PRODUCTS = """
fastener tray gear unit brushed steel plate part surface product metal plastic board fabric wood
stone leather texture pattern
"""
_PARTS = """
bolt nut washer spring clip cap screw pinion bearing lever pin hole slot text resistor chip wire
connector
"""
_FLAWS = """
scratch dent crack stain damage defect anomaly broken missing bent cut spot dirt corrosion blowhole
break fray uneven open short
"""
_PLURALS = """
bolts nuts washers springs clips caps gears screws pinions bearings levers pins holes scratches
dents cracks stains
"""
_LOOKS = """
black white grey red blue green orange yellow brown brass copper dark bright small large long thin
wide rough smooth
"""
_PLACES = """
left right top bottom middle corner edge
"""

WORDS: tuple[str, ...] = tuple(
    dict.fromkeys(" ".join((_FRAME, _PRODUCTS, _PARTS, _FLAWS, _PLURALS, _LOOKS, _PLACES)).split())
)
