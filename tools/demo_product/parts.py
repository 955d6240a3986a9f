"""Machine parts as meshes: profiles turned on a lathe, outlines pulled up, and booleans of both.

Each function returns a mesh that lies on the plane z = 0 as the part would lie in a tray, seen from +z, with a longest
side of 2 units about the origin. Needs ``trimesh``, ``manifold3d`` and ``shapely``; only rendering imports this file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import trimesh
from shapely.geometry import Point, Polygon, box
from shapely.ops import unary_union

Mesh = trimesh.Trimesh
SECTIONS = 96


def _lathe(profile: Sequence[tuple[float, float]], sections: int = SECTIONS) -> Mesh:
    """A solid of revolution about z from (radius, height) points."""
    return trimesh.creation.revolve(np.asarray(profile, float), sections=sections)


def _tube(radius: float, height: float, hole: float, bevel: float) -> Mesh:
    """A ring with broken edges."""
    b = bevel
    return _lathe(
        [
            (hole + b, 0), (radius - b, 0), (radius, b), (radius, height - b), (radius - b, height),
            (hole + b, height), (hole, height - b), (hole, b), (hole + b, 0),
        ]
    )  # fmt: skip


def _disc(radius: float, height: float, bevel: float, sections: int = SECTIONS) -> Mesh:
    """A cylinder with broken edges."""
    b = bevel
    return _lathe(
        [(0, 0), (radius - b, 0), (radius, b), (radius, height - b), (radius - b, height), (0, height)], sections
    )


def _pull(outline: Polygon, height: float, z: float = 0.0) -> Mesh:
    mesh = trimesh.creation.extrude_polygon(outline, height)
    mesh.apply_translation([0, 0, z])
    return mesh


def turn(mesh: Mesh, angle: float, axis: Sequence[float]) -> Mesh:
    """``mesh`` itself, turned about an axis through the origin; angle in radians."""
    mesh.apply_transform(trimesh.transformations.rotation_matrix(angle, axis))
    return mesh


def move(mesh: Mesh, x: float = 0, y: float = 0, z: float = 0) -> Mesh:
    """``mesh`` itself, moved."""
    mesh.apply_translation([x, y, z])
    return mesh


def _hexagon(across: float) -> Polygon:
    """A regular hexagon by its corner radius."""
    angles = np.arange(6) * np.pi / 3
    return Polygon(np.stack([np.cos(angles), np.sin(angles)], 1) * across)


def _settle(mesh: Mesh) -> Mesh:
    """Centred in x and y, lying on z = 0, longest side 2."""
    low, high = mesh.bounds
    mesh.apply_translation([-(low[0] + high[0]) / 2, -(low[1] + high[1]) / 2, -low[2]])
    mesh.apply_scale(2.0 / float(mesh.extents[:2].max()))
    return mesh


def _hex_body(radius: float, height: float) -> Mesh:
    """A hexagonal prism whose corners are turned off at both ends, as on every nut."""
    flat = radius * np.cos(np.pi / 6)
    rise = (radius - flat) * 0.75
    cone = _lathe([(0, 0), (flat, 0), (radius, rise), (radius, height - rise), (flat, height), (0, height)])
    return _pull(_hexagon(radius), height).intersection(cone)


def nut() -> Mesh:
    """A hexagon nut with a countersunk, threaded bore."""
    hole, height, pitch = 0.52, 0.72, 0.12
    steps = [(hole + (0.05 if i % 2 else 0.0), z) for i, z in enumerate(np.arange(0.14, height - 0.13, pitch / 2))]
    bore = [
        (0, -0.1),
        (hole + 0.16, -0.1),
        (hole + 0.12, 0.0),
        *steps,
        (hole + 0.12, height),
        (hole + 0.16, height + 0.1),
    ]
    return _settle(_hex_body(1.0, height).difference(_lathe([*bore, (0, height + 0.1)])))


def washer() -> Mesh:
    """A flat washer."""
    return _settle(_tube(1.0, 0.16, 0.5, 0.035))


def _threaded(radius: float, length: float, pitch: float) -> list[tuple[float, float]]:
    points = []
    for z in np.arange(0, length, pitch):
        points += [(radius, z + 0.15 * pitch), (radius * 0.83, z + 0.5 * pitch), (radius * 0.83, z + 0.6 * pitch)]
    return points


def bolt() -> Mesh:
    """A hexagon bolt lying on its side: head, plain shank, thread, chamfered tip."""
    thread = [(r, z + 1.0) for r, z in _threaded(0.3, 1.25, 0.105)]
    shank = _lathe([(0, 0.3), (0.3, 0.3), (0.3, 0.98), *thread, (0.29, 2.27), (0.2, 2.38), (0, 2.38)])
    flange = move(_disc(0.6, 0.06, 0.02), z=0.38)
    mesh = _hex_body(0.6, 0.4).union(flange).union(shank)
    return _settle(turn(turn(mesh, np.pi / 6, [0, 0, 1]), np.pi / 2, [0, 1, 0]))


def screw() -> Mesh:
    """A socket-head cap screw from above: knurled head with a hexagon socket."""
    angles = np.linspace(0, 2 * np.pi, 4 * 60, endpoint=False)
    rim = 1.0 - 0.035 * (np.arange(len(angles)) % 4 >= 2)
    head = _pull(Polygon(np.stack([rim * np.cos(angles), rim * np.sin(angles)], 1)), 0.62)
    head = head.intersection(_lathe([(0, 0), (1, 0), (1, 0.5), (0.9, 0.62), (0, 0.62)]))
    socket = move(_lathe([(0, 0.4), (0.2, 0.5), (0.56, 0.5), (0.56, 0.58), (0.64, 0.7), (0, 0.7)]), z=-0.02)
    return _settle(head.difference(_pull(_hexagon(0.54), 1.0, 0.28)).difference(socket))


def _helix(radius: float, wire: float, turns: float, length: float) -> Mesh:
    """A coil about the x axis: plain tube sweep, closed end turns."""
    t = np.linspace(0, turns, int(turns * 48))
    closed = np.clip(np.minimum(t, turns - t) / 1.2, 0, 1)
    rise = np.cumsum(0.25 + 0.75 * closed)
    x = (rise / rise[-1] - 0.5) * length
    path = np.stack([x, radius * np.cos(2 * np.pi * t), radius * np.sin(2 * np.pi * t)], 1)
    angles = np.linspace(0, 2 * np.pi, 25)
    return trimesh.creation.sweep_polygon(Polygon(np.stack([wire * np.cos(angles), wire * np.sin(angles)], 1)), path)


def spring() -> Mesh:
    """A compression spring lying on its side."""
    return _settle(_helix(0.4, 0.072, 8.0, 1.85))


def clip() -> Mesh:
    """A circlip: an open ring with two eyelets."""
    ring = Point(0, 0).buffer(1.0, 64).difference(Point(0.06, 0).buffer(0.79, 64)).difference(box(0.3, -0.26, 2, 0.26))
    ears = [Point(0.8, s * 0.36).buffer(0.2, 32).difference(Point(0.8, s * 0.36).buffer(0.085, 24)) for s in (-1, 1)]
    holes = unary_union([Point(0.8, s * 0.36).buffer(0.085, 24) for s in (-1, 1)])
    return _settle(_pull(unary_union([ring, *ears]).difference(holes), 0.14))


def cap() -> Mesh:
    """A plastic cap lying open side up, with ribs."""
    profile = [
        (0, 0),
        (0.9, 0),
        (0.97, 0.07),
        (1.0, 0.5),
        (0.97, 0.55),
        (0.86, 0.55),
        (0.83, 0.5),
        (0.78, 0.16),
        (0.7, 0.12),
        (0, 0.12),
    ]
    mesh = _lathe(profile).union(move(_tube(0.34, 0.36, 0.24, 0.02), z=0.08))
    for k in range(6):
        mesh = mesh.union(turn(_pull(box(0.3, -0.03, 0.8, 0.03), 0.24, 0.08), k * np.pi / 3, [0, 0, 1]))
    return _settle(mesh)


def pin() -> Mesh:
    """A dowel pin lying on its side, one end chamfered, one domed, with a groove."""
    r = 0.2
    profile = [
        (0, 0),
        (0.1, 0.01),
        (0.16, 0.05),
        (r, 0.13),
        (r, 1.5),
        (0.16, 1.53),
        (0.16, 1.63),
        (r, 1.66),
        (r, 1.92),
        (0.15, 2),
        (0, 2),
    ]
    return _settle(turn(_lathe(profile), np.pi / 2, [0, 1, 0]))


def _toothed(teeth: int, root: float, tip: float) -> Polygon:
    """A gear's outline with rounded, tapering teeth."""
    pitch = 2 * np.pi / teeth
    points = []
    for k in range(teeth):
        for offset, radius in (
            (-0.29, root),
            (-0.19, (root + tip) / 2),
            (-0.11, tip),
            (0.11, tip),
            (0.19, (root + tip) / 2),
            (0.29, root),
        ):
            a = k * pitch + offset * pitch
            points.append((radius * np.cos(a), radius * np.sin(a)))
    return Polygon(points).buffer(-0.012).buffer(0.024).buffer(-0.012)


def _gear(teeth: int, depth: float, bore: float, holes: int, key: bool = True) -> Mesh:
    root = 1.0 - depth
    mesh = _pull(_toothed(teeth, root, 1.0), 0.3)
    mesh = mesh.intersection(_lathe([(0, 0), (1.0, 0), (1.01, 0.03), (1.01, 0.27), (0.97, 0.3), (0, 0.3)]))
    if holes:
        web = move(_tube(root - 0.16, 0.4, bore + 0.2, 0.02), z=0.2)
        mesh = mesh.difference(web)
        for k in range(holes):
            a, r = 2 * np.pi * (k + 0.5) / holes, (root - 0.16 + bore + 0.2) / 2
            mesh = mesh.difference(move(_disc(0.115, 1.0, 0.01, 40), r * np.cos(a), r * np.sin(a), -0.5))
    hub = move(_disc(bore + 0.15, 0.14, 0.025), z=0.28)
    hollow = move(_lathe([(0, -1), (bore, -1), (bore, 0.39), (bore + 0.05, 0.45), (0, 0.45)]))
    mesh = mesh.union(hub).difference(hollow)
    return _settle(mesh.difference(_pull(box(0, -0.06, bore + 0.07, 0.06), 2.0, -0.5)) if key else mesh)


def gear() -> Mesh:
    """A spur gear of 24 teeth with a recessed web and six holes."""
    return _gear(24, 0.15, 0.2, 6)


def pinion() -> Mesh:
    """A small gear of 12 teeth."""
    return _gear(12, 0.27, 0.26, 0)


def bearing() -> Mesh:
    """A deep-groove ball bearing: two rings and nine balls in a cage."""
    mesh = _tube(1.0, 0.36, 0.8, 0.03).union(_tube(0.58, 0.36, 0.38, 0.03))
    mesh = mesh.union(move(_tube(0.82, 0.1, 0.56, 0.01), z=0.07))
    for k in range(9):
        ball = trimesh.creation.icosphere(subdivisions=3, radius=0.125)
        a = 2 * np.pi * k / 9
        mesh = mesh.union(move(ball, 0.69 * np.cos(a), 0.69 * np.sin(a), 0.2))
    return _settle(mesh)


def lever() -> Mesh:
    """A clamping lever: hub with a hexagon screw, tapering arm, round knob at the end."""
    arm = _pull(Polygon([(-0.1, -0.24), (1.5, -0.12), (1.5, 0.12), (-0.1, 0.24)]).buffer(0.03), 0.2, 0.08)
    hub = _disc(0.4, 0.42, 0.05).difference(move(_disc(0.27, 1.0, 0.01), z=0.3))
    head = move(_hex_body(0.22, 0.2), z=0.3)
    knob = move(_lathe([(0, 0), (0.2, 0), (0.3, 0.1), (0.3, 0.34), (0.2, 0.46), (0.1, 0.49), (0, 0.5)]), 1.55)
    return _settle(arm.union(hub).union(head).union(knob))


PARTS: dict[str, Callable[[], Mesh]] = {
    f.__name__: f for f in (nut, washer, bolt, screw, spring, clip, cap, pin, gear, pinion, bearing, lever)
}


def _rounded(width: float, height: float, radius: float) -> Polygon:
    return box(-width / 2 + radius, -height / 2 + radius, width / 2 - radius, height / 2 - radius).buffer(radius, 16)


def tray(columns: int = 3, rows: int = 2) -> Mesh:
    """The fastener tray, 2 by 2 units: rounded pockets with bevelled rims in a plate."""
    width, height = 2.0 / columns * 0.9, 2.0 / rows * 0.9
    mesh = _pull(_rounded(2.3, 2.3, 0.02), 0.3)
    for cx, cy in tray_slots(columns, rows):
        for depth, grow in ((0.02, 0.0), (0.27, 0.02), (0.285, 0.035)):
            pocket = _pull(_rounded(width - 0.07 + 2 * grow, height - 0.07 + 2 * grow, 0.1 + grow), 1.0, depth)
            mesh = mesh.difference(move(pocket, cx, cy))
    return mesh


def tray_slots(columns: int = 3, rows: int = 2) -> list[tuple[float, float]]:
    """Pocket centres in -1..1, row by row from the top left; y points up."""
    xs = (np.arange(columns) - (columns - 1) / 2) * 2.0 / columns * 0.955
    ys = (np.arange(rows) - (rows - 1) / 2) * 2.0 / rows * 0.955
    return [(float(x), -float(y)) for y in ys for x in xs]


HOUSING = {"gear": (-0.30, 0.14), "pinion": (0.345, 0.14), "bearing": (0.42, -0.52), "lever": (-0.40, -0.66)}
"""Where the housing's shafts and seats are, in -1..1, y up; the scenes put the parts there."""
HOUSING_SCREWS = tuple((sx * 0.8, sy * 0.8) for sy in (1, -1) for sx in (-1, 1))


def housing() -> Mesh:
    """The gear unit's milled housing, 2 by 2 units: rim with four threaded holes, floor with shafts and seats."""
    mesh = _pull(_rounded(2.3, 2.3, 0.02), 0.5)
    pocket = _rounded(1.86, 1.86, 0.24)
    for x, y in HOUSING_SCREWS:
        pocket = pocket.difference(Point(x, y).buffer(0.2, 32))
    pocket = pocket.buffer(-0.03).buffer(0.06).buffer(-0.03)
    for depth, grow in ((0.2, 0.0), (0.48, 0.02)):
        mesh = mesh.difference(_pull(pocket.buffer(grow), 1.0, depth))
    for x, y in HOUSING_SCREWS:
        hole = _lathe([(0, 0.1), (0.062, 0.1), (0.062, 0.46), (0.09, 0.52), (0, 0.52)], 48)
        mesh = mesh.difference(move(hole, x, y))
    for name, radius, height in (("gear", 0.083, 0.36), ("pinion", 0.066, 0.36), ("lever", 0.05, 0.3)):
        x, y = HOUSING[name]
        collar = _disc(radius + 0.07, 0.06, 0.012)
        mesh = mesh.union(move(collar.union(_disc(radius, height, 0.02)), x, y, 0.19))
    x, y = HOUSING["bearing"]
    seat = move(_disc(0.262, 0.5, 0.012), x, y, 0.14)
    return mesh.difference(seat).union(move(_disc(0.085, 0.22, 0.02), x, y, 0.1))
