"""What stands between the network and the page: who may ask, from where, how often and how much."""
