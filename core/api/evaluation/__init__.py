"""Behind the Evaluate tab and ``launch.py evaluate``: evaluations of a project, and of folders."""
