"""The loop: from what a detector misses to the pairs that mend it, round by round, until a contract is met.

``contract`` says what shall be reached, ``loop_split`` keeps learning and judging apart, ``diagnosis`` says what is
missed, ``planning`` and ``engine_trials`` what to make of it, ``gate`` whether a round helped. ``loop_state`` is all
that is known, in one file, and ``stages`` leads from one state to the next.
"""
