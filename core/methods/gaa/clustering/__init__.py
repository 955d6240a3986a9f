"""AMFC: regions of one coarse label grouped by how they look, so that a concept learns one look at a time.

describe.py   a region in parts of numbers: network layers with colour and texture, or contrast and rim
window.py     a region and its surroundings at one size
rim.py        island, bump or bridge: how a region hangs together with its surroundings
fuse.py       parts on one scale, adaptively weighted
rounds.py     KMeans, the number of clusters, dense clusters split again
amfc.py       all of it in one call
edit.py       merge, split, move, rename
file.py       clusterings as JSON
kept.py       a project's clusters, and what becomes of a person's changes when examples come or go
sheet.py      a contact sheet for a look
model.py      Cluster, Clustering
"""

from core.methods.gaa.clustering.amfc import (
    RegionDescriptors,
    cluster_examples,
    cluster_regions,
    describe_regions,
    examples_in_cluster,
)
from core.methods.gaa.clustering.cluster_edits import merge, move, rename, split
from core.methods.gaa.clustering.clustering_file import from_json, load_clustering, save_clustering, to_json
from core.methods.gaa.clustering.clusters import Cluster, ClusterCountTrial, Clustering, ClusteringRound
from core.methods.gaa.clustering.contact_sheet import contact_sheet, crop_tile, typical_first
from core.methods.gaa.clustering.descriptors import CLUSTERING_PRESETS, ClusteringPreset, features_name

__all__ = [
    "CLUSTERING_PRESETS",
    "Cluster",
    "Clustering",
    "RegionDescriptors",
    "ClusteringPreset",
    "ClusteringRound",
    "ClusterCountTrial",
    "cluster_regions",
    "cluster_examples",
    "contact_sheet",
    "crop_tile",
    "describe_regions",
    "examples_in_cluster",
    "features_name",
    "from_json",
    "load_clustering",
    "merge",
    "move",
    "rename",
    "save_clustering",
    "split",
    "to_json",
    "typical_first",
]
