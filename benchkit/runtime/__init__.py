"""What a run leaves on the machine while it lives: private folders and guarded processes.

Everything is swept by the next run when its owner was killed.
"""
